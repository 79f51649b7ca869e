// Deliveries of subscriptions that are behind, or that do not run now.
#include "runtime/delivery/delivery_kinds.h"
#include "runtime/delivery/delivery_run.h"

namespace millrace::runtime {

void DeliveryRun::fall_behind(core::SubscriptionId subscription) {
    gate_.fall(subscription, deps_.shards);
    pending_.let_out_live(subscription);
}

// Whether a delivery that comes with its shard's block is not for now: the feeder brings it when
// its turn has come, or it waits here for those before it.
bool DeliveryRun::is_behind(const WaitingDelivery& delivery, bool held) {
    if (!held && gate_.open()) [[likely]]
        return false;
    const LaneJob& job = *delivery.job->job;
    const DeliveryItem& item = job.items[delivery.item];
    const store::StoredEvent event = job.block.event(item.event_index);
    auto way = gate_.way_of(item.subscription, event.position);
    if (held && way != BehindGate::Way::kPassOver && deps_.behind) {
        fall_behind(item.subscription);
        way = BehindGate::Way::kPassOver;
    }
    if (way == BehindGate::Way::kDeliver) return false;
    if (is_first(delivery)) begin_event(event);
    if (way == BehindGate::Way::kPassOver) {
        pass_over(delivery, item.subscription);
        return true;
    }
    WaitingDelivery waiting = delivery;
    if (is_first(delivery)) waiting.ends_event = ends_event_later(job);
    waiting.apart = true;
    gate_.wait(item.subscription, event.position.shard, waiting);
    return true;
}

bool DeliveryRun::is_behind_now(const WaitingDelivery& delivery) {
    const LaneJob& job = *delivery.job->job;
    if (job.kind != JobKind::kBlock || gate_.open()) return false;
    const DeliveryItem& item = job.items[delivery.item];
    core::LogPosition position = job.block_position(item.event_index);
    position.offset.value += item.event_index;
    return gate_.way_of(item.subscription, position) != BehindGate::Way::kDeliver;
}

void DeliveryRun::pass_over(const WaitingDelivery& delivery, core::SubscriptionId subscription) {
    LaneResult& result = builder_.result();
    const LaneJob& job = *delivery.job->job;
    gate_.tell(subscription, result.shard, result.behind);
    auto& passed = result.passed_over;
    if (passed.empty() || passed.back().first != subscription) passed.emplace_back(subscription, 0);
    ++passed.back().second;
    const std::uint32_t key_hash = job.event(job.items[delivery.item].event_index).key_hash;
    end_item(*delivery.job);
    if (!pending_.idle()) {
        pending_.ended({subscription, key_hash, delivery.turn == WaitingDelivery::Turn::kFromKey});
    }
}

// Its subscription does not run, and it does not come with its shard's block: what the feeder
// brought from the log it will bring again; a row waits on.
void DeliveryRun::leave_held(const WaitingDelivery& delivery, const Subscription& subscription) {
    Attempt attempt = attempt_of(delivery, subscription);
    if (attempt.job->kind == JobKind::kParked && !order_.drains(keyed(attempt))) {
        end_item(*delivery.job);
    } else if (is_cancelled(attempt)) {
        cancel(delivery, attempt);
    } else {
        hold(attempt, delivery);
    }
    if (!pending_.idle()) {
        pending_.ended({subscription.number, attempt.event.key_hash,
                        delivery.turn == WaitingDelivery::Turn::kFromKey});
    }
}

}  // namespace millrace::runtime
