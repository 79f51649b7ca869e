// What a turn of a lane is made of: answers, what has waited for them, a job's deliveries, and
// those that were set aside.
#include "runtime/delivery/lane.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

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

}  // namespace millrace::runtime
