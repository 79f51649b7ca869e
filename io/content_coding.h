// What: Content-Encoding of request bodies: gzip is undone before a handler sees the body, identity
//       is nothing, everything else is refused by whoever asks.
// Threads: pure but for the pools. Lifetime: the pools outlive the buffer.
// Limits: the caller's; what inflates beyond it is told when it gets there, however small it came.
// Failure: kValidation with the byte of what was sent, kPayloadTooLarge with the limit.
#pragma once

#include "core/buffer.h"
#include "core/result.h"
#include "io/sized_pools.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::io {

enum class ContentCoding : std::uint8_t { kIdentity, kGzip, kUnknown };

// What the codings so far and one more item of the header's list come to.
ContentCoding also(ContentCoding before, std::string_view item);

// One or several gzip members and nothing behind them.
core::Result<core::BufferRef> inflate_gzip(std::string_view text, std::size_t bytes_max,
                                           SizedPools& pools);

}  // namespace millrace::io
