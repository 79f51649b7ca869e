#include "runtime/feed/behind_feed.h"

#include "runtime/delivery/delivery_tracker.h"
#include "runtime/delivery/placement.h"
#include "store/log/pool_set.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace millrace::runtime {

// What the table says now. A place that was begun anew is another one.
void BehindFeed::take_over() {
    if (deps_.table->version() == version_) return;
    version_ = deps_.table->version();
    std::map<Key, BehindTable::Place> now;
    for (const BehindTable::Place& place : deps_.table->places())
        now.emplace(Key(place.subscription.value, place.shard.value), place);
    for (auto at = places_.begin(); at != places_.end();) {
        const auto still = now.find(at->first);
        if (still != now.end() && still->second.begun == at->second.place.begun) {
            Place& place = at->second;
            if (place.place.live_from != still->second.live_from)
                place.rejoins_since_ns = deps_.clock->monotonic_ns();
            place.place.live_from = still->second.live_from;
            // Somebody has said that it is to go on from there.
            if (still->second.from > place.next) place.next = still->second.from;
            if (place.flights.empty()) place.told = std::max(place.told, still->second.from);
            place.place.from = std::max(place.place.from, still->second.from);
            place.not_before_ns = 0;
            now.erase(still);
            ++at;
            continue;
        }
        at = drop(at);
    }
    if (now.empty()) return;
    const RegistrySnapshotRef registry = deps_.registry();
    for (const auto& [key, place] : now) {
        Place& fresh = places_[key];
        fresh.place = place;
        fresh.next = fresh.told = place.from;
        if (const Subscription* of = registry->subscription(place.subscription))
            fresh.tenant = of->tenant;
        tenants_[fresh.tenant.value].places.insert(key);
    }
}

BehindFeed::Places::iterator BehindFeed::drop(Places::iterator at) {
    bytes_ -= at->second.bytes;
    const auto of = tenants_.find(at->second.tenant.value);
    of->second.places.erase(at->first);
    if (of->second.places.empty()) tenants_.erase(of);
    return places_.erase(at);
}

// Tenants take turns, and the places of each: however many of one there are, another's comes soon.
BehindFeed::Place& BehindFeed::next_place() {
    auto of = tenants_.upper_bound(last_tenant_);
    if (of == tenants_.end()) of = tenants_.begin();
    last_tenant_ = of->first;
    const std::set<Key>& places = of->second.places;
    auto next = places.upper_bound(of->second.last);
    if (next == places.end()) next = places.begin();
    of->second.last = *next;
    return places_.at(*next);
}

bool BehindFeed::wait(Place& at, std::int64_t us) {
    at.not_before_ns = deps_.clock->monotonic_ns() + us * 1000;
    return false;
}

// The shard hears of it now and then: what it does not know yet is found to have outcomes.
void BehindFeed::tell(Place& at) {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    const bool idle = at.flights.empty();
    if (at.place.from <= at.told || (!idle && now_ns - at.told_ns < kTellUs * 1000)) return;
    at.told = at.place.from;
    at.told_ns = now_ns;
    deps_.shards->advance(at.place, at.place.from);
}

// Takes in what has ended, in the order of the log. True: something has.
bool BehindFeed::land(Place& at) {
    bool landed = false;
    while (!at.flights.empty()) {
        const Flight& flight = *at.flights.front();
        // acquire pairs with the last part's end: what was left out is known
        if (flight.parts_left.load(std::memory_order_acquire) != 0) break;
        landed = true;
        at.stopped |= flight.left_out.load(std::memory_order_relaxed);
        if (!at.stopped) at.place.from = std::max(at.place.from, flight.end);
        at.items -= flight.items;
        at.bytes -= flight.bytes;
        bytes_ -= flight.bytes;
        deps_.table->add_waiting(at.place.subscription, at.place.shard,
                                 at.stopped ? 0 : -static_cast<std::int64_t>(flight.items));
        at.flights.pop_front();
    }
    if (!at.flights.empty()) return landed;
    if (at.stopped) {  // its executor did not take them now: no sooner than in a while again
        at.stopped = false;
        at.next = at.place.from;
        return wait(at, kLookUs);
    }
    at.place.from = std::max(at.place.from, at.next);
    return landed;
}

bool BehindFeed::submit_refused(Place& at) {
    while (!at.refused.empty()) {
        auto& [lane, job] = at.refused.front();
        if (!deps_.submit_aside(lane, job)) return wait(at, kAgainUs / 10);
        at.refused.pop_front();
    }
    return true;
}

// A job of a lane, with bytes of its own: the block does not have to stay for them.
std::unique_ptr<LaneJob> BehindFeed::make_job(const OwedDeliveries& owed,
                                              std::span<const std::size_t> chosen,
                                              core::SubscriptionId subscription) {
    std::size_t bytes = 0;
    for (const std::size_t i : chosen) {
        const store::StoredEvent event = owed.block.event(owed.events[i]);
        bytes += event.raw.size() + event.fills.size() + event.pattern.size();
    }
    core::BufferRef buffer = deps_.database->pools().acquire(bytes);
    buffer.set_size(bytes);
    char* out = buffer.data();
    auto job = std::make_unique<LaneJob>();
    job->kind = JobKind::kBehind;
    job->items.reserve(chosen.size());
    job->parked.reserve(chosen.size());
    for (const std::size_t i : chosen) {
        store::StoredEvent event = owed.block.event(owed.events[i]);
        for (std::string_view* part : {&event.raw, &event.fills, &event.pattern}) {
            if (!part->empty()) std::memcpy(out, part->data(), part->size());
            *part = {out, part->size()};
            out += part->size();
        }
        job->items.push_back({static_cast<std::uint32_t>(job->parked.size()), subscription});
        ParkedDelivery& delivery = job->parked.emplace_back();
        delivery.event = {event, owed.block.first_offset(), buffer};
        delivery.earlier.ends_event = owed.ends_event[i];
    }
    return job;
}

void BehindFeed::launch(Place& at, OwedDeliveries&& owed) {
    auto flight = std::make_shared<Flight>();
    flight->first = owed.block.first_offset();
    flight->end = owed.block.end_offset();
    flight->items = owed.events.size();
    std::map<std::uint32_t, std::vector<std::size_t>> by_lane;
    for (std::size_t i = 0; i < owed.events.size(); ++i)
        by_lane[lane_of(owed.block.record(owed.events[i]).key_hash, deps_.lanes)].push_back(i);
    std::vector<std::pair<std::uint32_t, std::unique_ptr<LaneJob>>> jobs;
    for (const auto& [lane, chosen] : by_lane) {
        for (std::size_t done = 0; done < chosen.size(); done += kJobItemsMax) {
            const auto some =
                std::span(chosen).subspan(done, std::min(kJobItemsMax, chosen.size() - done));
            auto& job = jobs.emplace_back(lane, make_job(owed, some, at.place.subscription)).second;
            flight->bytes += job->parked.front().event.bytes.capacity();
        }
    }
    // relaxed: nobody else knows the flight yet
    flight->parts_left.store(jobs.size(), std::memory_order_relaxed);
    at.items += flight->items;
    at.bytes += flight->bytes;
    bytes_ += flight->bytes;
    at.flights.push_back(flight);
    for (auto& [lane, job] : jobs) {
        job->behind_done = [flight, wake = deps_.wake](std::uint64_t left_out) {
            if (left_out != 0) flight->left_out.store(true, std::memory_order_relaxed);
            // release pairs with land()
            if (flight->parts_left.fetch_sub(1, std::memory_order_acq_rel) == 1) wake();
        };
        at.refused.emplace_back(lane, std::move(job));
    }
    submit_refused(at);
}

// What came while it was off it does not get. True: something was passed.
bool BehindFeed::pass_off_periods(Place& at, const Subscription& subscription) {
    for (const OffPeriod& period : subscription.off_periods) {
        if (!period.holds({at.place.shard, at.next})) continue;
        if (period.to.empty()) {
            // It is off from here on: nothing is owed any more.
            if (at.flights.empty()) deps_.shards->forget(at.place);
            return !wait(at, kAgainUs);
        }
        at.next = period.to[at.place.shard.value];
        return true;
    }
    return false;
}

// True: it has met the shard, and was told so.
bool BehindFeed::caught_up(Place& at) {
    if (!at.flights.empty()) return wait(at, kAgainUs / 10);
    const core::LogOffset delivered = deps_.shards->delivered(at.place.shard);
    const core::LogOffset written = deps_.database->cursor(kDeliveryCursor, at.place.shard);
    if (at.place.live_from != kNotLive && at.next >= at.place.live_from) {
        deps_.shards->end(at.place, at.next);
    } else if (at.place.live_from == kNotLive) {
        deps_.shards->rejoin(at.place, at.next);
    }
    if (delivered > written) deps_.shards->settle(at.place.shard);
    return wait(at, kAgainUs / 4);
}

bool BehindFeed::read(Place& at, const RegistrySnapshot& registry, const Subscription& subscription,
                      bool held) {
    if (!at.reader || &at.reader->subscription() != &subscription) {
        auto made = BehindReader::make(registry.subscriptions.share(subscription.number.value));
        if (!made) {
            deps_.log->error("a subscription that is behind can not be read for; it waits",
                             {{"subscription", subscription.id}, {"error", made.error().message}});
            return wait(at, kLookUs);
        }
        at.reader = std::move(*made);
    }
    auto owed = at.reader->read(*deps_.database, registry, {at.place.shard, at.next});
    if (!owed) {
        deps_.log->error("a block of the log can't be read; what is owed from it waits",
                         {{"shard", at.place.shard.value},
                          {"offset", at.next.value},
                          {"error", owed.error().message}});
        return wait(at, kLookUs);
    }
    if (!owed->block) return wait(at, kAgainUs);
    if (held && !owed->events.empty()) {
        at.reader.reset();
        return wait(at, kLookUs);
    }
    at.next = owed->block.end_offset();
    if (!owed->events.empty()) launch(at, std::move(*owed));
    return true;
}

// True: there is more to do at once.
bool BehindFeed::step(Place& at, const RegistrySnapshot& registry) {
    const bool landed = land(at);
    tell(at);
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (at.place.live_from != kNotLive && now_ns - at.rejoins_since_ns > kRejoinUsMax * 1000) {
        deps_.shards->call_off(at.place);
        at.rejoins_since_ns = now_ns;
    }
    busy_ |= !at.flights.empty();
    // Also of what begins again: it does so when all that was launched has ended.
    if (!at.refused.empty() && !submit_refused(at)) return landed;
    if (at.stopped) return landed;
    if (now_ns < at.not_before_ns && !landed) return false;
    const Subscription* subscription = registry.subscription(at.place.subscription);
    if (!subscription) {
        if (registry.may_be_set_aside(at.place.subscription)) return wait(at, kLookUs);
        if (at.flights.empty()) deps_.shards->forget(at.place);
        return wait(at, kAgainUs);
    }
    if (subscription->closing != Closing::kNo) return wait(at, kLookUs);  // Burials reads for it
    if (at.items >= kItemsMax || at.bytes >= kBytesMax || at.flights.size() >= kBlocksMax ||
        (bytes_ >= kBytesOfAllMax && at.items))
        return landed;
    const bool held = !registry.held_because(*subscription).empty();
    busy_ |= !held;
    if (pass_off_periods(at, *subscription)) return true;
    if (at.next >= deps_.database->cursor(kDeliveryCursor, at.place.shard))
        return held ? wait(at, kLookUs) : caught_up(at);
    return read(at, registry, *subscription, held);
}

std::size_t BehindFeed::do_work() {
    take_over();
    if (places_.empty()) return 0;
    const RegistrySnapshotRef registry = deps_.registry();
    std::size_t done = 0;
    busy_ = false;
    const std::size_t turns = std::min(places_.size(), kStepsPerTurn);
    for (std::size_t i = 0; i < turns; ++i) {
        done += step(next_place(), *registry);
    }
    return done;
}

bool BehindFeed::under_way(core::SubscriptionId subscription) const {
    for (auto at = places_.lower_bound({subscription.value, 0});
         at != places_.end() && at->first.first == subscription.value; ++at) {
        if (!at->second.flights.empty()) return true;
    }
    return false;
}

std::int64_t BehindFeed::sleep_us_max() const {
    if (places_.empty()) return std::numeric_limits<std::int64_t>::max();
    return busy_ ? kAgainUs / 10 : kAgainUs;
}

}  // namespace millrace::runtime
