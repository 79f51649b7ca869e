// What: what becomes durable of runs, in commits by shard: a run's rows all go by one, so that they
//       stand in the order in which they were made. What is stored of a run follows from what it is
//       when a commit closes: however much has happened to it until then, there is one row of each
//       kind, and none that the same commit would take away again.
// Threads: the orchestrator's. Lifetime: borrows all of Deps; runs with changes outlive their
//          commit's close, or write_now() has written them.
// Limits: a commit closes at kChunkBytesMax or kChunkEventsMax; what a shard takes no more waits
//         (blocked()), and whoever asks begins nothing further.
// Failure: none; a shard's ring that is full is tried again.
#pragma once

#include "core/clock.h"
#include "runtime/delivery/result_builder.h"
#include "runtime/orchestrator/live_run.h"
#include "store/database.h"

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class RunWriter {
public:
    struct Deps {
        const core::Clock* clock = nullptr;
        store::Database* database = nullptr;
        std::size_t shards = 1;
        // False when the shard's ring is full.
        std::function<bool(core::ShardId, std::unique_ptr<LaneResult>&)> submit;
    };
    explicit RunWriter(Deps deps);

    core::ShardId shard_of(const RunName& run) const;
    // What is open and can not take more of this run is closed.
    void make_room(const RunName& run);
    // What takes this run.
    ResultBuilder& open(const RunName& run);
    // Of what is open.
    ResultBuilder& builder() { return builder_; }
    store::RowBatch& rows() { return builder_.rows(); }
    void when_durable(std::function<void()> told) {
        builder_.result().when_durable.push_back(std::move(told));
    }
    void add_event(std::string_view line, const RunName& run, std::uint32_t depth);
    void take(const AttemptEffects& effects, core::TenantId tenant);
    // Whatever its size: what goes in until then is one change.
    void stay_open(bool stays) { stays_open_ = stays; }
    void close();
    // False: a shard takes no more now.
    bool flush();
    bool blocked() const { return !outgoing_.empty(); }

    // Into what is open, which is of its shard; something that comes back from there keeps it in
    // memory, or write_now() does not leave it for later.
    void note_change(LiveRun& run);
    void note_entry(LiveRun& run, std::string&& entry, std::string_view step);
    // It leaves memory, or its journal begins anew.
    void write_now(LiveRun& run);

private:
    static constexpr std::size_t kChunkBytesMax = 256u << 10;
    static constexpr std::size_t kChunkEventsMax = 1'024;

    void write_rows(LiveRun& run);

    const Deps deps_;
    EventTexts texts_;
    ResultBuilder builder_;
    std::size_t open_events_ = 0;
    bool stays_open_ = false;
    std::vector<LiveRun*> unwritten_;  // of what is open
    std::size_t unwritten_bytes_ = 0;
    std::deque<std::unique_ptr<LaneResult>> outgoing_;
};

}  // namespace millrace::runtime
