// The part of Orchestrator that begins runs: those that somebody asks for here, and those whose
// beginning a lane has committed.
#include "core/made_id.h"
#include "runtime/orchestrator/orchestrator.h"
#include "store/log/log_reader.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

bool Orchestrator::begin(RunRequest&& request, Begun done) {
    if (shown_queued_.load(std::memory_order_relaxed) >= kQueuedRunsMax) return false;
    auto kept = std::make_shared<RunRequest>(std::move(request));
    const bool taken = asked_.try_push([this, kept, done = std::move(done)] {
        const bool made_up = kept->run.id.empty();
        if (made_up) kept->run.id = core::make_id("run_", random_, 20);
        begins_[writer_.shard_of(kept->run).value].push_back({kept, done, made_up});
    });
    if (taken) wake();
    return taken;
}

std::size_t Orchestrator::begin_all() {
    std::size_t begun = 0;
    for (std::vector<Beginning>& begins : begins_) {
        begun += begins.size();
        for (const Beginning& one : begins) {
            const RunName name = one.request->run;
            begin_now(std::move(*one.request), one.done, one.made_up);
            run_ahead(name);
        }
        begins.clear();
    }
    return begun;
}

// Whoever has claimed a run and finds it in the store has not begun it.
Orchestrator::Claim Orchestrator::claim(const RunName& run, RunsBeginning::Room room) {
    if (!beginning_.take(run, deps_.keys->newest(run.tenant), room)) return Claim::kBusy;
    if (!store_.exists(run)) return Claim::kYours;
    beginning_.done(run);
    return Claim::kThere;
}

FreshRun Orchestrator::make(RunRequest&& request, WorkflowRef workflow) const {
    std::vector<std::uint64_t> from = read_from(request, *workflow);
    return begin_run(std::move(request), std::move(workflow), *deps_.keys, deps_.due->now_us(),
                     std::move(from));
}

// By shard, where its waits begin: what came behind the event that begins it counts, however late
// the run does. Of an event of long ago (a replay's) only what comes from now on does.
std::vector<std::uint64_t> Orchestrator::read_from(const RunRequest& request,
                                                   const Workflow& workflow) const {
    const std::vector<workflow::Step>& steps = workflow.definition.steps;
    const bool waits =
        workflow.code || std::any_of(steps.begin(), steps.end(), [](const auto& one) {
            return one.type == workflow::StepType::kWait && !one.event.empty();
        });
    const std::int64_t since_us = request.event_received_us;
    const bool back =
        waits && request.event_at && deps_.clock->wall_us() - since_us < kReadBackUsMax;
    std::vector<std::uint64_t> out;
    for (std::size_t i = 0; i < deps_.shards; ++i) {
        const core::ShardId shard(static_cast<std::uint16_t>(i));
        core::LogOffset from = deps_.database->durable_end(shard);
        if (back && shard == request.event_at->shard) {
            from = std::min(from, core::LogOffset{request.event_at->offset.value + 1});
        } else if (back) {
            const auto found = deps_.database->log_reader().offset_at_time(shard, since_us);
            if (found) from = std::min(from, *found);
        }
        out.push_back(from.value);
    }
    return out;
}

std::unique_ptr<Orchestrator::Run> Orchestrator::make_run(FreshRun&& fresh) {
    auto run = std::make_unique<Run>();
    static_cast<StoredRun&>(*run) = std::move(static_cast<StoredRun&>(fresh));
    run->mark = std::move(fresh.mark);
    run->stored = run->journal.size();
    run->taken = true;
    if (run->state.is_final()) count_end(run->state.status);
    begun_count_.add();
    return run;
}

Orchestrator::Run& Orchestrator::keep(FreshRun&& fresh) {
    std::unique_ptr<Run> run = make_run(std::move(fresh));
    Run& kept = *run;
    runs_.emplace(kept.head.run, std::move(run));
    return kept;
}

// The same id again is the same run; another workflow's is none of it.
core::Result<RunBegun> Orchestrator::there_already(const RunName& name,
                                                   const std::string& workflow_id) {
    std::string of;
    if (const RunHead* const head = head_in_memory(name))
        of = head->workflow_id;
    else if (const auto stored = store_.head(name))
        of = stored->workflow_id;
    if (of.empty() || of == workflow_id) return RunBegun{name.id, true};
    return core::fail(core::Error(core::ErrorCode::kConflict,
                                  "runId: run " + name.id + " is one of workflow \"" + of + "\"")
                          .in("runId"));
}

// All rows of it are one commit; the run goes on behind it.
void Orchestrator::begin_now(RunRequest&& request, const Begun& done, bool made_up) {
    const RunName name = request.run;
    WorkflowRef workflow = deps_.workflows->find(name.tenant, request.workflow_id, request.version);
    // A script may be one.
    if (!workflow) {
        const ScriptRef script = scripts_.find(*deps_.registry(), name.tenant, request.workflow_id);
        if (script && (request.version == 0 || request.version == script->version))
            workflow = store_.codes().begin(*script);
    }
    if (!workflow) {
        return done(core::fail(
            core::ErrorCode::kNotFound,
            "no workflow has the id \"" + request.workflow_id + "\"" +
                (request.version == 0 ? ""
                                      : " and the version " + std::to_string(request.version))));
    }
    if (deps_.keys->is_missing(name.tenant)) {
        return done(core::fail(core::ErrorCode::kUnavailable,
                               "there is no key that the run could be sealed with"));
    }
    // One that is being begun is in memory, or a lane's; one that was is in the store.
    if (made_up)
        (void)beginning_.take(name, deps_.keys->newest(name.tenant), RunsBeginning::Room::kAlways);
    else if (find(name) || claim(name, RunsBeginning::Room::kAlways) != Claim::kYours)
        return done(there_already(name, request.workflow_id));
    FreshRun fresh = make(std::move(request), workflow);
    std::vector<workflow::Effect> effects = std::move(fresh.effects);
    writer_.open(name);
    if (workflow->code) store_.codes().keep(writer_.rows(), *workflow->code);
    Run& run = keep(std::move(fresh));
    run.fresh = true;
    run.stored = 0;
    writer_.note_change(run);
    run.queues = active_ >= deps_.runs_active_max || !queued_.empty();
    run.serial = first_serial(0);
    follow(run, std::move(effects), [this, name, done] {
        beginning_.done(name);
        done(RunBegun{name.id, false});
    });
    let_go(name);
}

// Its rows are durable, and nobody has looked for it since.
void Orchestrator::begun(std::shared_ptr<FreshRun> fresh) {
    post([this, fresh = std::move(fresh)] {
        const RunName name = fresh->head.run;
        beginning_.done(name);
        if (find(name)) return take_up(name);
        const bool ends = fresh->state.is_final();
        // Whoever only waits needs no place.
        if (!ends && fresh->mark.busy &&
            (stopping_.load(std::memory_order_relaxed) || !queued_.empty() ||
             active_ >= deps_.runs_active_max))
            return park(make_run(std::move(*fresh)));
        const std::vector<workflow::Effect> effects = std::move(fresh->effects);
        Run& run = keep(std::move(*fresh));
        if (ends)
            tell_end(run);
        else
            perform(run, effects);
        run_ahead(name);
        let_go(name);
    });
}

}  // namespace millrace::runtime
