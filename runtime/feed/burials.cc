#include "runtime/feed/burials.h"

#include "core/json_writer.h"
#include "runtime/delivery/attempt_record.h"
#include "runtime/delivery/delivery_tracker.h"
#include "runtime/delivery/outcome_writer.h"
#include "store/log/event_id.h"
#include "store/log/log_reader.h"
#include "store/rows/retry_schedule.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr std::string_view kWhy = "the subscription was removed while the delivery waited";

// Where the log ended for it.
core::LogOffset end_in(const Subscription& subscription, core::ShardId shard) {
    if (subscription.off_periods.empty()) return {};  // off since before such were kept
    const OffPeriod& last = subscription.off_periods.back();
    return shard.value < last.from.size() ? last.from[shard.value] : core::LogOffset{};
}

}  // namespace

void Burials::add(SubscriptionRef subscription, Done done) {
    {
        std::lock_guard lock(mutex_);
        added_.push_back({.of = std::move(subscription), .done = std::move(done)});
    }
    deps_.wake();
}

std::int64_t Burials::sleep_us_max() {
    std::lock_guard lock(mutex_);
    return open_.empty() && added_.empty() ? std::numeric_limits<std::int64_t>::max() : kAgainUs;
}

bool Burials::write(store::RowBatch& rows) {
    if (rows.empty()) return true;
    auto written = deps_.database->write_now(rows);
    rows.clear();
    if (!written)
        deps_.log->error("what waits for a removed subscription can't be cleared away now",
                         {{"error", written.error().message}});
    return written.has_value();
}

void Burials::bury(const Burial& burial, const store::StoredEvent& event,
                   const EarlierAttempts& earlier, store::RowBatch& rows) const {
    if (burial.of->closing == Closing::kDiscard) return;
    const Subscription& of = *burial.of;
    const std::int64_t now_us = deps_.clock->wall_us();
    const std::string fingerprint = error_fingerprint(of.executor.script_id, kWhy);
    BlockMatcher& texts = burial.reader->blocks();
    core::Envelope envelope;
    const bool read = texts.envelope_of(event.raw, envelope);
    const std::string id = event.has(store::EventFlag::kFilledEventId) || !read
                               ? store::encode_event_id(deps_.database->hasher(), event.position)
                               : std::string(envelope.event_id);
    store::DeadLetter row;
    row.key = {event.tenant, now_us, {event.position, of.number}};
    row.updated_at_us = now_us;
    row.retry_count = earlier.counted == 0 ? 0 : earlier.counted - 1;
    row.retries_max = of.retry.retries_max;
    row.subscription_id = of.id;
    row.script_id = of.executor.script_id;
    row.pattern = event.pattern.empty() ? envelope.pattern : event.pattern;
    row.event_id = id;
    row.error = kWhy;
    row.error_fingerprint = fingerprint;
    row.attempts = earlier.history;
    const std::string extra = encode_letter_extra(earlier);
    row.extra = extra;
    rows.put_dead_letter(row, store::RowChange::kNew);
}

// ---- the log

Burials::Step Burials::clear_block(Burial& burial, core::ShardId shard) {
    const RegistrySnapshotRef registry = deps_.registry();
    auto owed = burial.reader->read(*deps_.database, *registry, {shard, *burial.next});
    if (!owed) {
        deps_.log->error("a block of the log can't be read; what waits in it waits",
                         {{"shard", shard.value}, {"error", owed.error().message}});
        burial.rests_ns = kUnreadNs;
        return Step::kWait;
    }
    if (!owed->block) return Step::kDone;
    store::RowBatch rows;
    rows.begin_outcomes({shard, owed->block.first_offset()});
    for (const std::uint32_t index : owed->events) {
        const store::StoredEvent event = owed->block.event(index);
        bury(burial, event, {}, rows);
        store::OutcomeEntry entry;
        entry.event_index = index;
        entry.subscription = burial.of->number;
        entry.tenant = event.tenant;
        entry.status = burial.of->closing == Closing::kDiscard ? store::DeliveryStatus::kFailed
                                                               : store::DeliveryStatus::kDead;
        entry.started_at_us = deps_.clock->wall_us();
        entry.error = kWhy;
        rows.add_outcome(entry);
    }
    rows.end_outcomes();
    if (!write(rows)) return Step::kWait;
    burial.count += owed->events.size();
    burial.next = owed->block.end_offset();
    return *burial.next >= end_in(*burial.of, shard) ? Step::kDone : Step::kMore;
}

// What it is owed, shard by shard. Lanes pass over it; what they had of it when they were told has
// ended when the shard's cursor has passed it.
Burials::Step Burials::clear_log(Burial& burial) {
    const core::ShardId shard(static_cast<std::uint16_t>(burial.shard));
    const core::LogOffset end = end_in(*burial.of, shard);
    const core::LogOffset delivered = deps_.shards->delivered(shard);
    BehindTable::Place place;
    if (!deps_.table->find(burial.of->number, shard, place)) {
        if (delivered >= end) return Step::kDone;  // it has got everything
        deps_.shards->fall(burial.of->number, shard);
        return Step::kWait;
    }
    if (!burial.untouched_from) burial.untouched_from = deps_.shards->handed_over(shard);
    if (deps_.database->cursor(kDeliveryCursor, shard) < *burial.untouched_from) {
        if (delivered >= *burial.untouched_from) deps_.shards->settle(shard);
        return Step::kWait;
    }
    if (!burial.next) burial.next = place.from;
    const Step step = *burial.next >= end ? Step::kDone : clear_block(burial, shard);
    if (step == Step::kDone) deps_.shards->forget(place);
    return step;
}

// ---- what waits in rows

// False: its event can't be read now. One that is no longer kept leaves no letter.
bool Burials::bury_row(const Burial& burial, const store::RetryRow& row,
                       store::RowBatch& rows) const {
    if (burial.of->closing == Closing::kDiscard) return true;
    const auto event = deps_.database->log_reader().read_event(row.delivery.position);
    if (!event) {
        deps_.log->error("what waits for a removed subscription can't be read; it waits",
                         {{"error", event.error().message}});
        return false;
    }
    if (*event) {
        bury(burial, (*event)->event, decode_retry_state(row.state, row.attempt, row.created_at_us),
             rows);
    }
    return true;
}

Burials::Step Burials::clear_rows(Burial& burial) {
    if (deps_.parked->under_way(burial.of->number)) return Step::kWait;
    store::RowBatch rows;
    std::size_t found = 0;
    bool waits = false, unread = false;
    std::uint64_t count = 0;
    std::vector<store::DeadLetterKey> redriven;  // they stay dead letters, and are on no way back
    auto visited = deps_.database->retries().visit_all([&](const store::RetryRow& row) {
        if (row.delivery.subscription != burial.of->number) return true;
        if (deps_.retries->under_way(row)) {
            waits = true;
            return true;
        }
        if (const auto letter_us = redrive_of(row.state)) {
            redriven.push_back({row.tenant, *letter_us, row.delivery});
        } else if (bury_row(burial, row, rows)) {
            ++count;
        } else {
            unread = true;
            return true;
        }
        rows.erase_retry(row);
        return ++found < kRowsPerWrite;
    });
    if (!visited || !write(rows)) return Step::kWait;
    for (const store::DeadLetterKey& letter : redriven) deps_.retries->redriven().end(letter);
    burial.count += count;
    if (found == kRowsPerWrite) return Step::kMore;
    if (unread) burial.rests_ns = kUnreadNs;
    return waits || unread ? Step::kWait : Step::kDone;
}

// No key is held up for it any more.
Burials::Step Burials::tell_lanes(Burial& burial) {
    for (; burial.lanes_told < deps_.lanes; ++burial.lanes_told) {
        auto job = std::make_unique<LaneJob>();
        job->kind = JobKind::kForget;
        job->lost.subscription = burial.of->number;
        if (!deps_.submit_aside(static_cast<std::uint32_t>(burial.lanes_told), job))
            return Step::kWait;
    }
    return Step::kDone;
}

Burials::Step Burials::step(Burial& burial) {
    if (!burial.reader) {
        auto made = BehindReader::make(burial.of);
        if (!made) {
            deps_.log->error("what waits for a removed subscription can't be read; it waits",
                             {{"error", made.error().message}});
            return Step::kWait;
        }
        burial.reader = std::move(*made);
    }
    // An attempt that was begun may end well yet.
    if (deps_.behind->under_way(burial.of->number)) return Step::kWait;
    if (burial.shard < deps_.database->shards()) {
        const Step step = clear_log(burial);
        if (step != Step::kDone) return step;
        ++burial.shard;
        burial.untouched_from.reset();
        burial.next.reset();
        return Step::kMore;
    }
    if (deps_.database->retries().count() != 0) {
        const Step step = clear_rows(burial);
        if (step != Step::kDone) return step;
    }
    return tell_lanes(burial);
}

std::size_t Burials::do_work() {
    {
        std::lock_guard lock(mutex_);
        for (Burial& burial : added_) open_.push_back(std::move(burial));
        added_.clear();
    }
    std::size_t done = 0;
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    for (auto at = open_.begin(); at != open_.end();) {
        Step step = Step::kMore;
        if (at->not_before_ns > now_ns) {
            ++at;
            continue;
        }
        for (std::size_t i = 0; i < 16 && step == Step::kMore; ++i) step = this->step(*at);
        done += step != Step::kWait;
        if (step == Step::kWait)
            at->not_before_ns = now_ns + std::max(kAgainUs * 1000, std::exchange(at->rests_ns, 0));
        if (step != Step::kDone) {
            ++at;
            continue;
        }
        at->done(at->count);
        at = open_.erase(at);
    }
    return done;
}

}  // namespace millrace::runtime
