// What: the numbers of the units of a folder's logs. A unit is what one log commits at once; rows
//       that may stand several times under one key (outcomes of a block, changes of one moment)
//       carry its number and their place in it as their serial. The number goes on where the log
//       ended: the next one is written with the unit, as the cursor "units".
// Threads: a shard's units by the log writer's thread; everybody else's (kOtherUnits: what is not
//       committed through a log) by any thread that holds lock_others() until it has committed.
// Lifetime: of the Engine. Limits: kSerialsPerUnit rows a unit, then it counts as two.
// Failure: none.
#pragma once

#include "core/assert.h"
#include "core/ids.h"
#include "core/limits.h"

#include <array>
#include <cstdint>
#include <mutex>
#include <string_view>

namespace millrace::store {

inline constexpr std::string_view kUnitsCursor = "units";
inline constexpr core::ShardId kOtherUnits{0xffff};

class UnitCounter {
public:
    static constexpr std::uint64_t kSerialsPerUnit = 1u << 20;

    // The first serial of the next unit. Those of kOtherUnits never meet a shard's.
    std::uint64_t take(core::ShardId log) {
        const std::uint64_t serial = next_[index(log)]++ * kSerialsPerUnit;
        return log == kOtherUnits ? serial | kOthers : serial;
    }
    std::uint64_t next(core::ShardId log) const { return next_[index(log)]; }
    // Of the unit that a serial comes from.
    static std::uint64_t number_of(std::uint64_t serial) {
        return (serial & ~kOthers) / kSerialsPerUnit;
    }
    void set(core::ShardId log, std::uint64_t next) { next_[index(log)] = next; }
    std::unique_lock<std::mutex> lock_others() { return std::unique_lock(others_); }

private:
    static constexpr std::uint64_t kOthers = std::uint64_t{1} << 63;
    static std::size_t index(core::ShardId log) {
        if (log == kOtherUnits) return core::kShardsMax;
        MR_DCHECK(log.value < core::kShardsMax);
        return log.value;
    }

    std::array<std::uint64_t, core::kShardsMax + 1> next_{};
    std::mutex others_;
};

}  // namespace millrace::store
