#include "runtime/orchestrator/run_upkeep.h"

#include "store/rows/registry_store.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace millrace::runtime {

bool RunUpkeep::work(std::int64_t now_us) {
    bool more = walks_ ? wrap_anew(now_us) : false;
    if (!more && now_us < next_look_us_) return false;
    // Whatever was passed over, or has ended by a clock that was set back since.
    if (now_us >= next_sweep_us_) removed_to_.clear();
    if (now_us >= next_sweep_us_) next_sweep_us_ = now_us + kSweepEveryUs;
    more |= remove_old(now_us);
    if (!walks_ && now_us >= next_walk_us_ && look_for_keys_.exchange(false)) begin_walk(now_us);
    if (!more && !walks_) next_look_us_ = now_us + kEveryUs;
    return more || walks_;
}

// Rows stand in the order of ends: the first ones are the oldest.
bool RunUpkeep::remove_old(std::int64_t now_us) {
    if (deps_.retention_us <= 0) return false;
    auto rows = deps_.database->registry().list(kRunEndedKind, {}, removed_to_, kRunsPerTurn);
    if (!rows) return false;
    for (const store::RegistryDocument& row : *rows) {
        if (ended_us_of(row.id) > now_us - deps_.retention_us) return false;
        const RunName run = run_of_row(row.id.substr(std::min<std::size_t>(17, row.id.size())));
        removed_to_ = row.id;
        if (deps_.in_memory(run)) continue;
        if (auto erased = erase_ended(deps_.rows(run), row.id, row.json); !erased) {
            deps_.log->warn("an old workflow run can not be removed",
                            {{"run", run.id}, {"error", erased.error().message}});
            continue;
        }
        ++removed_;
    }
    return rows->size() == kRunsPerTurn;
}

void RunUpkeep::begin_walk(std::int64_t now_us) {
    for (const core::TenantId tenant : deps_.keys->rotating()) {
        const std::uint32_t newest = deps_.keys->newest(tenant);
        if (deps_.beginning->any_below(tenant, newest)) {
            look_for_keys_.store(true, std::memory_order_relaxed);
            next_walk_us_ = now_us + kWalkAgainUs;
            continue;
        }
        tenant_ = tenant;
        version_ = newest;
        walked_to_.clear();
        found_ = wrapped_ = 0;
        walks_ = true;
        return;
    }
}

bool RunUpkeep::wrap_anew(std::int64_t now_us) {
    auto rows = deps_.database->registry().list(kRunHeadKind, tenant_prefix(tenant_), walked_to_,
                                                kRunsPerTurn);
    if (!rows) {
        walks_ = false;
        return false;
    }
    for (const store::RegistryDocument& row : *rows) {
        walked_to_ = row.id;
        const RunName run = run_of_row(row.id);
        RunHead* const held = deps_.in_memory(run);
        auto read = held ? core::Result<RunHead>(*held) : read_head(run, row.json);
        if (!read) {
            ++found_;  // nobody knows what it needs
            continue;
        }
        // Its row may be on its way from before, whatever memory says.
        const auto stored = held ? read_head(run, row.json) : read;
        found_ += !stored || (!stored->key.empty() && RunKeys::version_of(stored->key) < version_);
        auto wrapped = deps_.keys->wrap_anew(*read);
        if (!wrapped) {
            deps_.log->warn("the key of a workflow run does not open",
                            {{"run", run.id}, {"error", wrapped.error().message}});
            ++found_;
            continue;
        }
        if (!*wrapped) continue;
        read->key = **wrapped;
        if (held) held->key = **wrapped;
        put_head(deps_.rows(run), *read);
        ++wrapped_;
    }
    if (rows->size() == kRunsPerTurn) return true;
    end_walk(now_us);
    return false;
}

// What was found has been written since; only a walk that finds nothing says that nothing is there.
void RunUpkeep::end_walk(std::int64_t now_us) {
    walks_ = false;
    if (found_ == 0) deps_.unused_below(tenant_, version_);
    look_for_keys_.store(true, std::memory_order_relaxed);
    next_walk_us_ = now_us + (found_ != 0 && wrapped_ == 0 ? kWalkInVainUs : kWalkAgainUs);
}

}  // namespace millrace::runtime
