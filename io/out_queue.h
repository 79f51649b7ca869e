// What: the bytes a connection still has to send: small ones are appended to a pooled buffer, large
//       ones ride along as the buffers they are. One send at a time; what is queued leaves
//       together, kSendBytesMax of it.
// Threads: the reactor's. Lifetime: the pools outlive it. Buffers stay until they are sent.
// Limits: the owner's, by bytes(). Failure: none.
#pragma once

#include "core/assert.h"
#include "core/buffer.h"
#include "io/backend.h"
#include "io/fifo.h"
#include "io/sized_pools.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace millrace::io {

class OutQueue {
public:
    // `all`: bytes of this and other queues together, kept by each.
    OutQueue(SizedPools& pools, std::size_t& all) : pools_(pools), all_(all) {}

    bool empty() const { return bytes_ == 0; }
    std::size_t bytes() const { return bytes_; }
    bool sending() const { return sending_; }

    void append(std::string_view text) {
        bytes_ += text.size();
        all_ += text.size();
        while (!text.empty()) {
            if (segments_.empty() || !segments_.back().open || room(segments_.back()) == 0) {
                segments_.push_back(
                    Segment{pools_.acquire(text.size() > kSmallBytes ? text.size() : kSmallBytes),
                            0, true});
            }
            core::BufferRef& buffer = segments_.back().buffer;
            const std::size_t part =
                text.size() < room(segments_.back()) ? text.size() : room(segments_.back());
            std::memcpy(buffer.data() + buffer.size(), text.data(), part);
            buffer.set_size(buffer.size() + part);
            text.remove_prefix(part);
        }
    }

    // Small buffers are copied: one iovec less, and their memory is free again at once.
    void append(core::BufferRef buffer) {
        if (!buffer || buffer.size() == 0) return;
        if (buffer.size() <= kCopyBytesMax) return append(buffer.view());
        bytes_ += buffer.size();
        all_ += buffer.size();
        segments_.push_back(Segment{std::move(buffer), 0, false});
    }

    // Fills `vector` with what is to be sent next.
    void begin_send(SendVector& vector) {
        MR_ASSERT(!sending_ && bytes_ > 0);
        sending_ = true;
        vector.count = 0;
        std::size_t left = kSendBytesMax;
        for (std::size_t i = 0;
             i < segments_.size() && vector.count < SendVector::kPiecesMax && left != 0; ++i) {
            Segment& segment = segments_[i];
            if (segment.buffer.size() == segment.sent) continue;
            const std::size_t part = std::min(left, segment.buffer.size() - segment.sent);
            vector.pieces[vector.count++] = iovec{segment.buffer.data() + segment.sent, part};
            left -= part;
        }
    }

    void sent(std::size_t bytes) {
        sending_ = false;
        MR_ASSERT(bytes <= bytes_ && bytes <= all_);
        bytes_ -= bytes;
        all_ -= bytes;
        while (bytes > 0) {
            Segment& segment = segments_.front();
            const std::size_t left = segment.buffer.size() - segment.sent;
            if (bytes < left) {
                segment.sent += bytes;
                return;
            }
            bytes -= left;
            segments_.pop_front();
        }
    }

    void clear() {
        segments_.clear();
        all_ -= bytes_;
        bytes_ = 0;
        sending_ = false;
    }

private:
    static constexpr std::size_t kSmallBytes = 4096;
    static constexpr std::size_t kCopyBytesMax = 2048;
    // The system copies all that its buffers take, megabytes of them, while others wait.
    static constexpr std::size_t kSendBytesMax = 256u << 10;

    struct Segment {
        core::BufferRef buffer;
        std::size_t sent = 0;
        bool open = false;  // more may be appended to it
    };
    static std::size_t room(const Segment& segment) {
        return segment.buffer.capacity() - segment.buffer.size();
    }

    SizedPools& pools_;
    std::size_t& all_;
    Fifo<Segment> segments_;
    std::size_t bytes_ = 0;
    bool sending_ = false;
};

}  // namespace millrace::io
