#include "io/content_coding.h"

#include "core/assert.h"
#include "io/http_head.h"

#include <algorithm>
#include <cstring>
#include <string>

#include <zlib.h>

namespace millrace::io {

namespace {

constexpr int kGzipWindowBits = 15 + 16;  // the largest window, gzip's frame and no other
constexpr std::size_t kFirstFactor = 4;   // JSON in batches shrinks about so

class Inflater {
public:
    Inflater() { MR_ASSERT(::inflateInit2(&stream_, kGzipWindowBits) == Z_OK); }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;
    ~Inflater() { ::inflateEnd(&stream_); }
    z_stream& stream() { return stream_; }

private:
    z_stream stream_{};
};

core::Error not_gzip(std::size_t at, std::string_view what) {
    return core::Error(core::ErrorCode::kValidation, "http: the body is not sound gzip at byte " +
                                                         std::to_string(at) + ": " +
                                                         std::string(what))
        .in("Content-Encoding")
        .at(static_cast<std::int64_t>(at));
}

}  // namespace

ContentCoding also(ContentCoding before, std::string_view item) {
    if (item.empty() || equals_ignore_case(item, "identity")) return before;
    const bool gzip = equals_ignore_case(item, "gzip") || equals_ignore_case(item, "x-gzip");
    return gzip && before == ContentCoding::kIdentity ? ContentCoding::kGzip
                                                      : ContentCoding::kUnknown;
}

core::Result<core::BufferRef> inflate_gzip(std::string_view text, std::size_t bytes_max,
                                           SizedPools& pools) {
    Inflater inflater;
    z_stream& stream = inflater.stream();
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    // One byte more than the limit shows that it is broken.
    const std::size_t most = bytes_max + 1;
    core::BufferRef out = pools.acquire(std::min(most, text.size() * kFirstFactor));
    for (;;) {
        if (out.size() == out.capacity()) {
            core::BufferRef larger = pools.acquire(std::min(most, out.capacity() * 2));
            std::memcpy(larger.data(), out.data(), out.size());
            larger.set_size(out.size());
            out = std::move(larger);
        }
        const std::size_t room = std::min(out.capacity(), most) - out.size();
        stream.next_out = reinterpret_cast<Bytef*>(out.data() + out.size());
        stream.avail_out = static_cast<uInt>(room);
        const int outcome = ::inflate(&stream, Z_NO_FLUSH);
        out.set_size(out.size() + room - stream.avail_out);
        const std::size_t at = text.size() - stream.avail_in;
        if (out.size() > bytes_max) {
            return core::fail(core::Error(core::ErrorCode::kPayloadTooLarge,
                                          "http: the body inflates beyond http.body_bytes_max " +
                                              std::to_string(bytes_max))
                                  .bound(static_cast<std::int64_t>(bytes_max)));
        }
        if (outcome == Z_STREAM_END) {
            if (stream.avail_in == 0) return out;
            if (::inflateReset(&stream) != Z_OK) return core::fail(not_gzip(at, "it goes on"));
        } else if (outcome != Z_OK && outcome != Z_BUF_ERROR) {
            return core::fail(not_gzip(at, stream.msg ? stream.msg : "malformed"));
        } else if (stream.avail_in == 0 && stream.avail_out > 0) {
            return core::fail(not_gzip(at, "it ends too early"));
        }
    }
}

}  // namespace millrace::io
