#include "runtime/shard/shard_behind.h"

#include <algorithm>

namespace millrace::runtime {

void ShardBehind::take(const LaneResult& result) {
    for (const BehindAsk& ask : result.behind) {
        fall(ask.subscription);
        ask.taken->store(true, std::memory_order_release);  // pairs with BehindGate::refresh()
    }
    for (const auto& [subscription, count] : result.passed_over)
        table_.add_waiting(subscription, shard_, count);
}

// From the cursor on: lanes pass over nothing that is before it.
void ShardBehind::fall(core::SubscriptionId subscription) {
    const core::LogOffset from = dispatch_.cursor();
    if (!table_.begin(subscription, shard_, from)) return;
    store::RowBatch rows;
    rows.put_cursor(behind_cursor(subscription), {shard_, from});
    add(rows);
}

void ShardBehind::add(store::RowBatch& rows) { commit_.add_rows(rows, {}); }

void ShardBehind::advance(core::SubscriptionId subscription, core::LogOffset at) {
    table_.advance(subscription, shard_, at);
    store::RowBatch rows;
    rows.put_cursor(behind_cursor(subscription), {shard_, at});
    add(rows);
}

void ShardBehind::end(core::SubscriptionId subscription) {
    if (!table_.end(subscription, shard_)) return;
    store::RowBatch rows;
    rows.erase_cursor(behind_cursor(subscription), shard_);
    add(rows);
}

void ShardBehind::skip(const BehindOrder& order) {
    BehindTable::Place place;
    if (!table_.find(order.subscription, shard_, place)) {
        if (order.at == kNotLive) return;  // live: there is nothing to leave out
        fall(order.subscription);
        if (!table_.find(order.subscription, shard_, place)) return;
    }
    const core::LogOffset end = dispatch_.handed_over();
    const core::LogOffset at = std::clamp(order.at, place.from, std::max(place.from, end));
    advance(order.subscription, at);
    // What the lanes have of it until here they pass over; what comes then is live. Told either
    // way: the feeder goes on from its new place.
    table_.rejoin(order.subscription, shard_, at >= end ? end : place.live_from);
}

void ShardBehind::obey(const BehindOrder& order) {
    using Kind = BehindOrder::Kind;
    if (order.kind == Kind::kSettle) {
        commit_.add_rows(store::RowBatch(), {[] {}});
        commit_.flush();
        return;
    }
    if (order.kind == Kind::kFall) return fall(order.subscription);
    if (order.kind == Kind::kForget) return end(order.subscription);
    if (order.kind == Kind::kSkipTo) return skip(order);
    BehindTable::Place place;
    if (!table_.find(order.subscription, shard_, place) || place.begun != order.begun) return;
    if (order.kind == Kind::kEnd) {
        if (place.live_from != kNotLive && order.at >= place.live_from) end(order.subscription);
        return;
    }
    if (order.kind == Kind::kCallOff) {
        table_.rejoin(order.subscription, shard_, kNotLive);
        return;
    }
    if (order.at > place.from) advance(order.subscription, order.at);
    if (order.kind != Kind::kRejoin) return;
    const core::LogOffset handed_over = dispatch_.handed_over();
    if (order.at >= handed_over)
        end(order.subscription);
    else if (handed_over.value - order.at.value <= kRejoinEventsMax)
        table_.rejoin(order.subscription, shard_, handed_over);
}

}  // namespace millrace::runtime
