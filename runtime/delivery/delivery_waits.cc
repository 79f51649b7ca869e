// Deliveries that wait without an attempt, or that need none any more: for their time, for an
// earlier one of their key, for their subscription; cancelled ones, and those that nobody is owed.
#include "runtime/delivery/attempt_record.h"
#include "runtime/delivery/delivery_kinds.h"
#include "runtime/delivery/delivery_run.h"
#include "runtime/entity/order_key.h"

#include <algorithm>

namespace millrace::runtime {

using store::DeliveryStatus;
using store::EventFlag;

void DeliveryRun::put_off(const Attempt& attempt, const WaitingDelivery& delivery,
                          std::int64_t until_us, By by) {
    const bool first = is_first(delivery);
    const bool ends_event = first ? ends_event_later(*attempt.job) : delivery.ends_event;
    const std::uint32_t index = delivery.job->job->items[delivery.item].event_index;
    builder_.open_outcomes(attempt.job->block_position(index));
    outcomes_.put_off(attempt, {until_us, by == By::kWallClock, ends_event}, builder_.rows());
}

bool DeliveryRun::postponed(const Attempt& attempt, const WaitingDelivery& delivery) {
    if (!is_first_time(*attempt.job) || !attempt.event.has(EventFlag::kScheduled)) return false;
    const std::int64_t until_us = texts_.envelope(attempt.event).scheduled_at_us;
    if (until_us <= attempt.started_at_us) return false;
    put_off(attempt, delivery, until_us, By::kWallClock);
    return true;
}

bool DeliveryRun::held_by_key(const Attempt& attempt, const WaitingDelivery& delivery) {
    const LaneJob& job = *attempt.job;
    if (order_.empty() || attempt.subscription->ordering != Ordering::kKey) return false;
    if (!is_first_time(job) && job.kind != JobKind::kRetry) return false;
    const KeyedDelivery place = keyed(attempt);
    if (!attempt.earlier->replay_id.empty() || !order_.holds(place)) return false;
    order_.park(place);
    put_off(attempt, delivery, store::kParkedDueUs, By::kDueClock);
    return true;
}

// It does not run now. The later ones of its key wait behind it; a dead letter on its way back
// stays what it is, and what the feeder brought from the log it will bring again.
void DeliveryRun::hold(Attempt& attempt, const WaitingDelivery& delivery) {
    if (attempt.job->kind == JobKind::kBehind) {
        ++delivery.job->left_out;
    } else if (attempt.job->kind != JobKind::kRedrive) {
        attempt.keyed = is_keyed(attempt);
        // Its executor may know for how long; one that does not run was not asked.
        const std::int64_t asked_us = attempt.result ? attempt.result->retry_after_ms * 1000 : 0;
        const std::int64_t wait_us = std::max(kHeldUs, asked_us);
        put_off(attempt, delivery, due_now_us() + wait_us, By::kDueClock);
        if (attempt.keyed) order_.block(keyed(attempt));
    }
    end_item(*delivery.job);
}

// Whether later events of its key have to wait while it waits. Not asked of
// what went well.
bool DeliveryRun::is_keyed(const Attempt& attempt) {
    const LaneJob& job = *attempt.job;
    if (attempt.earlier->holds_key) return true;
    return in_order(job) && attempt.subscription->ordering == Ordering::kKey &&
           attempt.earlier->replay_id.empty() &&
           (job.kind == JobKind::kParked || order_.has_room()) &&
           !order_key(texts_.envelope(attempt.event), attempt.event.has(EventFlag::kEmitted))
                .empty();
}

void DeliveryRun::keep_order(const Attempt& attempt, const WrittenOutcome& written) {
    if (written.status == DeliveryStatus::kRetrying && attempt.keyed)
        order_.block(keyed(attempt));
    else if (attempt.earlier->holds_key)
        drain_later(order_.release(keyed(attempt)));
}

// What is parked can be read when what this lane did so far is durable.
void DeliveryRun::drain_later(const std::optional<DrainRequest>& request) {
    if (request)
        builder_.result().when_durable.push_back(
            [this, request = *request] { deps_.drain(request); });
}

// A replay brings what it is asked to.
bool DeliveryRun::is_cancelled(const Attempt& attempt) const {
    return deps_.cancelled && deps_.cancelled->any() && in_order(*attempt.job) &&
           attempt.earlier->replay_id.empty() && deps_.cancelled->holds(attempt.event.position);
}

// It ends without an attempt.
void DeliveryRun::cancel(const WaitingDelivery& delivery, Attempt& attempt) {
    result_.reset();
    result_.fail(kCancelledText, AttemptOutcome::kFatal);
    attempt.result = &result_;
    const std::uint32_t index = delivery.job->job->items[delivery.item].event_index;
    builder_.open_outcomes(attempt.job->block_position(index));
    const WrittenOutcome written = outcomes_.write_cancelled(attempt, builder_.rows());
    keep_order(attempt, written);
    count_end(delivery, attempt, written, now_ns_);
    end_item(*delivery.job);
}

// Removed since it matched: nothing is owed any more, a waiting row goes too. Of one that does not
// read it stays.
void DeliveryRun::give_up(const WaitingDelivery& delivery, core::SubscriptionId subscription) {
    OpenJob& open = *delivery.job;
    const LaneJob& job = *open.job;
    const DeliveryItem& item = job.items[delivery.item];
    const store::StoredEvent event = job.event(item.event_index);
    const KeyedDelivery place{subscription, event.key_hash, event.position};
    if (!registry_now_->may_be_set_aside(subscription) &&
        (job.kind != JobKind::kParked || order_.drains(place))) {
        OutcomeWriter::erase_waiting(job, event, subscription, builder_.rows());
        if (job.attempts_before(item.event_index).holds_key) drain_later(order_.release(place));
    }
    end_item(open);
    if (!pending_.idle()) {
        pending_.ended(
            {subscription, event.key_hash, delivery.turn == WaitingDelivery::Turn::kFromKey});
    }
}

}  // namespace millrace::runtime
