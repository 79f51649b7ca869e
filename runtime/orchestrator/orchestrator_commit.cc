// The part of Orchestrator that makes what happens durable: input, events and effects of a step in
// one commit, and what follows behind it.
#include "runtime/orchestrator/orchestrator.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

using workflow::Effect;
using workflow::EffectKind;
using workflow::Input;

bool Orchestrator::apply(Run& run, Input&& input, const std::function<void()>& durable) {
    // Before it is decided: what closes is written as runs are then.
    writer_.make_room(run.head.run);
    input.at_us = deps_.due->now_us();
    input.spread = static_cast<std::uint32_t>(random_.below(1001));
    std::vector<Effect> effects;
    const workflow::Definition& definition = run.workflow->definition;
    if (!workflow::decide(definition, run.state, input, effects)) return false;
    writer_.open(run.head.run);
    const std::size_t number = run.journal.size();
    writer_.note_entry(
        run,
        workflow::write_input(definition, input, workflow::outline(definition, run.state, effects)),
        input.step == workflow::kNoStep ? std::string_view()
                                        : std::string_view(definition.steps[input.step].id));
    run.serial = first_serial(number);
    if (run.state.status != run.head.status) {
        run.head.status = run.state.status;
        run.head.code = run.state.code;
        run.head.updated_us = input.at_us;
        run.head_changed = true;
        if (run.state.is_final()) {
            run.head.ended_us = input.at_us;
            count_end(run.state.status);
        }
    }
    follow(run, std::move(effects), durable);
    return true;
}

void Orchestrator::count_end(workflow::RunStatus status) {
    auto at = ended_counts_.find(status);
    if (at == ended_counts_.end()) {
        at = ended_counts_
                 .emplace(status, figures_.counter(core::Metric::kWorkflowRunsEnded,
                                                   {workflow::run_status_text(status)}))
                 .first;
    }
    at->second.add();
}

// Into what is open: the events; behind its commit: what is to be done. What reaches nothing
// outside does not wait for that.
void Orchestrator::follow(Run& run, std::vector<Effect>&& effects,
                          const std::function<void()>& durable) {
    const RunName name = run.head.run;
    std::vector<Effect> later, now;
    for (Effect& effect : effects) {
        if (effect.kind == EffectKind::kTell)
            tell(run, effect);
        else if (effect.kind == EffectKind::kAbandon)
            abandon(run, effect);
        else if (effect.kind == EffectKind::kWarn)
            deps_.log->warn("a workflow run comes near a limit",
                            {{"run", name.id}, {"limit", effect.code}});
        else if (may_go_ahead(run, effect))
            now.push_back(std::move(effect));
        else
            later.push_back(std::move(effect));
    }
    if (!now.empty()) {
        ++run.ahead;
        make_ready(run, std::move(now), true);
    }
    when_durable(run, std::move(later), durable);
}

// Behind the commit of what is open, and of all that was written of this run before.
void Orchestrator::when_durable(Run& run, std::vector<Effect>&& later,
                                const std::function<void()>& durable) {
    if (later.empty() && !durable && run.committing) return;
    run.committing |= run.unwritten;
    ++run.flying;
    writer_.when_durable([this, name = run.head.run, later = std::move(later), durable]() mutable {
        if (durable) durable();
        post([this, name = std::move(name), later = std::move(later)]() mutable {
            committed(name, std::move(later));
        });
    });
}

void Orchestrator::committed(const RunName& name, std::vector<Effect>&& later) {
    Run* const run = find(name);
    if (!run) return;
    if (--run->flying == 0) run->ahead = 0;
    if (run->state.is_final()) {
        tell_end(*run);
    } else if (run->flying == 0 && std::exchange(run->queues, false) &&
               (active_ > deps_.runs_active_max || !queued_.empty())) {
        // Its turn comes.
        if (run->counted) --active_;
        const auto at = runs_.find(name);
        std::unique_ptr<Run> waits = std::move(at->second);
        runs_.erase(at);
        return park(std::move(waits));
    } else if (!later.empty()) {
        return make_ready(*run, std::move(later), false);
    }
    let_go(name);
}

// ---- before its cause is durable

// A script that is known to wait for nothing: what it does is written behind its cause, in the same
// shard. One that turns out to reach for the outside begins again when its cause is durable.
bool Orchestrator::may_go_ahead(Run& run, const Effect& effect) {
    if (effect.kind != EffectKind::kStart || run.queues || run.ahead >= kAheadMax ||
        stopping_.load(std::memory_order_relaxed) || deps_.holds())
        return false;
    const workflow::Step& step = run.workflow->definition.steps[effect.step];
    if (step.at_most_once) return false;
    const RegistrySnapshotRef registry = deps_.registry();
    const ScriptRef script = script_of(run, step.action, *registry);
    return script && !outside_scripts_.contains({script->number.value, script->version});
}

void Orchestrator::make_ready(Run& run, std::vector<Effect>&& effects, bool early) {
    ++run.flying;
    ++ready_count_;
    ready_[writer_.shard_of(run.head.run).value].push_back(
        {run.head.run, std::move(effects), early});
}

// Shard by shard, the newest first: a run goes as far as it can before the next one does.
std::size_t Orchestrator::do_ready() {
    std::size_t done = 0;
    for (std::vector<Ready>& ready : ready_) {
        for (; done < kTasksPerTurn && !ready.empty(); ++done) do_one_ready(ready);
    }
    return done;
}

void Orchestrator::do_one_ready(std::vector<Ready>& ready) {
    const Ready one = std::move(ready.back());
    ready.pop_back();
    --ready_count_;
    Run* const run = find(one.run);
    if (!run) return;
    --run->flying;
    if (run->state.is_final()) {
        tell_end(*run);
    } else if (!stopping_.load(std::memory_order_relaxed)) {
        ahead_ = one.early;
        perform(*run, one.effects);
        ahead_ = false;
    }
    let_go(one.run);
}

// What has just begun, as far as it gets without waiting: into what is open, and its place is free
// for the next one.
void Orchestrator::run_ahead(const RunName& name) {
    std::vector<Ready>& ready = ready_[writer_.shard_of(name).value];
    for (; ahead_done_ < kAheadPerTurn && !ready.empty(); ++ahead_done_) {
        if (!ready.back().early || ready.back().run != name) return;
        do_one_ready(ready);
    }
}

void Orchestrator::sort_by_shard(std::vector<RunName>& runs) const {
    std::stable_sort(runs.begin(), runs.end(), [this](const RunName& a, const RunName& b) {
        return writer_.shard_of(a) < writer_.shard_of(b);
    });
}

// Once, when all that was written of it is durable.
void Orchestrator::tell_end(Run& run) {
    if (run.flying != 0 || std::exchange(run.told, true)) return;
    ended(run);
}

// In the commit of what they tell of.
void Orchestrator::tell(Run& run, const Effect& effect) {
    line_.clear();
    append_run_event(run, effect, ++run.serial, deps_.clock->wall_us(), line_);
    writer_.add_event(line_, run.head.run, run.head.depth);
}

// Its end is durable.
void Orchestrator::ended(Run& run) {
    const RunName name = run.head.run;
    if (!waits_.empty()) {
        for (workflow::StepIndex i = 0; i < run.state.steps.size(); ++i) waits_.remove(name, i);
    }
    if (waiters_.wait_for(name)) waiters_.tell(name, run_view(run));
    tell_parent(run.head, &run.state.output);
}

}  // namespace millrace::runtime
