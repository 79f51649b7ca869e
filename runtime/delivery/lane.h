// What: the agent that makes deliveries. Takes jobs from the shards (a share of a block's
//       deliveries) and from feeder and conductor (retries, replays, API runs), starts one delivery
//       after the other, settles those that end later, and hands what came of them back to the
//       shard as rows that take effect together.
// Threads: do_work() by the lane's thread; has_room/submit by the shard named; submit_aside and
//       answers of pending attempts by any.
// Lifetime: outlived by shards' threads being stopped first; borrows all of Deps but the executors.
// Limits: kJobsPerShard jobs a shard (overflow policy: refuse, the shard turns cold); kAsideMax
//       jobs from elsewhere (refuse, the asker waits). A result goes back after kChunkItems
//       deliveries or kChunkUsMax microseconds, whatever comes first. Jobs with deliveries that are
//       pending or wait for such a one stay open: kOpenJobsMax of them, open_bytes_max bytes; then
//       no further job is taken until one of them has ended; those from elsewhere have half of it.
//       Before that, at half of it, when kLiveWaitingMax deliveries wait or a block waits for
//       kWaitNsMax, the subscription of which most wait falls behind.
//       Tenants share the lane's time (lane_share.h), and each one's subscriptions its part. While
//       the lane looks for whose deliveries come next (at most kLookItems a turn), those that are
//       aside have no more time than the look took; a shard's job that comes while they run is
//       looked at after the delivery that goes on. Answers, and what waited for them, have
//       kGiveWayNs of a turn while something else waits.
// Failure: an attempt's failure is an outcome like any other.
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/spsc_ring.h"
#include "core/task_queue.h"
#include "runtime/delivery/answer_box.h"
#include "runtime/delivery/behind_table.h"
#include "runtime/delivery/call_queue.h"
#include "runtime/delivery/delivery_run.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/delivery/lane_share.h"
#include "runtime/delivery/open_job.h"
#include "runtime/delivery/ports.h"
#include "runtime/delivery/script_emit.h"
#include "runtime/delivery/script_limits.h"
#include "runtime/registry/registry_snapshot.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
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
        // What makes the lane's executors; pending attempts answer through the port.
        std::function<ExecutorSet(AnswerPort&)> make_executors;
        std::function<RegistrySnapshotRef()> registry;
        std::function<std::uint64_t()> registry_version;
        std::vector<ResultPort*> results;  // by shard
        // Of jobs that are open because something of them waits.
        std::size_t open_bytes_max = 64u << 20;
        // Null: it runs no calls. Else its place among the lanes that do.
        CallQueue* calls = nullptr;
        std::size_t call_lane = 0;
        // Of a partition whose owner may be another one by now: nothing begins from then on, until
        // it is later. Null: nobody else can own it.
        const std::atomic<std::int64_t>* lease_until_ns = nullptr;
    };
    explicit Lane(Deps deps);

    std::string_view name() const override { return name_; }
    std::size_t do_work() override;
    void wait(std::int64_t timeout_us) override;

    bool has_room(core::ShardId from) const override;
    void submit(core::ShardId from, std::unique_ptr<LaneJob> job) override;
    // False when kAsideMax wait already.
    bool submit_aside(std::unique_ptr<LaneJob>& job);

    // From now on no new delivery begins; what is pending may still answer, what is done is still
    // handed over.
    void stop_taking() {
        stopping_.store(true, std::memory_order_relaxed);
        idle_.store(false, std::memory_order_release);  // until a turn has seen it
        wake();
    }
    // After stop_taking(): nobody waits for what is pending any more. Those deliveries come again
    // after the next start.
    void abandon_pending() {
        abandoning_.store(true, std::memory_order_relaxed);
        wake();
    }
    // Before the threads start: what of it is held up.
    KeyOrder& key_order() { return run_.order(); }
    // Any thread; figures.
    std::size_t keys_waiting() const { return run_.order().keys(); }
    std::size_t attempts_pending() const { return pending_.load(std::memory_order_relaxed); }
    // Deliveries that wait here for room in their subscription's window, or for their key.
    std::size_t waiting_for(ExecutorType type) const {
        return waiting_for_[static_cast<std::size_t>(type)].load(std::memory_order_relaxed);
    }
    std::uint64_t answers_dropped() const {
        return answers_dropped_.load(std::memory_order_relaxed);
    }
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
    static constexpr std::size_t kOpenJobsMax = 512;
    static constexpr std::size_t kLookItems = 4096;
    // Of a turn, for what has waited for an answer, a key or a place, while others wait for theirs.
    static constexpr std::int64_t kGiveWayNs = 1'000'000;
    static constexpr std::size_t kLiveWaitingMax = 16'384;
    static constexpr std::int64_t kWaitNsMax = 1'000'000'000;

    bool may_begin() const;
    std::size_t turn();
    std::unique_ptr<LaneJob> next_job();
    bool may_take() const;
    bool may_take_aside() const;
    bool jobs_wait() const;
    bool take_job();
    bool enter(const OpenJob& job);
    void leave();
    bool push_result();
    void refresh_registry();
    bool chunk_is_full(std::int64_t now_ns) const;
    void after_delivery(OpenJob& job, std::int64_t now_ns);
    void charge(const Subscription* subscription, std::int64_t took_ns, std::int64_t now_ns);
    bool gives_way(std::int64_t now_ns) const;
    void end_if_done(OpenJob& job);
    std::size_t settle_answers();
    std::size_t settle_overdue();
    void relieve();
    std::size_t run_ready();
    std::size_t run_released();
    std::int64_t deliver(const WaitingDelivery& delivery);
    std::size_t run_job();
    std::size_t run_aside(std::int64_t until_ns);
    void set_aside(OpenJob& job, WaitingDelivery& delivery, core::TenantId tenant);
    const Subscription* subscription_of(const WaitingDelivery& delivery) const;
    void drop_everything();

    Deps deps_;
    const std::string name_;
    std::vector<std::unique_ptr<core::SpscRing<std::unique_ptr<LaneJob>>>> rings_;
    std::size_t next_ring_ = 0;
    std::atomic<std::size_t> waiting_{0};  // deliveries in the rings
    core::TaskQueue<std::unique_ptr<LaneJob>> aside_{kAsideMax};
    bool aside_first_ = false;
    AnswerBox answer_box_;

    DeliveryRun run_;
    RegistrySnapshotRef registry_;
    std::list<OpenJob> open_;  // addresses stay
    std::size_t open_bytes_ = 0;
    std::size_t open_aside_ = 0;  // of them, those from elsewhere
    std::size_t open_aside_bytes_ = 0;
    OpenJob* current_ = nullptr;  // of which the next delivery is to begin
    LaneShare share_;
    std::deque<WaitingDelivery> released_;  // of one that fell behind: to be passed over
    std::vector<Answer> answers_;
    std::size_t next_answer_ = 0;
    std::size_t made_ = 0;  // deliveries, of whatever kind
    std::size_t chunk_items_ = 0;
    std::int64_t chunk_began_ns_ = 0;
    std::int64_t turn_began_ns_ = 0;
    std::int64_t last_ns_ = 0;  // the end of the last delivery
    bool chunk_full_ = false;
    std::unique_ptr<LaneResult> outgoing_;  // refused by a full ring
    std::atomic<std::size_t> pending_{0};
    std::array<std::atomic<std::size_t>, kExecutorTypes> waiting_for_{};
    std::atomic<std::uint64_t> answers_dropped_{0};
    std::atomic<bool> stopping_{false};
    std::atomic<bool> abandoning_{false};
    std::atomic<bool> idle_{true};
};

}  // namespace millrace::runtime
