// What: the runs that somebody is beginning right now: their rows are on their way and nobody finds
//       them in the store yet. Whoever wants to begin one asks here first, so that an id is one
//       run.
// Threads: any. Lifetime: outlived by whoever holds a place.
// Limits: kMax at once; beyond it the asker comes again. Failure: none.
#pragma once

#include "runtime/orchestrator/run_rows.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

namespace millrace::runtime {

class RunsBeginning {
public:
    static constexpr std::size_t kMax = 65'536;

    // False: somebody does, or there is no room where it is asked for. `key_version`: what its key
    // is wrapped with at the earliest.
    enum class Room : std::uint8_t { kBounded, kAlways };
    bool take(const RunName& run, std::uint32_t key_version, Room room) {
        const std::lock_guard lock(mutex_);
        if (room == Room::kBounded && runs_.size() >= kMax) return false;
        return runs_.emplace(run, key_version).second;
    }
    // Its rows are durable, and whoever lets it go on knows of it; or nothing came of it.
    void done(const RunName& run) {
        const std::lock_guard lock(mutex_);
        runs_.erase(run);
    }
    bool has(const RunName& run) const {
        const std::lock_guard lock(mutex_);
        return runs_.contains(run);
    }
    // Whether rows are on their way with keys wrapped by an earlier version.
    bool any_below(core::TenantId tenant, std::uint32_t key_version) const {
        const std::lock_guard lock(mutex_);
        return std::any_of(runs_.begin(), runs_.end(), [&](const auto& one) {
            return one.first.tenant == tenant && one.second < key_version;
        });
    }

private:
    mutable std::mutex mutex_;  // held for a look
    std::unordered_map<RunName, std::uint32_t, RunNameHash> runs_;
};

}  // namespace millrace::runtime
