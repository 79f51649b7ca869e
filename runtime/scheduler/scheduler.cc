#include "runtime/scheduler/scheduler.h"

#include "runtime/registry/schedule_timing.h"
#include "store/log/pool_set.h"
#include "store/rows/registry_store.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace millrace::runtime {
namespace {

// Spreads what is due at one moment; below the gap to the next one, so that none passes another.
std::int64_t jitter_us(const Schedule& schedule, std::int64_t due_us) {
    std::int64_t bound_us = schedule.jitter_ms * 1000;
    if (bound_us == 0) return 0;
    if (const auto next = next_due(schedule.timing, due_us))
        bound_us = std::min(bound_us, *next - due_us);
    const std::array<std::uint64_t, 2> parts = {schedule.number.value,
                                                static_cast<std::uint64_t>(due_us)};
    return static_cast<std::int64_t>(XXH3_64bits(parts.data(), sizeof parts) %
                                     static_cast<std::uint64_t>(bound_us));
}

}  // namespace

Scheduler::Scheduler(Deps deps)
    : deps_(std::move(deps)),
      run_look_{deps_.database, deps_.wanted_by, deps_.registry},
      gathered_(deps_.shards) {}

core::Status Scheduler::load(SetAside& aside) {
    const RegistrySnapshotRef registry = deps_.registry();
    const std::int64_t now_us = deps_.clock->wall_us();
    entries_.reserve(registry->schedules.size());
    store::RowBatch leftovers;
    auto read = deps_.database->registry().each(
        kScheduleStateKind, [&](const store::RegistryDocumentView& row) {
            auto state = read_schedule_state(row.json);
            if (!state) {
                aside.add(kScheduleStateKind, row.id, state.error());
            } else if (registry->schedules.find(state->number)) {
                entries_[state->number].state = std::move(*state);
            } else if (!aside.any_of(document_kind<Schedule>().name)) {
                erase_schedule(leftovers, *state);
            }
        });
    if (!read) return read;
    // Put in order at once: one by one each would look for its place in a tree of all.
    std::vector<std::pair<std::int64_t, std::uint32_t>> wakes;
    wakes.reserve(registry->schedules.size());
    registry->schedules.for_each([&](const ScheduleRef& schedule) {
        Entry& entry = entries_[schedule->number.value];
        take_up(entry, schedule, now_us);
        if (schedule->timing.cron.at_start) take_start(entry, now_us, leftovers);
        entry.wake_us = wake_of(entry, now_us);
        if (entry.wake_us != 0) wakes.emplace_back(entry.wake_us, entry.state.number);
    });
    std::sort(wakes.begin(), wakes.end());
    order_ = std::set(wakes.begin(), wakes.end());
    return leftovers.empty() ? core::Status{} : deps_.database->write_now(leftovers);
}

// On record before anybody hears that the server is ready: a crash right behind misses nothing.
void Scheduler::take_start(Entry& entry, std::int64_t now_us, store::RowBatch& rows) {
    ScheduleState& state = entry.state;
    // An earlier start that ended before it had its run.
    if (state.due_us != 0 && state.waiting.size() < kQueueAllMax)
        state.waiting.push_back({state.due_us, 0});
    set_due(entry, now_us);
    put_schedule_state(rows, state);
}

// Its document is new or has changed: what is due follows from it, but for what is overdue - or was
// when the document was written: the clock may have been set back since, and what follows from the
// document begins behind that moment.
void Scheduler::take_up(Entry& entry, const ScheduleRef& schedule, std::int64_t now_us) {
    const bool fresh = entry.state.number == 0;
    entry.schedule = schedule;
    if (!fresh && entry.state.version == schedule->version) {
        set_due(entry, entry.state.due_us == 0 ? std::nullopt : std::optional(entry.state.due_us));
        return;
    }
    entry.state.tenant = schedule->tenant;
    entry.state.number = schedule->number.value;
    entry.state.version = schedule->version;
    const std::int64_t changed_us = std::max(now_us, schedule->updated_at_us);
    if (!fresh && entry.state.due_us != 0 && entry.state.due_us <= changed_us)
        set_due(entry, entry.state.due_us);
    else if (!fresh)
        set_due(entry, first_due(*schedule, entry.state.done_us));
    else  // as it was found when the document was written
        set_due(entry,
                schedule->first_due_us == 0 ? std::nullopt : std::optional(schedule->first_due_us));
}

void Scheduler::forget(std::uint32_t number) {
    const auto at = entries_.find(number);
    if (at == entries_.end()) return;
    order_.erase({at->second.wake_us, number});
    erase_schedule(gather(at->second).result->rows, at->second.state);
    entries_.erase(at);
}

bool Scheduler::is_over_limit(const Entry& entry) const {
    const std::int64_t most = entry.schedule->runs_max;
    return most != 0 && entry.state.fired >= static_cast<std::uint64_t>(most);
}

void Scheduler::set_due(Entry& entry, std::optional<std::int64_t> due_us) {
    if (is_over_limit(entry)) due_us.reset();
    entry.state.due_us = due_us.value_or(0);
    entry.fire_us = due_us ? *due_us + jitter_us(*entry.schedule, *due_us) : 0;
}

// When it is to be looked at next; 0: never.
std::int64_t Scheduler::wake_of(const Entry& entry, std::int64_t now_us) {
    std::int64_t wake_us = std::numeric_limits<std::int64_t>::max();
    if (entry.state.due_us != 0) wake_us = std::max<std::int64_t>(entry.fire_us, 1);
    const bool more =
        !entry.state.backfills.empty() || (!entry.state.waiting.empty() && !entry.schedule->paused);
    if (more) wake_us = std::min(wake_us, now_us + kPollUs);
    return wake_us == std::numeric_limits<std::int64_t>::max() ? 0 : wake_us;
}

// Puts it where it is to be looked at next.
void Scheduler::order(Entry& entry, std::int64_t now_us) {
    const std::uint32_t number = entry.state.number;
    if (entry.wake_us != 0) order_.erase({entry.wake_us, number});
    entry.wake_us = wake_of(entry, now_us);
    if (entry.wake_us != 0) order_.insert({entry.wake_us, number});
}

Scheduler::Gathered& Scheduler::gather(const Entry& entry) {
    const std::size_t shard = entry.state.number % deps_.shards;
    Gathered& gathered = gathered_[shard];
    if (!gathered.result) {
        gathered.result = std::make_unique<LaneResult>();
        gathered.result->shard = core::ShardId(static_cast<std::uint16_t>(shard));
    }
    return gathered;
}

// False: a shard takes no more now.
bool Scheduler::send() {
    bool all = true;
    for (Gathered& gathered : gathered_) {
        if (!gathered.result) continue;
        LaneResult& result = *gathered.result;
        if (!gathered.emits.empty()) {
            result.emitted = deps_.database->pools().acquire(gathered.emits.size());
            std::memcpy(result.emitted.data(), gathered.emits.data(), gathered.emits.size());
            result.emitted.set_size(gathered.emits.size());
            gathered.emits.clear();
        }
        all &= deps_.submit(result.shard, gathered.result);
    }
    return all;
}

bool Scheduler::is_full() const {
    return std::any_of(gathered_.begin(), gathered_.end(), [](const Gathered& gathered) {
        return gathered.emits.size() >= kEmitBytesPerTurn;
    });
}

std::size_t Scheduler::do_work() {
    if (!send()) return 0;
    std::size_t done = 0;
    std::lock_guard lock(mutex_);
    std::function<void()> task;
    for (; done < kFiringsPerTurn && asked_.try_pop(task); ++done) task();
    if (stopping_.load(std::memory_order_relaxed) || deps_.holds()) return send() ? done : 0;
    const std::int64_t now_us = deps_.clock->wall_us();
    while (done < kFiringsPerTurn && !order_.empty() && order_.begin()->first <= now_us &&
           !is_full()) {
        Entry& entry = entries_.at(order_.begin()->second);
        turn(entry, now_us);
        order(entry, now_us);
        ++done;
    }
    send();
    return done;
}

void Scheduler::wait(std::int64_t timeout_us) {
    {
        std::lock_guard lock(mutex_);
        if (!order_.empty()) {
            // What is overdue and was not begun waits for others.
            const std::int64_t due_in_us = order_.begin()->first - deps_.clock->wall_us();
            timeout_us = std::min(timeout_us, due_in_us > 0 ? due_in_us : kHeldUs);
        }
    }
    core::Agent::wait(timeout_us);
}

void Scheduler::changed(const DocumentChange<Schedule>& change) {
    asked_.push_beyond([this, change] {
        if (!change.after) return forget(change.before->number.value);
        const std::int64_t now_us = deps_.clock->wall_us();
        Entry& entry = entries_[change.after->number.value];
        take_up(entry, change.after, now_us);
        if (change.before) put_schedule_state(gather(entry).result->rows, entry.state);
        order(entry, now_us);
    });
    wake();
}

void Scheduler::trigger(const ScheduleRef& schedule, Beside beside, Triggered done) {
    asked_.push_beyond([this, schedule, beside = std::move(beside), done = std::move(done)] {
        const auto at = entries_.find(schedule->number.value);
        if (at == entries_.end()) {
            return done(core::fail(core::ErrorCode::kNotFound,
                                   "no schedule has the id \"" + schedule->id + "\""));
        }
        Entry& entry = at->second;
        const std::int64_t now_us = deps_.clock->wall_us();
        const ScheduleRun run{now_us, ++entry.state.serials};
        fire(entry, run, "trigger", now_us);
        Gathered& gathered = gather(entry);
        put_schedule_state(gathered.result->rows, entry.state);
        if (beside) beside(gathered.result->rows);
        gathered.result->when_durable.push_back(
            [done, id = schedule_event_id(*entry.schedule, run)] { done(id); });
    });
    wake();
}

void Scheduler::backfill(const ScheduleRef& schedule, const Backfill& asked, Beside beside,
                         Accepted done) {
    asked_.push_beyond([this, schedule, asked, beside = std::move(beside), done = std::move(done)] {
        const auto at = entries_.find(schedule->number.value);
        if (at == entries_.end() || at->second.state.backfills.size() >= kBackfillsMax) {
            return done(core::fail(core::ErrorCode::kConflict,
                                   "schedule \"" + schedule->id + "\" has " +
                                       std::to_string(kBackfillsMax) +
                                       " backfills under way, which is the limit"));
        }
        Entry& entry = at->second;
        Backfill backfill = asked;
        backfill.serial = ++entry.state.serials;
        entry.state.backfills.push_back(backfill);
        Gathered& gathered = gather(entry);
        put_schedule_state(gathered.result->rows, entry.state);
        if (beside) beside(gathered.result->rows);
        gathered.result->when_durable.push_back([done] { done({}); });
        order(entry, deps_.clock->wall_us() - kPollUs);
    });
    wake();
}

std::optional<Scheduler::Look> Scheduler::look(ScheduleNumber number) const {
    std::lock_guard lock(mutex_);
    const auto at = entries_.find(number.value);
    if (at == entries_.end()) return std::nullopt;
    const ScheduleState& state = at->second.state;
    return Look{state.due_us, state.last_run_us, state.fired, state.skipped};
}

}  // namespace millrace::runtime
