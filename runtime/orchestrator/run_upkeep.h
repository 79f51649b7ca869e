// What: what is done to stored runs behind their backs: those that ended long ago are removed, and
//       keys that an older key of their tenant has wrapped are wrapped by the newest, so that the
//       older one can go. A little a turn; each change is a commit of its own, so that it may stop
//       anywhere: an older key goes only when a walk over all runs has found nothing of it.
// Threads: the orchestrator's; rotated() any. Lifetime: borrows all of Deps.
// Limits: kRunsPerTurn runs a turn. Failure: a row that does not read is left where it is.
#pragma once

#include "core/ids.h"
#include "core/log.h"
#include "runtime/orchestrator/run_keys.h"
#include "runtime/orchestrator/runs_beginning.h"
#include "store/database.h"
#include "store/rows/row_batch.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace millrace::runtime {

class RunUpkeep {
public:
    struct Deps {
        store::Database* database = nullptr;
        core::Log* log = nullptr;
        const RunKeys* keys = nullptr;
        const RunsBeginning* beginning = nullptr;
        std::int64_t retention_us = 0;  // 0: for ever
        // Rows of what is open; they are one commit.
        std::function<store::RowBatch&(const RunName&)> rows;
        // Null: only the store has it.
        std::function<RunHead*(const RunName&)> in_memory;
        // Nothing of this tenant is wrapped with versions below this one any more.
        std::function<void(core::TenantId, std::uint32_t)> unused_below;
    };
    explicit RunUpkeep(Deps deps) : deps_(std::move(deps)) {}

    // A tenant has a new key.
    void rotated() { look_for_keys_.store(true, std::memory_order_relaxed); }

    // True: there is more to do now.
    bool work(std::int64_t now_us);
    std::uint64_t removed() const { return removed_; }

private:
    static constexpr std::size_t kRunsPerTurn = 32;
    static constexpr std::int64_t kEveryUs = 500'000;
    static constexpr std::int64_t kSweepEveryUs = 3'600'000'000;
    static constexpr std::int64_t kWalkAgainUs = 2'000'000;
    static constexpr std::int64_t kWalkInVainUs = 3'600'000'000;

    bool remove_old(std::int64_t now_us);
    bool wrap_anew(std::int64_t now_us);
    void begin_walk(std::int64_t now_us);
    void end_walk(std::int64_t now_us);

    const Deps deps_;
    std::atomic<bool> look_for_keys_{true};
    std::int64_t next_look_us_ = 0;
    std::string removed_to_;  // what lies before it has been removed, as a rule
    std::int64_t next_sweep_us_ = 0;
    std::uint64_t removed_ = 0;
    // The walk over the runs of one tenant.
    bool walks_ = false;
    core::TenantId tenant_;
    std::uint32_t version_ = 0;  // the newest one when it began
    std::string walked_to_;
    std::size_t found_ = 0;    // of older versions
    std::size_t wrapped_ = 0;  // of those, anew
    std::int64_t next_walk_us_ = 0;
};

}  // namespace millrace::runtime
