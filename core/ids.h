// What: strong types for ids and positions, so that a shard number is never taken for an offset.
// Threads: values. Lifetime: none. Limits: a shard number has 16 bits. Failure: none.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace millrace::core {

template <typename Tag, typename Int>
struct StrongInt {
    using Value = Int;
    Int value{};

    constexpr StrongInt() = default;
    constexpr explicit StrongInt(Int v) : value(v) {}
    constexpr auto operator<=>(const StrongInt&) const = default;
};

// A shard: one slice of the log, of the edge and of the matching, on one core.
using ShardId = StrongInt<struct ShardIdTag, std::uint16_t>;
// Place of an event in its shard's log: dense, from 0.
using LogOffset = StrongInt<struct LogOffsetTag, std::uint64_t>;
// A tenant's number in this data folder; 0 is "default". The registry maps names to numbers.
using TenantId = StrongInt<struct TenantIdTag, std::uint32_t>;
// A subscription's number in this data folder; never used again after removal.
using SubscriptionId = StrongInt<struct SubscriptionIdTag, std::uint32_t>;

// Where an event stands in the log.
struct LogPosition {
    ShardId shard;
    LogOffset offset;
    constexpr auto operator<=>(const LogPosition&) const = default;
};

}  // namespace millrace::core

template <typename Tag, typename Int>
struct std::hash<millrace::core::StrongInt<Tag, Int>> {
    std::size_t operator()(const millrace::core::StrongInt<Tag, Int>& id) const noexcept {
        return std::hash<Int>{}(id.value);
    }
};
