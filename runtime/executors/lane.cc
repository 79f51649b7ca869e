#include "runtime/executors/lane.h"

#include "core/assert.h"

#include <utility>

namespace millrace::runtime {

Lane::Lane(Deps deps)
    : deps_(std::move(deps)), name_("lane-" + std::to_string(deps_.number)), run_(deps_.run) {
    for (std::size_t i = 0; i < deps_.shards; ++i) {
        rings_.push_back(std::make_unique<core::SpscRing<std::unique_ptr<LaneJob>>>(kJobsPerShard));
    }
    registry_ = deps_.registry();
}

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

bool Lane::take_job() {
    if (!aside_.empty()) aside_.try_pop(job_);
    for (std::size_t i = 0; !job_ && i < rings_.size(); ++i) {
        next_ring_ = (next_ring_ + 1) % rings_.size();
        if (rings_[next_ring_]->try_pop(job_))
            waiting_.fetch_sub(job_->items.size(), std::memory_order_relaxed);
    }
    if (!job_) return false;
    next_item_ = 0;
    if (deps_.registry_version() != registry_->version) registry_ = deps_.registry();
    return true;
}

std::size_t Lane::do_work() {
    if (outgoing_ && !push_result()) return 0;
    if (!job_ && (stopping_.load(std::memory_order_relaxed) || !take_job())) {
        // pairs with idle(): our results are in the rings
        idle_.store(true, std::memory_order_release);
        return 0;
    }
    idle_.store(false, std::memory_order_relaxed);
    return run_items() + 1;
}

std::size_t Lane::run_items() {
    if (!run_.open()) {
        run_.begin(*job_);
        chunk_items_ = 0;
        chunk_began_ns_ = deps_.run.clock->monotonic_ns();
    }
    std::size_t done = 0;
    const bool stopping = stopping_.load(std::memory_order_relaxed);
    while (next_item_ < job_->items.size()) {
        if (stopping && done != 0) break;
        const std::int64_t now_ns = run_.deliver(*job_, job_->items[next_item_], *registry_);
        ++next_item_;
        ++done;
        if (++chunk_items_ >= kChunkItems || run_.pending_bytes() >= kChunkBytesMax ||
            now_ns - chunk_began_ns_ >= kChunkUsMax * 1000) {
            break;
        }
    }
    const bool finished = next_item_ >= job_->items.size();
    finish_chunk(finished);
    // A block that is cut short by the end of the process goes on after the restart.
    if (finished || stopping) job_.reset();
    push_result();
    return done;
}

void Lane::finish_chunk(bool job_finished) { outgoing_ = run_.finish(*job_, job_finished); }

bool Lane::push_result() {
    if (!outgoing_) return true;
    ResultPort* port = deps_.results[outgoing_->shard.value];
    return port->take_result(deps_.number, outgoing_);
}

}  // namespace millrace::runtime
