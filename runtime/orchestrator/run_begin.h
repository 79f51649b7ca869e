// What: the beginning of a run as values: its head, its first entry, its first decision, what marks
//       it, and the events that tell of it. Whoever commits them begins the run: the orchestrator
//       for a call, a lane with the outcome of the delivery that it is for.
// Threads: pure but for the key that is drawn; any. Lifetime: values.
// Limits: those of a run. Failure: none: a run that can not begin has failed with its first entry.
#pragma once

#include "runtime/delivery/effects.h"
#include "runtime/orchestrator/run_keys.h"
#include "runtime/orchestrator/run_store.h"
#include "store/rows/row_batch.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace::runtime {

// Who asks for a run, and what of.
struct RunRequest {
    RunName run;  // an empty id: one is made
    std::string workflow_id;
    std::uint32_t version = 0;  // 0: the newest
    std::string event;          // envelope; empty: none
    std::string input;          // JSON; empty: the event's payload
    std::string event_id;
    std::string correlation_id;
    std::string subscription_id;
    std::uint32_t depth = 0;
    RunParent parent;
    // Where the event stands that begins it, and since when.
    std::optional<core::LogPosition> event_at;
    std::int64_t event_received_us = 0;
};
struct RunBegun {
    std::string run_id;
    bool duplicate = false;  // it was there before; nothing was begun
};

struct FreshRun : StoredRun {
    RunMark mark;
    std::vector<workflow::Effect> effects;
};

// `log_ends`: by shard, where waits read from.
FreshRun begin_run(RunRequest&& request, WorkflowRef workflow, const RunKeys& keys,
                   std::int64_t now_us, std::vector<std::uint64_t> log_ends);
// All rows of it.
void put_fresh(store::RowBatch& rows, const FreshRun& run);

RunMark mark_of(const StoredRun& run);

// An event about a run, as a line without its end: ids and words only, never what a run is made of.
// `serial`: of its events; the same again makes the same id.
void append_run_event(const StoredRun& run, const workflow::Effect& effect, std::uint32_t serial,
                      std::int64_t wall_us, std::string& out);
// The same into what a commit wants done.
void tell_of_run(const StoredRun& run, const workflow::Effect& effect, std::uint32_t serial,
                 std::int64_t wall_us, AttemptEffects& out);
// The first one of an entry.
constexpr std::uint32_t first_serial(std::size_t entry) {
    return static_cast<std::uint32_t>(entry) << 12;
}

}  // namespace millrace::runtime
