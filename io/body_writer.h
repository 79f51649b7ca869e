// What: a growing response body written straight into pooled memory: append, then hand it to
//       HttpServer::respond without a copy.
// Threads: the reactor's. Lifetime: must not outlive the server that made it.
// Limits: grows by doubling; what is kept in the pool is bounded by the pool.
// Failure: none.
#pragma once

#include "core/buffer.h"

#include <charconv>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace millrace::io {

class SizedPools;

class BodyWriter {
public:
    explicit BodyWriter(SizedPools& pools) : pools_(&pools) {}

    void append(std::string_view text) {
        if (text.empty()) return;  // memcpy must not see the null of an empty view
        std::memcpy(reserve(text.size()), text.data(), text.size());
        commit(text.size());
    }
    void append(char byte) {
        *reserve(1) = byte;
        commit(1);
    }
    template <typename Int>
    void append_int(Int value) {
        char* at = reserve(24);
        commit(static_cast<std::size_t>(std::to_chars(at, at + 24, value).ptr - at));
    }
    void append_json_string(std::string_view text);  // quoted and escaped

    // Room for `bytes` more; commit() says how many were written.
    char* reserve(std::size_t bytes) {
        if (!buffer_ || buffer_.capacity() - buffer_.size() < bytes) grow(bytes);
        return buffer_.data() + buffer_.size();
    }
    void commit(std::size_t bytes) { buffer_.set_size(buffer_.size() + bytes); }

    std::size_t size() const { return buffer_ ? buffer_.size() : 0; }
    std::string_view view() const { return buffer_ ? buffer_.view() : std::string_view{}; }
    core::BufferRef take() { return std::move(buffer_); }

private:
    void grow(std::size_t bytes);
    SizedPools* pools_;
    core::BufferRef buffer_;
};

}  // namespace millrace::io
