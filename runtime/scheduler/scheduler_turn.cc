// The part of Scheduler that lets one schedule have its turn: what of its times fires, what is
// passed over and why.
#include "runtime/scheduler/catch_up.h"
#include "runtime/scheduler/scheduler.h"

#include <algorithm>

namespace millrace::runtime {

void Scheduler::turn(Entry& entry, std::int64_t now_us) {
    entry.looked_us = 0;
    take_waiting(entry, now_us);
    take_due(entry, now_us);
    take_backfill(entry, now_us);
    put_schedule_state(gather(entry).result->rows, entry.state);
}

void Scheduler::take_due(Entry& entry, std::int64_t now_us) {
    const Schedule& schedule = *entry.schedule;
    for (std::size_t i = 0; i < kTimesPerTurn && entry.state.due_us != 0; ++i) {
        if (entry.fire_us > now_us) return;
        // Once, and asked for when it was past already: nothing was missed.
        const bool asked_late =
            schedule.type == TimingType::kOnce && schedule.at_us <= schedule.created_at_us;
        if (now_us - entry.fire_us > kLateUs && !asked_late) return make_up(entry, now_us);
        const ScheduleRun run{entry.state.due_us, 0};
        meet(entry, run, schedule.overlap, {}, now_us);
        entry.state.done_us = run.due_us;
        set_due(entry, next_due(schedule.timing, run.due_us));
    }
}

// Times that could not be kept.
void Scheduler::make_up(Entry& entry, std::int64_t now_us) {
    const Schedule& schedule = *entry.schedule;
    CatchUp rule = schedule.catch_up;
    const std::string_view held = held_because(entry);
    if (!held.empty()) rule.mode = CatchUpMode::kNone;
    // A jittered time that is due and has not come is none of the missed ones.
    const Missed missed =
        missed_times(schedule.timing, rule, entry.state.due_us, now_us - schedule.jitter_ms * 1000);
    if (missed.skipped_any()) {
        put_ledger(gather(entry).result->rows, entry.state,
                   {.run = {missed.skipped_first_us, 0},
                    .until_us = missed.skipped_count == 1 ? 0 : missed.skipped_last_us,
                    .count = missed.skipped_count,
                    .at_us = now_us,
                    .rule = held.empty() ? std::string_view(missed.rule) : held});
    }
    // Who asks for all of them does not want them to be in each other's way.
    const bool all = rule.mode == CatchUpMode::kAll && schedule.overlap == Overlap::kSkip;
    const Overlap overlap = all ? Overlap::kQueueAll : schedule.overlap;
    for (std::size_t i = 0; i < missed.run.size() && !is_over_limit(entry); ++i) {
        if (i != 0 && is_full()) {  // the others are what the next turn finds missed
            entry.state.done_us = missed.run[i - 1];
            return set_due(entry, missed.run[i]);
        }
        meet(entry, {missed.run[i], 0}, overlap, missed.rule, now_us);
    }
    entry.state.done_us = std::max(missed.skipped_last_us,
                                   missed.run.empty() ? missed.skipped_last_us : missed.run.back());
    set_due(entry, missed.next);
}

// One time has come: it fires, waits for an earlier run, or is passed over.
void Scheduler::meet(Entry& entry, const ScheduleRun& run, Overlap overlap, std::string_view rule,
                     std::int64_t now_us) {
    std::string why;
    switch (judge(entry, overlap, now_us, why)) {
        case Verdict::kFire:
            if (overlap == Overlap::kCancel) cancel_running(entry, now_us);
            return fire(entry, run, rule, now_us);
        case Verdict::kSkip: return skip(entry, run, why, now_us);
        case Verdict::kWait: entry.state.waiting.push_back(run); return;
    }
}

Scheduler::Verdict Scheduler::judge(Entry& entry, Overlap overlap, std::int64_t now_us,
                                    std::string& why) {
    why = held_because(entry);
    if (!why.empty()) return Verdict::kSkip;
    const bool running = is_running(entry, now_us);
    why = held_because(entry);  // a run that failed may have paused it
    if (!why.empty()) return Verdict::kSkip;
    const std::size_t waiting = entry.state.waiting.size();
    if (overlap == Overlap::kAllow || overlap == Overlap::kCancel || (!running && waiting == 0))
        return Verdict::kFire;
    why = "overlap:" + std::string(overlap_text(overlap));
    if (overlap == Overlap::kQueueOne && waiting < 1) return Verdict::kWait;
    if (overlap == Overlap::kQueueAll && waiting < kQueueAllMax) return Verdict::kWait;
    return Verdict::kSkip;
}

std::string_view Scheduler::held_because(const Entry& entry) const {
    const Schedule& schedule = *entry.schedule;
    if (schedule.paused) return "paused";
    if (!schedule.active) return "inactive";
    const RegistrySnapshotRef registry = deps_.registry();
    if (registry->is_suspended(schedule.tenant)) return "tenantSuspended";
    if (schedule.script.value == 0) return {};
    const Script* script = registry->script(schedule.script);
    return script && script->enabled ? std::string_view() : "scriptDisabled";
}

// Looks once a turn. A run whose delivery was given up pauses the schedule, if that was asked for.
bool Scheduler::is_running(Entry& entry, std::int64_t now_us) {
    if (entry.looked_us == now_us) return !entry.state.running.empty();
    entry.looked_us = now_us;
    bool failed = false;
    std::erase_if(entry.state.running, [&](const ScheduleRun& run) {
        const RunEnd end = look_at_run(run_look_, *entry.schedule, run);
        failed |= end == RunEnd::kFailed;
        // Its event was handed over a moment ago, or it is no longer kept.
        constexpr std::int64_t kHandOverUs = 60'000'000;
        if (end == RunEnd::kAbsent) return now_us - entry.state.last_run_us > kHandOverUs;
        return end != RunEnd::kRunning;
    });
    if (failed && entry.schedule->pause_on_failure && !entry.schedule->paused) {
        auto paused = std::make_shared<Schedule>(*entry.schedule);
        paused->paused = true;
        deps_.pause(entry.schedule, "a run has failed (pauseOnFailure)");
        entry.schedule = std::move(paused);  // until the registry says so
    }
    return !entry.state.running.empty();
}

// In the commit of the run that takes their place. What is under way ends as it ends.
void Scheduler::cancel_running(Entry& entry, std::int64_t now_us) {
    if (!deps_.cancelled) return;
    for (const ScheduleRun& run : entry.state.running) {
        const auto at = find_run(*deps_.database, *entry.schedule, run);
        if (!at || !*at || !deps_.cancelled->add(**at)) continue;
        gather(entry).result->rows.put_registry(kCancelledEventKind, cancelled_event_id(**at), 1,
                                                now_us, R"({"by":"overlap:cancel"})");
    }
    entry.state.running.clear();
}

void Scheduler::fire(Entry& entry, const ScheduleRun& run, std::string_view rule,
                     std::int64_t now_us) {
    const Schedule& schedule = *entry.schedule;
    Gathered& gathered = gather(entry);
    const bool late = run.serial == 0 && now_us - run.due_us > schedule.jitter_ms * 1000 + kLateUs;
    append_schedule_event(gathered.emits, schedule, run, late);
    gathered.emits += '\n';
    gathered.result->emitted_depths.push_back(0);
    gathered.result->emitted_tenants.push_back(schedule.tenant);
    const std::string id = schedule_event_id(schedule, run);
    put_ledger(gathered.result->rows, entry.state,
               {.run = run, .at_us = now_us, .fired = true, .rule = rule, .event_id = id});
    const bool watched = schedule.overlap != Overlap::kAllow || schedule.pause_on_failure ||
                         !entry.state.backfills.empty();
    if (!watched) return;
    if (entry.state.running.size() >= kRunsWatchedMax)
        entry.state.running.erase(entry.state.running.begin());
    entry.state.running.push_back(run);
}

void Scheduler::skip(Entry& entry, const ScheduleRun& run, std::string_view rule,
                     std::int64_t now_us) {
    put_ledger(gather(entry).result->rows, entry.state,
               {.run = run, .at_us = now_us, .rule = rule});
}

void Scheduler::take_waiting(Entry& entry, std::int64_t now_us) {
    while (!entry.state.waiting.empty() && held_because(entry).empty() && !is_over_limit(entry) &&
           !is_full() && !is_running(entry, now_us)) {
        const ScheduleRun run = entry.state.waiting.front();
        entry.state.waiting.erase(entry.state.waiting.begin());
        // With `skip` nothing waits but what is made up for.
        const Overlap overlap = entry.schedule->overlap;
        fire(entry, run,
             overlap == Overlap::kSkip ? "catchUp:all"
                                       : "overlap:" + std::string(overlap_text(overlap)),
             now_us);
    }
    if (is_over_limit(entry)) entry.state.waiting.clear();
}

// A backfill is asked for by somebody: it runs whether the schedule is paused or not.
void Scheduler::take_backfill(Entry& entry, std::int64_t now_us) {
    for (std::size_t i = 0; i < kTimesPerTurn && !entry.state.backfills.empty(); ++i) {
        Backfill& backfill = entry.state.backfills.front();
        const auto next = next_due(entry.schedule->timing, backfill.after_us);
        if (!next || *next > backfill.to_us) {
            entry.state.backfills.erase(entry.state.backfills.begin());
            continue;
        }
        const ScheduleRun run{*next, backfill.serial};
        const bool free = backfill.overlap == Overlap::kAllow ||
                          backfill.overlap == Overlap::kCancel || !is_running(entry, now_us);
        if (!free && backfill.overlap != Overlap::kSkip) return;  // it waits for the run's end
        backfill.after_us = *next;
        if (backfill.overlap == Overlap::kCancel) cancel_running(entry, now_us);
        if (free)
            fire(entry, run, "backfill", now_us);
        else
            skip(entry, run, "overlap:skip", now_us);
    }
}

}  // namespace millrace::runtime
