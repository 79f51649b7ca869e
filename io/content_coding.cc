#include "io/content_coding.h"

#include "core/assert.h"
#include "core/listed.h"
#include "io/http_head.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>
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

core::Error not_sound(std::string_view coding, std::size_t at, std::string_view what) {
    return core::Error(core::ErrorCode::kValidation,
                       "http: the body is not sound " + std::string(coding) + " at byte " +
                           std::to_string(at) + ": " + std::string(what))
        .in("Content-Encoding")
        .at(static_cast<std::int64_t>(at));
}

core::Error not_gzip(std::size_t at, std::string_view what) { return not_sound("gzip", at, what); }

core::Error beyond(std::size_t bytes_max) {
    return core::Error(
               core::ErrorCode::kPayloadTooLarge,
               "http: the body inflates beyond http.body_bytes_max " + std::to_string(bytes_max))
        .bound(static_cast<std::int64_t>(bytes_max));
}

// Twice the room, as far as `most` goes.
void grow(core::BufferRef& out, std::size_t most, SizedPools& pools) {
    core::BufferRef larger = pools.acquire(std::min(most, out.capacity() * 2));
    std::memcpy(larger.data(), out.data(), out.size());
    larger.set_size(out.size());
    out = std::move(larger);
}

struct FreeZstd {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

ContentCoding also(ContentCoding before, std::string_view item) {
    if (item.empty() || equals_ignore_case(item, "identity")) return before;
    if (before != ContentCoding::kIdentity) return ContentCoding::kUnknown;
    if (equals_ignore_case(item, "gzip") || equals_ignore_case(item, "x-gzip"))
        return ContentCoding::kGzip;
    return equals_ignore_case(item, "zstd") ? ContentCoding::kZstd : ContentCoding::kUnknown;
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
        if (out.size() == out.capacity()) grow(out, most, pools);
        const std::size_t room = std::min(out.capacity(), most) - out.size();
        stream.next_out = reinterpret_cast<Bytef*>(out.data() + out.size());
        stream.avail_out = static_cast<uInt>(room);
        const int outcome = ::inflate(&stream, Z_NO_FLUSH);
        out.set_size(out.size() + room - stream.avail_out);
        const std::size_t at = text.size() - stream.avail_in;
        if (out.size() > bytes_max) return core::fail(beyond(bytes_max));
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

core::Result<core::BufferRef> inflate_zstd(std::string_view text, std::size_t bytes_max,
                                           SizedPools& pools) {
    const std::unique_ptr<ZSTD_DCtx, FreeZstd> context(ZSTD_createDCtx());
    MR_ASSERT(context != nullptr);
    ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kZstdWindowBitsMax);
    ZSTD_inBuffer in{text.data(), text.size(), 0};
    const std::size_t most = bytes_max + 1;
    core::BufferRef out = pools.acquire(std::min(most, text.size() * kFirstFactor));
    for (;;) {
        if (out.size() == out.capacity()) grow(out, most, pools);
        ZSTD_outBuffer room{out.data(), std::min(out.capacity(), most), out.size()};
        const std::size_t outcome = ZSTD_decompressStream(context.get(), &room, &in);
        out.set_size(room.pos);
        if (out.size() > bytes_max) return core::fail(beyond(bytes_max));
        if (ZSTD_isError(outcome) != 0)
            return core::fail(not_sound("zstd", in.pos, ZSTD_getErrorName(outcome)));
        if (in.pos < in.size) continue;
        if (outcome == 0) return out;
        if (room.pos == room.size) continue;
        return core::fail(not_sound("zstd", in.pos, "it ends too early"));
    }
}

core::Result<core::BufferRef> inflate(ContentCoding coding, std::string_view text,
                                      std::size_t bytes_max, SizedPools& pools) {
    return coding == ContentCoding::kZstd ? inflate_zstd(text, bytes_max, pools)
                                          : inflate_gzip(text, bytes_max, pools);
}

bool accepts_gzip(std::string_view accept_encoding) {
    return !core::each_listed(accept_encoding, [](std::string_view item) {
        const std::string_view name = item.substr(0, item.find_first_of("; "));
        const std::size_t weight = item.find("q=");
        const bool refused =
            weight != std::string_view::npos &&
            item.substr(weight + 2).find_first_not_of("0. ") == std::string_view::npos;
        return refused || !equals_ignore_case(name, "gzip");
    });
}

std::string deflate_gzip(std::string_view text) {
    constexpr int kLevel = 1;  // JSON shrinks by most of what it can at once
    constexpr int kMemoryLevel = 8;
    z_stream stream{};
    MR_ASSERT(::deflateInit2(&stream, kLevel, Z_DEFLATED, kGzipWindowBits, kMemoryLevel,
                             Z_DEFAULT_STRATEGY) == Z_OK);
    std::string out(::deflateBound(&stream, text.size()), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    MR_ASSERT(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out.resize(out.size() - stream.avail_out);
    ::deflateEnd(&stream);
    return out;
}

}  // namespace millrace::io
