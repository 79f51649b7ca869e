// What a lane takes in: from shards by their rings, from elsewhere beside them, and which is next.
#include "core/assert.h"
#include "runtime/delivery/lane.h"

#include <utility>

namespace millrace::runtime {

namespace {

std::size_t bytes_of(const LaneJob& job) {
    std::size_t bytes = sizeof(LaneJob) + job.items.capacity() * sizeof(DeliveryItem);
    if (job.block) bytes += job.block.body().size();
    if (job.single) bytes += job.single->event.raw.size();
    for (const ParkedDelivery& parked : job.parked) bytes += parked.event.event.raw.size();
    return bytes;
}

}  // namespace

bool Lane::has_room(core::ShardId from) const {
    const auto& ring = *rings_[from.value];
    // What a job holds came as one block and stays together: the bound may be passed by one job.
    return ring.size() < ring.capacity() &&
           waiting_.load(std::memory_order_relaxed) < deps_.queue_events_max;  // a bound, no order
}

void Lane::submit(core::ShardId from, std::unique_ptr<LaneJob> job) {
    waiting_.fetch_add(job->items.size(), std::memory_order_relaxed);
    // The shard is the ring's only producer and has asked has_room().
    MR_ASSERT(rings_[from.value]->try_push(std::move(job)));
    wake();
}

bool Lane::submit_aside(std::unique_ptr<LaneJob>& job) {
    if (!aside_.try_push(std::move(job))) return false;
    wake();
    return true;
}

bool Lane::may_take() const {
    return open_.size() < kOpenJobsMax && open_bytes_ < deps_.open_bytes_max;
}

// However many retries and replays are pending, there is room for what the shards bring.
bool Lane::may_take_aside() const {
    return open_aside_ < kOpenJobsMax / 2 && open_aside_bytes_ < deps_.open_bytes_max / 2;
}

// Something waits that could be taken now.
bool Lane::jobs_wait() const {
    if (!may_take()) return false;
    for (const auto& ring : rings_) {
        if (!ring->empty()) return true;
    }
    return !aside_.empty() && may_take_aside();
}

std::unique_ptr<LaneJob> Lane::next_job() {
    std::unique_ptr<LaneJob> job;
    const bool from_elsewhere = may_take_aside();
    // What comes from elsewhere and what the shards bring take turns.
    aside_first_ = !aside_first_;
    if (from_elsewhere && aside_first_ && !aside_.empty()) aside_.try_pop(job);
    for (std::size_t i = 0; !job && i < rings_.size(); ++i) {
        next_ring_ = (next_ring_ + 1) % rings_.size();
        if (rings_[next_ring_]->try_pop(job))
            waiting_.fetch_sub(job->items.size(), std::memory_order_relaxed);
    }
    if (!job && from_elsewhere && !aside_.empty()) aside_.try_pop(job);
    if (!job && deps_.calls) job = deps_.calls->take(deps_.call_lane);
    return job;
}

bool Lane::take_job() {
    if (!may_take()) return false;
    std::unique_ptr<LaneJob> job = next_job();
    if (!job) return false;
    const std::size_t bytes = bytes_of(*job);
    current_ = &open_.emplace_back(std::move(job));
    current_->bytes = bytes;
    current_->taken_ns = deps_.run.clock->monotonic_ns();
    open_bytes_ += bytes;
    if (current_->from_elsewhere()) {
        ++open_aside_;
        open_aside_bytes_ += bytes;
    }
    refresh_registry();
    run_.gate().refresh();
    return true;
}

}  // namespace millrace::runtime
