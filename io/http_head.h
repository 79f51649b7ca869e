// What: the head of a request (request line and headers) from contiguous bytes to views, and the
//       one decision about how its body is framed. llhttp reads the grammar; what it lets pass and
//       RFC 9112 or caution forbids is refused here: bare CR and LF, folded headers, doubtful Host,
//       doubtful Content-Length and Transfer-Encoding.
// Threads: any. Lifetime: the views point into the bytes given.
// Limits: kHeadersMax headers at most, whatever is configured.
// Failure: an Error with the status to answer; framing is lost then and the connection has to be
//       closed.
#pragma once

#include "core/result.h"
#include "io/content_coding.h"
#include "io/http_types.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::io {

inline constexpr std::size_t kHeadersMax = 128;

struct ParsedHead {
    Method method = Method::kGet;
    std::uint8_t version_minor = 1;
    bool keep_alive = true;
    bool chunked = false;
    bool has_length = false;
    bool expects_continue = false;
    ContentCoding coding = ContentCoding::kIdentity;
    std::uint64_t content_length = 0;
    std::string_view target, path, query, content_type;
    std::string_view host;  // RFC 9112 3.2.2: the target's where it has one, whatever Host says
    std::array<HeaderField, kHeadersMax> headers;
    std::size_t header_count = 0;
};

// Finds the end of a head in bytes that come piece by piece.
class HeadScanner {
public:
    enum class Outcome : std::uint8_t {
        kIncomplete,
        kComplete,
        kBareCr,
        kBareLf,
        kFolded,
        kLineTooLong,
        kHeadersTooLarge,
        kTooManyHeaders
    };
    struct Limits {
        std::size_t line_bytes_max;
        std::size_t header_bytes_max;
        std::size_t header_count_max;
    };
    // `text` begins with the request line; what was seen by an earlier call is not looked at again.
    Outcome scan(std::string_view text, const Limits& limits);
    std::size_t head_bytes() const { return scanned_; }  // after kComplete: with the empty line
    void reset() { *this = HeadScanner{}; }

private:
    Outcome end_line(std::string_view line, const Limits& limits);
    std::size_t scanned_ = 0;  // begin of the line that is not yet complete
    std::size_t line_count_ = 0;
    std::size_t first_line_bytes_ = 0;
};

// `head` is complete: it ends with the empty line, and HeadScanner has passed it.
core::Status parse_head(std::string_view head, ParsedHead& out);
core::Error head_scan_error(HeadScanner::Outcome outcome, const HeadScanner::Limits& limits);

// host or host:port, without user or path.
bool is_host(std::string_view text);

bool equals_ignore_case(std::string_view a, std::string_view b);

}  // namespace millrace::io
