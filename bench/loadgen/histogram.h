// What: latencies in buckets of at most 1.6 % width, from 1 ns to 18 s and beyond.
// Threads: one; merge() joins those of several. Lifetime: value.
// Limits: 64 buckets per power of two. Failure: none.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace millrace::bench {

class Histogram {
public:
    void add(std::uint64_t value) {
        ++counts_[bucket(value)];
        ++total_;
    }

    void merge(const Histogram& other) {
        for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
        total_ += other.total_;
    }

    std::uint64_t total() const { return total_; }

    // The upper edge of the bucket that holds the part `quantile` of all values.
    std::uint64_t at(double quantile) const {
        const auto wanted = static_cast<std::uint64_t>(quantile * static_cast<double>(total_));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (seen > wanted) return upper_edge(i);
        }
        return 0;
    }

private:
    static constexpr unsigned kSubBits = 6;
    static constexpr std::uint64_t kSub = 1u << kSubBits;

    static std::size_t bucket(std::uint64_t value) {
        if (value < kSub) return static_cast<std::size_t>(value);
        const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - kSubBits - 1;
        return (static_cast<std::size_t>(shift) << kSubBits) +
               static_cast<std::size_t>(value >> shift);
    }
    static std::uint64_t upper_edge(std::size_t index) {
        if (index < kSub) return index;
        const std::size_t shift = (index >> kSubBits) - 1;
        return ((kSub + (index & (kSub - 1))) + 1) << shift;
    }

    std::array<std::uint64_t, (64 - kSubBits + 1) * kSub> counts_{};
    std::uint64_t total_ = 0;
};

}  // namespace millrace::bench
