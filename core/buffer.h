// What: a reference-counted byte buffer with kPaddingBytes readable bytes behind its end, so that
//       simdjson can read past it, and a pool that hands the same memory out again.
// Threads: a BufferRef may be copied, moved and dropped on any thread. A pool belongs to nobody:
//       acquire() and the last drop take a short spin lock.
// Lifetime: the pool outlives its buffers.
// Limits: the pool keeps at most pooled_buffers_max free buffers of at most pooled_bytes_max each;
//       lent_bytes() tells what is out, whoever has it.
// Failure: allocation failure is fatal (std::bad_alloc ends the process).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::core {

inline constexpr std::size_t kPaddingBytes = 64;

class BufferPool;

struct Buffer {
    std::atomic<std::uint32_t> references{0};
    BufferPool* pool = nullptr;
    char* data = nullptr;
    std::size_t size = 0;      // bytes in use
    std::size_t capacity = 0;  // bytes that may be used; kPaddingBytes more are allocated
};

class BufferRef {
public:
    BufferRef() = default;
    explicit BufferRef(Buffer* buffer) : buffer_(buffer) {
        // holder is alive
        if (buffer_) buffer_->references.fetch_add(1, std::memory_order_relaxed);
    }
    BufferRef(const BufferRef& other) : BufferRef(other.buffer_) {}
    BufferRef(BufferRef&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}
    BufferRef& operator=(BufferRef other) noexcept {
        std::swap(buffer_, other.buffer_);
        return *this;
    }
    ~BufferRef() { release(); }

    explicit operator bool() const { return buffer_ != nullptr; }
    Buffer* get() const { return buffer_; }
    char* data() const { return buffer_->data; }
    std::size_t size() const { return buffer_->size; }
    std::size_t capacity() const { return buffer_->capacity; }
    void set_size(std::size_t bytes) { buffer_->size = bytes; }
    std::string_view view() const { return {buffer_->data, buffer_->size}; }

private:
    inline void release();
    Buffer* buffer_ = nullptr;
};

class BufferPool {
public:
    struct Options {
        std::size_t pooled_buffers_max = 256;
        std::size_t pooled_bytes_max = 4u << 20;
    };
    BufferPool() : BufferPool(Options{}) {}
    explicit BufferPool(Options options) : options_(options) {
        free_.reserve(options.pooled_buffers_max);
    }
    BufferPool(const BufferPool&) = delete;
    BufferPool& operator=(const BufferPool&) = delete;
    ~BufferPool() {
        for (Buffer* buffer : free_) destroy(buffer);
    }

    // A buffer of size 0 and at least this capacity.
    BufferRef acquire(std::size_t capacity) {
        {
            std::lock_guard lock(mutex_);
            for (std::size_t i = free_.size(); i-- > 0;) {
                if (free_[i]->capacity < capacity) continue;
                Buffer* buffer = free_[i];
                free_[i] = free_.back();
                free_.pop_back();
                buffer->size = 0;
                lend(buffer->capacity);
                return BufferRef(buffer);
            }
        }
        lend(capacity);
        auto* buffer = new Buffer;
        buffer->pool = this;
        buffer->capacity = capacity;
        buffer->data = static_cast<char*>(::operator new(capacity + kPaddingBytes));
        std::memset(buffer->data + capacity, 0, kPaddingBytes);
        return BufferRef(buffer);
    }

    // Called by the last reference.
    void give_back(Buffer* buffer) {
        lent_bytes_.fetch_sub(buffer->capacity, std::memory_order_relaxed);  // as lend()
        if (buffer->capacity <= options_.pooled_bytes_max) {
            std::lock_guard lock(mutex_);
            if (free_.size() < options_.pooled_buffers_max) {
                free_.push_back(buffer);
                return;
            }
        }
        destroy(buffer);
    }

    // Of buffers that somebody holds, on whatever thread.
    std::size_t lent_bytes() const { return lent_bytes_.load(std::memory_order_relaxed); }

private:
    // Relaxed: a measure; no data behind it.
    void lend(std::size_t bytes) { lent_bytes_.fetch_add(bytes, std::memory_order_relaxed); }
    static void destroy(Buffer* buffer) {
        ::operator delete(buffer->data);
        delete buffer;
    }
    const Options options_;
    std::mutex mutex_;
    std::vector<Buffer*> free_;
    std::atomic<std::size_t> lent_bytes_{0};
};

inline void BufferRef::release() {
    // acq_rel: the last holder must see every other holder's reads and writes finished.
    if (buffer_ && buffer_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        buffer_->pool->give_back(buffer_);
    }
    buffer_ = nullptr;
}

}  // namespace millrace::core
