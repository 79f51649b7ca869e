#include "runtime/delivery/lane.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

namespace {

// There are several tenants: `default` has a document only where there was something to say.
bool is_shared(const RegistrySnapshot& registry) {
    bool others = false;
    if (registry.tenants.size() == 1)
        registry.tenants.for_each([&](const TenantRef& one) { others = one->id != "default"; });
    return others || registry.tenants.size() > 1;
}

}  // namespace

Lane::Lane(Deps deps)
    : deps_(std::move(deps)),
      name_("lane-" + std::to_string(deps_.number)),
      answer_box_([this] { wake(); }),
      run_(deps_.run, deps_.make_executors(answer_box_)) {
    for (std::size_t i = 0; i < deps_.shards; ++i) {
        rings_.push_back(std::make_unique<core::SpscRing<std::unique_ptr<LaneJob>>>(kJobsPerShard));
    }
    registry_ = deps_.registry();
    share_.expect_others(is_shared(*registry_));
}

void Lane::refresh_registry() {
    if (deps_.registry_version() == registry_->version) return;
    registry_ = deps_.registry();
    share_.expect_others(is_shared(*registry_));
}

std::size_t Lane::do_work() {
    if (!deps_.calls) return turn();
    deps_.calls->begin_turn(deps_.call_lane);
    const std::size_t done = turn();
    deps_.calls->end_turn(deps_.call_lane);
    return done;
}

bool Lane::may_begin() const {
    // relaxed: a time, no data behind it
    return !deps_.lease_until_ns ||
           turn_began_ns_ < deps_.lease_until_ns->load(std::memory_order_relaxed);
}

std::size_t Lane::turn() {
    if (outgoing_ && !push_result()) return 0;
    chunk_full_ = false;
    turn_began_ns_ = deps_.run.clock->monotonic_ns();
    const bool stopping = stopping_.load(std::memory_order_relaxed);
    std::size_t done = settle_answers() + settle_overdue();
    if (!stopping && may_begin()) {
        relieve();
        done += run_released() + run_ready();
        // A call may hold up the lane, and its tenant's next one be begun elsewhere meanwhile: what
        // was done before is to be seen there.
        if (deps_.calls) leave();
        const std::int64_t now_ns = deps_.run.clock->monotonic_ns();
        if (share_.is_turn_of_aside()) {
            done += run_aside(now_ns);
        } else if (current_ || take_job()) {
            const std::size_t made = made_;
            done += run_job();
            // It was only put aside: whoever has his turn first may stand behind it.
            if (made == made_ && share_.has_waiting()) {
                share_.others_are_idle();
                const std::int64_t looked_ns = deps_.run.clock->monotonic_ns();
                done += run_aside(looked_ns + (looked_ns - now_ns));
            }
        } else {
            share_.others_are_idle();
            done += run_aside(now_ns);
        }
    }
    leave();
    for (const auto& executor : run_.executors()) {
        if (executor) done += executor->do_work();
    }
    if (stopping) drop_everything();
    pending_.store(run_.pending().pending(), std::memory_order_relaxed);  // figures
    for (std::size_t type = 0; type < kExecutorTypes; ++type)
        waiting_for_[type].store(run_.pending().waiting(static_cast<ExecutorType>(type)),
                                 std::memory_order_relaxed);
    const bool idle = done == 0 && !outgoing_ && !current_ && run_.pending().pending() == 0 &&
                      run_.gate().waiting() == 0 && released_.empty();
    // release pairs with idle(): our results are in the rings
    idle_.store(idle, std::memory_order_release);
    return done;
}

void Lane::wait(std::int64_t timeout_us) {
    if (deps_.run.spans) deps_.run.spans->offer();
    const auto no_longer_than = [&](std::optional<std::int64_t> until_ns) {
        if (!until_ns) return;
        const std::int64_t left_us = (*until_ns - deps_.run.clock->monotonic_ns()) / 1000 + 1;
        timeout_us = std::clamp<std::int64_t>(left_us, 0, timeout_us);
    };
    no_longer_than(run_.pending().next_deadline_ns());
    for (const auto& executor : run_.executors()) {
        if (executor) no_longer_than(executor->next_work_ns());
    }
    // What waits may have to leave a lane that is held up.
    if (deps_.calls && deps_.calls->wants_looks(deps_.run.clock->monotonic_ns()))
        timeout_us = std::min(timeout_us, CallQueue::kLookUs);
    core::Agent::wait(timeout_us);
}

// ---- one result at a time

// Opens a result for this job's shard. False: the one before it is not handed over yet, or this
// turn has done enough.
bool Lane::enter(const OpenJob& job) {
    if (chunk_full_) return false;
    if (run_.open() && run_.shard() != job.shard) {
        leave();
        if (outgoing_) return false;
    }
    if (run_.open()) return true;
    if (outgoing_) return false;
    run_.begin(job.shard);
    chunk_items_ = 0;
    chunk_began_ns_ = last_ns_ = deps_.run.clock->monotonic_ns();
    return true;
}

void Lane::leave() {
    if (!run_.open()) return;
    outgoing_ = run_.finish();
    push_result();
}

bool Lane::push_result() {
    if (!outgoing_) return true;
    ResultPort* port = deps_.results[outgoing_->shard.value];
    return port->take_result(deps_.number, outgoing_);
}

void Lane::after_delivery(OpenJob& job, std::int64_t now_ns) {
    last_ns_ = now_ns;
    ++made_;
    chunk_full_ |= ++chunk_items_ >= kChunkItems || run_.open_bytes() >= kChunkBytesMax ||
                   now_ns - chunk_began_ns_ >= kChunkUsMax * 1000;
    end_if_done(job);
}

// Calls have no subscription: their tenants take turns before they come here (call_queue.h).
void Lane::charge(const Subscription* subscription, std::int64_t took_ns, std::int64_t now_ns) {
    if (subscription)
        share_.charge(subscription->tenant, subscription->number, took_ns, now_ns,
                      current_ || jobs_wait());
}

bool Lane::gives_way(std::int64_t now_ns) const {
    return now_ns - turn_began_ns_ >= kGiveWayNs &&
           (current_ || share_.has_waiting() || jobs_wait());
}

void Lane::end_if_done(OpenJob& job) {
    if (job.left != 0 || !job.begun()) return;
    run_.end_job(job);
    open_bytes_ -= job.bytes;
    if (job.from_elsewhere()) {
        --open_aside_;
        open_aside_bytes_ -= job.bytes;
    }
    open_.remove_if([&job](const OpenJob& one) { return &one == &job; });
}

// ---- the end

// Blocks that are cut short by the end of the process go on after the restart, and so does what
// waits.
void Lane::drop_everything() {
    if (abandoning_.load(std::memory_order_relaxed)) {
        run_.pending().clear(
            [](const PendingAttempt& attempt) { attempt.executor->abandon(attempt.ticket); });
    }
    if (run_.pending().pending() != 0) return;
    run_.pending().clear([](const PendingAttempt&) {});
    run_.gate().clear();
    released_.clear();
    share_.clear();
    current_ = nullptr;
    open_.clear();
    open_bytes_ = open_aside_bytes_ = 0;
    open_aside_ = 0;
}

}  // namespace millrace::runtime
