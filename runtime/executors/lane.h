// What: the agent that runs handlers. Takes jobs from the shards (a share of a block's deliveries)
//       and from feeder and conductor (retries, replays, API runs), runs one delivery after the
//       other, and hands what came of them back to the shard as rows that take effect together.
// Threads: do_work() by the lane's thread; has_room/submit by the shard named; submit_aside by any.
// Lifetime: outlived by shards' threads being stopped first; borrows all of Deps.
// Limits: kJobsPerShard jobs a shard (overflow policy: refuse, the shard turns cold); kAsideMax
//       jobs from elsewhere (refuse, the asker waits). A result goes back after kChunkItems
//       deliveries or kChunkUsMax microseconds, whatever comes first.
// Failure: a handler's failure is an outcome like any other; a broken script is too.
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/metrics.h"
#include "core/random.h"
#include "core/spsc_ring.h"
#include "core/task_queue.h"
#include "runtime/delivery/delivery.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/delivery/ports.h"
#include "runtime/executors/delivery_run.h"
#include "runtime/registry/registry_snapshot.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace millrace::runtime {

class Lane final : public core::Agent, public LanePort {
public:
    struct Deps {
        std::uint32_t number = 0;
        std::size_t shards = 1;
        std::size_t queue_events_max = 65'536;  // deliveries that wait here; more wait in the log
        DeliveryRun::Deps run;
        std::function<RegistrySnapshotRef()> registry;
        std::function<std::uint64_t()> registry_version;
        std::vector<ResultPort*> results;  // by shard
    };
    explicit Lane(Deps deps);

    std::string_view name() const override { return name_; }
    std::size_t do_work() override;

    bool has_room(core::ShardId from) const override;
    void submit(core::ShardId from, std::unique_ptr<LaneJob> job) override;
    // False when kAsideMax wait already.
    bool submit_aside(std::unique_ptr<LaneJob>& job);

    // From now on no new delivery begins; what is done is still handed over.
    void stop_taking() {
        stopping_.store(true, std::memory_order_relaxed);
        wake();
    }
    // Before the threads start: what of it is held up.
    KeyOrder& key_order() { return run_.order(); }
    // Any thread; a figure.
    std::size_t keys_waiting() const { return run_.order().keys(); }
    bool idle() const { return idle_.load(std::memory_order_acquire); }

private:
    static constexpr std::size_t kJobsPerShard = 4;
    static constexpr std::size_t kAsideMax = 256;
    static constexpr std::size_t kChunkItems = 1024;
    static constexpr std::int64_t kChunkUsMax = 5'000;
    static constexpr std::size_t kChunkBytesMax = 256u << 10;
    // What a chunk emits is read as one body, and nothing of it may be refused there.
    static_assert(kChunkBytesMax + kLuaEmitEnvelopeBytesPerRunMax <= core::kBodyBytesMax);
    static_assert(kChunkBytesMax / kEmittedEnvelopeBytesMin + kLuaEmitsPerRunMax + 1 <=
                  core::kBatchEventsMax);

    bool take_job();
    std::size_t run_items();
    void finish_chunk(bool job_finished);
    bool push_result();

    Deps deps_;
    const std::string name_;
    std::vector<std::unique_ptr<core::SpscRing<std::unique_ptr<LaneJob>>>> rings_;
    std::size_t next_ring_ = 0;
    std::atomic<std::size_t> waiting_{0};  // deliveries in the rings
    core::TaskQueue<std::unique_ptr<LaneJob>> aside_{kAsideMax};

    DeliveryRun run_;
    RegistrySnapshotRef registry_;
    std::unique_ptr<LaneJob> job_;
    std::size_t next_item_ = 0;
    std::size_t chunk_items_ = 0;
    std::int64_t chunk_began_ns_ = 0;
    std::unique_ptr<LaneResult> outgoing_;  // refused by a full ring
    std::atomic<bool> stopping_{false};
    std::atomic<bool> idle_{true};
};

}  // namespace millrace::runtime
