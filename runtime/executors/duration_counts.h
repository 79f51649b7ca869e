// What: how long runs took, counted in steps of an eighth: small enough to be written with every
//       commit, and exact enough to compare two versions of a script. Of old runs it forgets half
//       whenever kCountedMax are in it, so that it tells of the newer ones.
// Threads: one owner. Lifetime: value. Limits: kBuckets; longer than hours is the last one.
// Failure: read() is false for a text that write() has not made.
#pragma once

#include "core/json_dom.h"
#include "core/json_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace millrace::runtime {

class DurationCounts {
public:
    static constexpr std::size_t kBuckets = 256;
    static constexpr std::uint64_t kCountedMax = 4'096;

    void add(std::int64_t us) {
        if (counted_ >= kCountedMax) halve();
        ++counts_[bucket_of(us)];
        ++counted_;
    }
    // What somebody else has counted besides: for what is asked of both, not to be added to. Each
    // is to be as if it had forgotten nothing, or whoever has had more runs counts for too little.
    void add(const DurationCounts& other) {
        for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
        counted_ += other.counted_;
    }
    // As if it had forgotten nothing of so many: that was like what it has.
    DurationCounts stretched_to(std::uint64_t runs) const {
        DurationCounts out = *this;
        if (counted_ == 0 || runs <= counted_) return out;
        const double factor = static_cast<double>(runs) / static_cast<double>(counted_);
        out.counted_ = 0;
        for (std::uint64_t& count : out.counts_) {
            count = static_cast<std::uint64_t>(static_cast<double>(count) * factor);
            out.counted_ += count;
        }
        return out;
    }
    // The middle of the step in which it lies; 0: nothing was counted.
    std::int64_t p99_us() const {
        if (counted_ == 0) return 0;
        std::uint64_t left = (counted_ - 1) * 99 / 100;
        for (std::size_t i = 0; i < kBuckets; ++i) {
            if (left < counts_[i]) return middle_of(i);
            left -= counts_[i];
        }
        return middle_of(kBuckets - 1);
    }

    // [[step, count], ...], of those that are not empty.
    void write(core::JsonWriter& json) const {
        json.begin_array();
        for (std::size_t i = 0; i < kBuckets; ++i) {
            if (counts_[i] == 0) continue;
            json.begin_array().value(i).value(counts_[i]).end_array();
        }
        json.end_array();
    }
    bool read(const core::JsonElement& list) {
        core::JsonArray steps;
        *this = {};
        if (!list.get(steps)) return false;
        for (const core::JsonElement step : steps) {
            core::JsonArray pair;
            if (!step.get(pair) || pair.size() != 2) return false;
            std::uint64_t numbers[2] = {};
            std::size_t at = 0;
            for (const core::JsonElement number : pair) {
                if (!number.get(numbers[at++])) return false;
            }
            if (numbers[0] >= kBuckets || numbers[1] > kCountedMax - counted_) return false;
            counts_[numbers[0]] = numbers[1];
            counted_ += numbers[1];
        }
        return true;
    }

private:
    static std::size_t bucket_of(std::int64_t us) {
        const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(us, 0));
        if (value < 8) return value;
        const auto octave = static_cast<std::size_t>(std::bit_width(value)) - 4;
        return std::min(8 + octave * 8 + ((value >> octave) & 7), kBuckets - 1);
    }
    static std::int64_t middle_of(std::size_t bucket) {
        if (bucket < 8) return static_cast<std::int64_t>(bucket);
        const std::size_t octave = (bucket - 8) / 8;
        const std::uint64_t low = (8 + bucket % 8) << octave;
        return static_cast<std::int64_t>(low + ((std::uint64_t{1} << octave) >> 1));
    }
    void halve() {
        counted_ = 0;
        for (std::uint64_t& count : counts_) counted_ += count /= 2;
    }

    std::array<std::uint64_t, kBuckets> counts_{};
    std::uint64_t counted_ = 0;
};

}  // namespace millrace::runtime
