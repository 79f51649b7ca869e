// What: a share of memory that many parts draw from, counted together: a claim says how much one
//       of them has of it, and gives it back when it goes.
// Threads: any; a claim one at a time.
// Lifetime: the share outlives its claims.
// Limits: `bytes_max`, passed by a claim that is alone. Failure: grow() says that there is no room,
//         and changes nothing.
#pragma once

#include <atomic>
#include <cstddef>
#include <limits>
#include <utility>

namespace millrace::core {

class ByteShare {
public:
    explicit ByteShare(std::size_t bytes_max = std::numeric_limits<std::size_t>::max())
        : bytes_max_(bytes_max) {}
    ByteShare(const ByteShare&) = delete;
    ByteShare& operator=(const ByteShare&) = delete;

    std::size_t bytes_max() const { return bytes_max_; }
    // Relaxed, as everything here: a measure and a bound, no data behind it.
    std::size_t held_bytes() const { return held_.load(std::memory_order_relaxed); }

private:
    friend class ByteClaim;
    const std::size_t bytes_max_;
    std::atomic<std::size_t> held_{0};
};

class ByteClaim {
public:
    ByteClaim() = default;
    explicit ByteClaim(ByteShare& share) : share_(&share) {}
    ByteClaim(ByteClaim&& other) noexcept
        : share_(std::exchange(other.share_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    ByteClaim& operator=(ByteClaim&& other) noexcept {
        std::swap(share_, other.share_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~ByteClaim() { give_back(); }

    std::size_t bytes() const { return bytes_; }
    // One of no share may always.
    bool grow(std::size_t more) {
        if (!share_) return true;
        const std::size_t all = share_->held_.fetch_add(more, std::memory_order_relaxed) + more;
        bytes_ += more;
        if (all <= share_->bytes_max_ || all == bytes_) return true;
        shrink(more);
        return false;
    }
    void shrink(std::size_t less) {
        if (!share_) return;
        share_->held_.fetch_sub(less, std::memory_order_relaxed);
        bytes_ -= less;
    }
    void give_back() { shrink(bytes_); }

private:
    ByteShare* share_ = nullptr;
    std::size_t bytes_ = 0;
};

}  // namespace millrace::core
