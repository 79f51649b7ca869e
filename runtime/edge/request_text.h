// What: puts a text that the server has made itself into a request, in the place of what was sent.
// Threads: the request's owner. Lifetime: the request owns a copy. Limits: none of its own.
// Failure: none.
#pragma once

#include "runtime/shard/ingest_request.h"
#include "store/log/pool_set.h"

#include <cstring>
#include <string_view>
#include <utility>

namespace millrace::runtime {

inline void set_request_text(IngestRequest& request, std::string_view text, store::PoolSet& pools) {
    core::BufferRef body = pools.acquire(text.size());
    std::memcpy(body.data(), text.data(), text.size());
    body.set_size(text.size());
    request.body = std::move(body);
}

}  // namespace millrace::runtime
