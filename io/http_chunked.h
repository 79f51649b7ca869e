// What: takes a chunked body apart, in pieces as they come. Strict: sizes are hex digits with CRLF,
//       extensions have the grammar of RFC 9112 7.1.1 and are bounded, trailers are checked; both
//       are thrown away.
// Threads: one. Lifetime: a value. Limits: Limits below.
// Failure: take() says which rule was broken; the connection has lost its framing then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::io {

class ChunkedDecoder {
public:
    enum class Outcome : std::uint8_t { kNeedMore, kData, kDone, kMalformed, kTooLarge };

    // overhead: bytes of chunk lines' extensions and of trailers, over the whole body.
    void reset(std::size_t body_bytes_max, std::size_t overhead_bytes_max);
    // Consumes from the front of `input`. kData: `data` is the next piece of the body; call again.
    Outcome take(std::string_view& input, std::string_view& data);
    std::uint64_t body_bytes() const { return body_bytes_; }

private:
    enum class State : std::uint8_t {
        kSizeFirst,
        kSize,
        kExtensionStart,  // behind ';'
        kExtensionName,
        kExtensionNameEnd,  // white space behind the name: '=' or ';' must follow
        kExtensionValueStart,
        kExtensionToken,
        kExtensionQuoted,
        kExtensionEscape,
        kExtensionQuoteEnd,
        kExtensionSpace,  // white space behind a value: ';' must follow
        kSizeLf,
        kData,
        kDataCr,
        kDataLf,
        kTrailerStart,
        kTrailerName,
        kTrailerValue,
        kTrailerLf,
        kEndLf,
        kDone
    };
    Outcome step(char c);
    Outcome size_digit(char c);
    Outcome size_end();
    Outcome extension(char c);
    Outcome extension_value(char c);
    Outcome trailer(char c);

    State state_ = State::kSizeFirst;
    std::uint64_t chunk_left_ = 0;
    unsigned size_digits_ = 0;
    std::uint64_t body_bytes_ = 0;
    std::uint64_t body_bytes_max_ = 0;
    std::size_t overhead_bytes_ = 0;
    std::size_t overhead_bytes_max_ = 0;
};

}  // namespace millrace::io
