#include "runtime/delivery/lane.h"

#include "core/assert.h"

#include <algorithm>
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

void Lane::refresh_registry() {
    if (deps_.registry_version() == registry_->version) return;
    registry_ = deps_.registry();
    share_.expect_others(is_shared(*registry_));
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

std::size_t Lane::do_work() {
    if (!deps_.calls) return turn();
    deps_.calls->begin_turn(deps_.call_lane);
    const std::size_t done = turn();
    deps_.calls->end_turn(deps_.call_lane);
    return done;
}

std::size_t Lane::turn() {
    if (outgoing_ && !push_result()) return 0;
    chunk_full_ = false;
    turn_began_ns_ = deps_.run.clock->monotonic_ns();
    const bool stopping = stopping_.load(std::memory_order_relaxed);
    std::size_t done = settle_answers() + settle_overdue();
    if (!stopping) {
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
    if (deps_.calls && deps_.calls->any_waits())
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

// ---- what there is to do

std::size_t Lane::settle_answers() {
    if (next_answer_ == answers_.size()) {
        answers_.clear();
        next_answer_ = 0;
        answer_box_.take(answers_);
    }
    std::size_t done = 0;
    for (; next_answer_ < answers_.size(); ++next_answer_) {
        Answer& answer = answers_[next_answer_];
        const PendingAttempt* known = run_.pending().find(answer.ticket);
        if (!known) {                                                  // too late, or a second one
            answers_dropped_.fetch_add(1, std::memory_order_relaxed);  // a figure
            continue;
        }
        if (!enter(*known->delivery.job)) break;
        const auto attempt = run_.pending().take(answer.ticket);
        const std::int64_t before_ns = last_ns_;
        const std::int64_t now_ns = run_.settle(*attempt, answer.result, *registry_);
        charge(attempt->subscription.get(), now_ns - before_ns, now_ns);
        after_delivery(*attempt->delivery.job, now_ns);
        ++done;
        if (gives_way(now_ns)) {
            ++next_answer_;
            break;
        }
    }
    return done;
}

std::size_t Lane::settle_overdue() {
    std::size_t done = 0;
    if (run_.pending().pending() == 0) return done;
    const std::int64_t now_ns = deps_.run.clock->monotonic_ns();
    while (const auto ticket = run_.pending().overdue(now_ns)) {
        if (!enter(*run_.pending().find(*ticket)->delivery.job)) break;
        const auto attempt = run_.pending().take(*ticket);
        attempt->executor->abandon(*ticket);
        AttemptResult result;
        result.fail("no answer after " + std::to_string(attempt->timeout_ms) + " ms");
        result.outcome_text = "timeout";
        after_delivery(*attempt->delivery.job, run_.settle(*attempt, result, *registry_));
        ++done;
    }
    return done;
}

// Who makes the others wait falls behind.
void Lane::relieve() {
    if (!deps_.run.behind) return;
    run_.gate().refresh();
    const std::size_t waiting =
        run_.pending().live_waiting() + share_.live_waiting() + run_.gate().waiting();
    if (waiting == 0) return;
    // What a shard waits for; a retry that takes its time holds up nobody's cursor.
    const auto oldest = std::find_if(open_.begin(), open_.end(),
                                     [](const OpenJob& job) { return !job.from_elsewhere(); });
    const bool long_ago =
        oldest != open_.end() && deps_.run.clock->monotonic_ns() - oldest->taken_ns > kWaitNsMax;
    if (!long_ago && waiting < kLiveWaitingMax && open_.size() < kOpenJobsMax / 2 &&
        open_bytes_ < deps_.open_bytes_max / 2)
        return;
    auto most = run_.pending().longest();
    if (const auto other = share_.longest(); other.second > most.second) most = other;
    if (const auto other = run_.gate().longest(); other.second > most.second) most = other;
    if (most.second == 0) return;
    run_.fall_behind(most.first);
    share_.take_live(most.first, released_);
}

// One that has waited.
std::int64_t Lane::deliver(const WaitingDelivery& delivery) {
    const Subscription* subscription = subscription_of(delivery);
    const std::int64_t before_ns = last_ns_;
    const std::int64_t now_ns = run_.deliver(delivery, *registry_);
    charge(subscription, now_ns - before_ns, now_ns);
    after_delivery(*delivery.job, now_ns);  // may be the end of it
    return now_ns;
}

// What waited of one that fell behind, or for the end of its way back.
std::size_t Lane::run_released() {
    std::size_t done = 0;
    if (released_.empty() && !run_.gate().has_ready()) return done;
    refresh_registry();
    while (!released_.empty() || run_.gate().has_ready()) {
        const bool own = !released_.empty();
        const WaitingDelivery& next = own ? released_.front() : run_.gate().first_ready();
        if (!enter(*next.job)) break;
        const WaitingDelivery delivery = own ? released_.front() : run_.gate().take_ready();
        if (own) released_.pop_front();
        const std::int64_t now_ns = deliver(delivery);
        ++done;
        if (gives_way(now_ns)) break;
    }
    return done;
}

std::size_t Lane::run_ready() {
    std::size_t done = 0;
    if (!run_.pending().has_ready()) return done;
    refresh_registry();
    while (run_.pending().has_ready()) {
        if (!enter(*run_.pending().first_ready().job)) break;
        const WaitingDelivery delivery = run_.pending().take_ready();
        const std::int64_t now_ns = deliver(delivery);
        ++done;
        if (gives_way(now_ns)) break;
    }
    return done;
}

// None: a call, or it was removed meanwhile.
const Subscription* Lane::subscription_of(const WaitingDelivery& delivery) const {
    const LaneJob& job = *delivery.job->job;
    if (job.kind == JobKind::kScriptRun) return nullptr;
    return registry_->subscription(job.items[delivery.item].subscription);
}

void Lane::set_aside(OpenJob& job, WaitingDelivery& delivery, core::TenantId tenant) {
    run_.set_apart(delivery);
    share_.push(tenant, job.job->items[delivery.item].subscription, delivery);
}

std::size_t Lane::run_job() {
    OpenJob& job = *current_;
    if (!enter(job)) return 0;
    if (job.left == 0) {  // something hangs on its end all the same
        current_ = nullptr;
        end_if_done(job);
        return 1;
    }
    std::size_t done = 0;
    std::size_t looked_at = 0;
    bool looked = false;  // since the last delivery
    while (current_ && !chunk_full_ && looked_at < kLookItems) {
        WaitingDelivery delivery{&job, static_cast<std::uint32_t>(job.next_item++)};
        delivery.live = job.job->kind == JobKind::kBlock;
        const Subscription* subscription = subscription_of(delivery);
        ++done;
        if (subscription && share_.is_aside(subscription->tenant, subscription->number) &&
            !run_.is_behind_now(delivery)) [[unlikely]] {
            set_aside(job, delivery, subscription->tenant);
            ++looked_at;
            looked = true;
            if (!job.begun()) continue;
            current_ = nullptr;
            run_.end_events();
            break;
        }
        if (looked) {
            last_ns_ = run_.look_at_clock();
            looked = false;
        }
        if (job.begun()) current_ = nullptr;
        const std::int64_t before_ns = last_ns_;
        const std::int64_t now_ns = run_.deliver(delivery, *registry_);
        charge(subscription, now_ns - before_ns, now_ns);
        looked = now_ns == before_ns;  // passed over
        if (!current_) run_.end_events();
        after_delivery(job, now_ns);  // may be the end of it
    }
    return done;
}

// The ones that have been set aside for the time they take; while others may stand behind them no
// longer than `until_ns`, unless it is their turn.
std::size_t Lane::run_aside(std::int64_t until_ns) {
    std::size_t done = 0;
    if (share_.has_waiting() && run_.open()) last_ns_ = run_.look_at_clock();
    while (share_.has_waiting() && !chunk_full_) {
        if (!enter(*share_.first().job)) break;
        const WaitingDelivery delivery = share_.take();
        const std::int64_t before_ns = last_ns_;
        const std::int64_t now_ns = run_.deliver(delivery, *registry_);
        share_.charge_taken(now_ns - before_ns, now_ns);
        after_delivery(*delivery.job, now_ns);
        ++done;
        if (now_ns - before_ns >= LaneShare::kNoticedNs) break;  // let the others have a look
        if (now_ns >= until_ns && (current_ || jobs_wait()) && !share_.is_turn_of_aside()) break;
    }
    return done;
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
