// The part of Orchestrator that makes what happens durable: input, events and effects of a step in
// one commit, and what follows behind it.
#include "runtime/orchestrator/orchestrator.h"
#include "store/log/pool_set.h"

#include <xxhash.h>

#include <utility>

namespace millrace::runtime {

using workflow::Effect;
using workflow::EffectKind;
using workflow::Input;

// A run's rows all go by one shard, so that they stand in the order in which they were made.
core::ShardId Orchestrator::shard_of(const RunName& run) const {
    const std::uint64_t hash = XXH3_64bits_withSeed(run.id.data(), run.id.size(), run.tenant.value);
    return core::ShardId(static_cast<std::uint16_t>(hash % deps_.shards));
}

ResultBuilder& Orchestrator::open(const RunName& run) {
    const core::ShardId shard = shard_of(run);
    if (builder_.open() && (builder_.shard() != shard || builder_.bytes() > kChunkBytesMax ||
                            open_events_ > kChunkEventsMax))
        close();
    if (!builder_.open()) builder_.begin(shard);
    return builder_;
}

void Orchestrator::close() {
    if (!builder_.open()) return;
    outgoing_.push_back(builder_.finish(deps_.clock->wall_us()));
    open_events_ = 0;
}

// False: a shard takes no more now.
bool Orchestrator::flush() {
    while (!outgoing_.empty()) {
        if (!deps_.submit(outgoing_.front()->shard, outgoing_.front())) return false;
        outgoing_.pop_front();
    }
    return true;
}

bool Orchestrator::apply(Run& run, Input&& input, const std::function<void()>& durable) {
    input.at_us = deps_.due->now_us();
    input.spread = static_cast<std::uint32_t>(random_.below(1001));
    std::vector<Effect> effects;
    const workflow::Definition& definition = run.workflow->definition;
    if (!workflow::decide(definition, run.state, input, effects)) return false;
    store::RowBatch& rows = open(run.head.run).rows();
    const auto number = static_cast<std::uint32_t>(run.journal.size());
    run.journal.push_back(workflow::write_input(definition, input,
                                                workflow::outline(definition, run.state, effects)));
    put_entry(rows, run.head, run.key, number,
              input.step == workflow::kNoStep ? std::string_view()
                                              : std::string_view(definition.steps[input.step].id),
              run.journal.back());
    run.serial = first_serial(number);
    if (run.state.status != run.head.status) {
        run.head.status = run.state.status;
        run.head.code = run.state.code;
        run.head.updated_us = input.at_us;
        if (run.state.is_final()) run.head.ended_us = input.at_us;
        put_head(rows, run.head);
    }
    keep_mark(run);
    follow(run, std::move(effects), durable);
    return true;
}

// Into what is open: the events; behind its commit: what is to be done.
void Orchestrator::follow(Run& run, std::vector<Effect>&& effects,
                          const std::function<void()>& durable) {
    const RunName name = run.head.run;
    std::vector<Effect> later;
    for (Effect& effect : effects) {
        if (effect.kind == EffectKind::kTell)
            tell(run, effect);
        else if (effect.kind == EffectKind::kAbandon)
            abandon(name, effect.step);
        else if (effect.kind == EffectKind::kWarn)
            deps_.log->warn("a workflow run comes near a limit",
                            {{"run", name.id}, {"limit", effect.code}});
        else
            later.push_back(std::move(effect));
    }
    ++run.flying;
    builder_.result().when_durable.push_back(
        [this, name, later = std::move(later), durable]() mutable {
            if (durable) durable();
            post([this, name, later = std::move(later)] {
                Run* const there = find(name);
                if (!there) return;
                --there->flying;
                if (there->state.is_final()) {
                    ended(*there);
                } else if (there->flying == 0 && std::exchange(there->queues, false) &&
                           (active_ > deps_.runs_active_max || !queued_.empty())) {
                    // Its turn comes: until then the store has it.
                    if (there->counted) --active_;
                    runs_.erase(name);
                    return queue(name);
                } else if (!stopping_.load(std::memory_order_relaxed)) {
                    perform(*there, later);
                }
                let_go(name);
            });
        });
}

void Orchestrator::keep_mark(Run& run) {
    store::RowBatch& rows = builder_.rows();
    if (run.state.is_final()) {
        rows.erase_registry(kRunActiveKind, run_row_id(run.head.run));
        count_end(run.state.status);
        return put_ended(rows, run.head, run.journal.size());
    }
    RunMark mark = mark_of(run);
    if (mark == run.mark) return;
    run.mark = mark;
    put_mark(rows, run.head.run, mark);
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

// In the commit of what they tell of.
void Orchestrator::tell(Run& run, const Effect& effect) {
    AttemptEffects effects;
    const std::int64_t wall_us = deps_.clock->wall_us();
    tell_of_run(run, effect, ++run.serial, wall_us, effects);
    builder_.take(effects, run.head.run.tenant, wall_us);
    ++open_events_;
}

// Its end is durable.
void Orchestrator::ended(Run& run) {
    const RunName name = run.head.run;
    for (workflow::StepIndex i = 0; i < run.state.steps.size(); ++i) waits_.remove(name, i);
    const auto [first, last] = waiters_.equal_range(name);
    for (auto at = first; at != last; ++at) at->second.done(run_view(run));
    waiters_.erase(first, last);
    const RunParent& parent = run.head.parent;
    if (parent.run_id.empty()) return;
    const RunName above{name.tenant, parent.run_id};
    auto brought = bring(above);
    if (!brought) return;
    Run& parent_run = **brought;
    Input input;
    input.kind = workflow::InputKind::kStepEnded;
    input.step = parent_run.workflow->definition.find(parent.step);
    input.iteration = parent.iteration;
    input.attempt = parent.attempt;
    if (run.state.status == workflow::RunStatus::kCompleted) {
        input.value = run.state.output.empty() ? "null" : run.state.output;
    } else {
        input.outcome = workflow::StepOutcome::kFatal;
        input.code = "WORKFLOW";
        input.error = "run " + name.id + " of workflow \"" + run.head.workflow_id + "\" ended as " +
                      std::string(workflow::run_status_text(run.state.status));
    }
    if (input.step != workflow::kNoStep) apply(parent_run, std::move(input));
    let_go(above);
}

}  // namespace millrace::runtime
