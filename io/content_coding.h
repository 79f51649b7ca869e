// What: Content-Encoding: gzip and zstd of request bodies are undone before a handler sees them,
//       identity is nothing, everything else is refused by whoever asks; answers may be gzip.
// Threads: pure but for the pools. Lifetime: the pools outlive the buffer.
// Limits: the caller's; what inflates beyond it is told when it gets there, however small it came.
// Failure: kValidation with the byte of what was sent, kPayloadTooLarge with the limit.
#pragma once

#include "core/buffer.h"
#include "core/result.h"
#include "io/sized_pools.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::io {

enum class ContentCoding : std::uint8_t { kIdentity, kGzip, kZstd, kUnknown };

// What the codings so far and one more item of the header's list come to.
ContentCoding also(ContentCoding before, std::string_view item);

// One or several gzip members and nothing behind them.
core::Result<core::BufferRef> inflate_gzip(std::string_view text, std::size_t bytes_max,
                                           SizedPools& pools);
// One or several zstd frames and nothing behind them; windows of kZstdWindowBitsMax at most.
core::Result<core::BufferRef> inflate_zstd(std::string_view text, std::size_t bytes_max,
                                           SizedPools& pools);
// What `coding` makes of it: one of the two above.
core::Result<core::BufferRef> inflate(ContentCoding coding, std::string_view text,
                                      std::size_t bytes_max, SizedPools& pools);

inline constexpr int kZstdWindowBitsMax = 23;  // 8 MiB, as RFC 8878 asks of everybody

// Answers that are shorter gain nothing.
inline constexpr std::size_t kGzipBytesMin = 1024;
// Whether an Accept-Encoding header asks for gzip.
bool accepts_gzip(std::string_view accept_encoding);
std::string deflate_gzip(std::string_view text);

}  // namespace millrace::io
