#include "runtime/orchestrator/orchestrator.h"

#include "core/made_id.h"
#include "runtime/orchestrator/orchestrator_host.h"
#include "store/log/log_reader.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace millrace::runtime {

using workflow::Input;
using workflow::InputKind;

Orchestrator::Orchestrator(Deps deps)
    : deps_(std::move(deps)),
      store_(*deps_.database, *deps_.keys, *deps_.workflows),
      upkeep_(RunUpkeep::Deps{
          .database = deps_.database,
          .log = deps_.log,
          .keys = deps_.keys,
          .beginning = &beginning_,
          .retention_us = deps_.retention_us,
          .rows = [this](const RunName& run) -> store::RowBatch& { return open(run).rows(); },
          .in_memory = [this](const RunName& run) { return head_in_memory(run); },
          .unused_below = deps_.keys_unused_below}),
      code_upkeep_(CodeUpkeep::Deps{
          .database = deps_.database,
          .codes = &store_.codes(),
          .every_us = deps_.retention_us,
          .is_newest = [this](const CodeBook::Name& code) { return is_newest_code(code); },
          .visit_in_memory =
              [this](const CodeUpkeep::VisitHead& visit) { visit_codes_in_memory(visit); },
          .erase =
              [this](const CodeBook::Name& code, std::function<void()> done) {
                  open({code.tenant, code.script_id}).rows().erase_registry(kRunCodeKind, code.row);
                  builder_.result().when_durable.push_back(
                      [this, done = std::move(done)] { post(done); });
              }}),
      figures_(deps_.metrics->role()),
      begun_count_(figures_.counter(core::Metric::kWorkflowRunsBegun)),
      removed_count_(figures_.counter(core::Metric::kWorkflowRunsRemoved)),
      active_gauge_(figures_.gauge(core::Metric::kWorkflowRunsActive)),
      sleeping_gauge_(figures_.gauge(core::Metric::kWorkflowRunsSleeping)),
      random_(deps_.seed),
      answers_([this] { wake(); }),
      executors_(deps_.make_executors(answers_)),
      texts_(deps_.database->hasher()),
      builder_({&deps_.database->kv(), &deps_.database->pools(), &texts_}),
      guard_(deps_.schemas, &deps_.database->kv()),
      waits_(*deps_.database, deps_.shards),
      ready_(deps_.shards),
      begins_(deps_.shards) {}

Orchestrator::~Orchestrator() = default;

// ---- turns

std::size_t Orchestrator::do_work() {
    if (!flush()) return 0;
    std::size_t done = 0;
    ahead_done_ = 0;
    std::function<void()> task;
    for (; done < kTasksPerTurn && asked_.try_pop(task); ++done) task();
    done += begin_all() + settle_answers();
    for (auto& executor : executors_) {
        if (executor) done += executor->do_work();
    }
    done += settle_overdue() + retry_held() + answer_waiters();
    if (!stopping_.load(std::memory_order_relaxed) && !deps_.holds()) {
        done += walk_left() + walk_marks() + take_stopped();
        fire_timers();
        done += take_listening() + take_queued() + take_events();
        if (outgoing_.empty() && upkeep_.work(deps_.due->now_us())) ++done;
        if (outgoing_.empty() && marks_walked_ && code_upkeep_.work(deps_.due->now_us())) ++done;
        removed_count_.add(upkeep_.removed() - std::exchange(removed_seen_, upkeep_.removed()));
    }
    done += do_ready();
    close();
    flush();
    active_gauge_.set(static_cast<std::int64_t>(active_));
    sleeping_gauge_.set(static_cast<std::int64_t>(timers_.size() + waits_.size()));
    shown_active_.store(active_, std::memory_order_relaxed);
    shown_queued_.store(queued_.size(), std::memory_order_relaxed);
    shown_sleeping_.store(timers_.size() + waits_.size(), std::memory_order_relaxed);
    idle_.store(outgoing_.empty() && asked_.empty() && ready_count_ == 0,
                std::memory_order_release);
    return done;
}

void Orchestrator::wait(std::int64_t timeout_us) {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    const auto until = [&](std::int64_t at_ns) {
        timeout_us = std::min(timeout_us, std::max<std::int64_t>(0, (at_ns - now_ns) / 1000));
    };
    if (!outgoing_.empty()) timeout_us = std::min<std::int64_t>(timeout_us, 1'000);
    if (!timers_.empty() && outgoing_.empty() && !stopping_.load(std::memory_order_relaxed))
        timeout_us = std::min(
            timeout_us, std::max<std::int64_t>(0, timers_.begin()->first - deps_.due->now_us()));
    if (!held_.empty()) until(held_.begin()->first);
    if (!deadlines_.empty()) until(deadlines_.begin()->first);
    for (auto& executor : executors_) {
        const auto next = executor ? executor->next_work_ns() : std::nullopt;
        if (next) until(*next);
    }
    if (!stopping_.load(std::memory_order_relaxed))
        timeout_us = std::min<std::int64_t>(timeout_us, 500'000);  // upkeep
    if (!waiters_.empty()) until(waiters_due_ns_);
    if (!waits_.empty()) timeout_us = std::min<std::int64_t>(timeout_us, 5'000);
    core::Agent::wait(timeout_us);
}

void Orchestrator::post(std::function<void()> task) {
    asked_.push_beyond(std::move(task));
    wake();
}

Orchestrator::Figures Orchestrator::figures() const {
    return {shown_active_.load(std::memory_order_relaxed),
            shown_queued_.load(std::memory_order_relaxed),
            shown_sleeping_.load(std::memory_order_relaxed), deps_.runs_active_max};
}

// ---- runs in memory

Orchestrator::Run* Orchestrator::find(const RunName& run) {
    const auto at = runs_.find(run);
    return at == runs_.end() ? nullptr : at->second.get();
}

core::Result<Orchestrator::Run*> Orchestrator::bring(const RunName& name,
                                                     workflow::Difference* difference) {
    auto found = look_up(name, difference);
    if (found) resume(**found);
    return found;
}

core::Result<Orchestrator::Run*> Orchestrator::look_up(const RunName& name,
                                                       workflow::Difference* difference) {
    if (Run* there = find(name)) return there;
    if (auto parked = take_parked(name))
        return runs_.emplace(name, std::move(parked)).first->second.get();
    auto stored = store_.load(name, {}, difference);
    if (!stored) return core::fail(std::move(stored.error()));
    auto run = std::make_unique<Run>();
    static_cast<StoredRun&>(*run) = std::move(*stored);
    run->mark.busy = false;
    run->mark.workflow_id = run->head.workflow_id;
    run->told = run->state.is_final();
    run->stored = run->journal.size();
    return runs_.emplace(name, std::move(run)).first->second.get();
}

// What was under way begins again; of one that only waited nothing was, and it is waited for
// already unless this is a start.
void Orchestrator::resume(Run& run) {
    if (run.taken || run.state.is_final() || stopping_.load(std::memory_order_relaxed)) return;
    run.taken = true;
    std::vector<workflow::Effect> effects;
    workflow::resume_effects(run.workflow->definition, run.state, effects);
    std::erase_if(effects, [&](const workflow::Effect& effect) {
        return effect.kind == workflow::EffectKind::kWait && waits_.has(run.head.run, effect.step);
    });
    const bool ahead = std::exchange(ahead_, false);
    perform(run, effects);
    ahead_ = ahead;
}

// It is left where it is. One that this program would have led another way is shown as paused, with
// what was expected and found, and looked at again at the next start.
void Orchestrator::not_brought(const RunName& name, const core::Error& why,
                               const workflow::Difference& difference) {
    deps_.log->error("a workflow run can not be read: it is left where it is",
                     {{"run", name.id}, {"error", why.message}});
    if (difference.found.empty()) {
        // Nobody knows how long that is so.
        if (why.code != core::ErrorCode::kNotFound)
            set_timer(name, deps_.due->now_us() + kReadAgainUs);
        return;
    }
    auto head = store_.head(name);
    if (!head || head->ended_us != 0 || head->differs == difference) return;
    head->differs = difference;
    head->status = workflow::RunStatus::kPaused;
    head->code = "NON_DETERMINISTIC";
    head->updated_us = deps_.due->now_us();
    store::RowBatch& rows = open(name).rows();
    put_head(rows, *head);
    RunMark mark;
    mark.busy = false;
    mark.differs = true;
    mark.workflow_id = head->workflow_id;
    put_mark(rows, name, mark);
}

// What was under way begins again, what fell due meanwhile goes on.
void Orchestrator::take_up(const RunName& name) {
    workflow::Difference difference;
    auto brought = bring(name, &difference);
    if (!brought) return not_brought(name, brought.error(), difference);
    Run& run = **brought;
    if (run.state.is_final()) return let_go(name);
    if (run.head.differs) {
        run.head.differs.reset();
        run.head.status = run.state.status;
        run.head.code = run.state.code;
        run.mark.differs = true;  // as it is stored
        run.head_changed = true;
        open(name);
        note_change(run);
    }
    resume(run);
    if (Run* still = find(name)) {
        Input time;
        time.kind = InputKind::kTime;
        const auto due = still->state.next_due_us();
        if (due && *due <= deps_.due->now_us()) apply(*still, std::move(time));
    }
    let_go(name);
}

// As many as there are places; one that gets to its end at once leaves its place to the next.
std::size_t Orchestrator::take_queued() {
    std::size_t taken = 0;
    std::vector<RunName> names;
    while (taken < kTasksPerTurn && active_ < deps_.runs_active_max && outgoing_.empty() &&
           !queued_.empty()) {
        names.clear();
        const std::size_t most = std::min(kTasksPerTurn - taken, deps_.runs_active_max - active_);
        while (names.size() < most && !queued_.empty()) {
            names.push_back(queued_.pop());
            if (!is_suspended(names.back().tenant)) continue;
            stopped_[names.back().tenant.value].insert(std::move(names.back()));
            names.pop_back();
        }
        sort_by_shard(names);
        for (const RunName& name : names) {
            take_up(name);
            run_ahead(name);
        }
        taken += names.size();
    }
    return taken;
}

// What it waits for brings it back.
void Orchestrator::let_go(const RunName& name) {
    Run* const run = find(name);
    if (!run) return;
    if (run->state.wants_code() && !stopping_.load(std::memory_order_relaxed)) {
        if (is_suspended(name.tenant))
            run->stands = true;
        else
            go_on(*run);
    }
    const bool busy = run->state.is_busy(run->workflow->definition) || run->flying != 0;
    const bool rests = run->resting != 0 && run->flying == run->resting &&
                       (run->rests || resting_ < kRestingRunsMax);
    if (rests != run->rests) resting_ = rests ? resting_ + 1 : resting_ - 1;
    run->rests = rests;
    // What has ended and waits for its commit does nothing.
    const bool counts = busy && !rests && !run->state.is_final();
    if (counts != run->counted) {
        active_ = counts ? active_ + 1 : active_ - 1;
        run->counted = counts;
    }
    if (const auto due = run->state.next_due_us())
        set_timer(name, *due);
    else
        drop_timer(name);
    if (run->flying == 0 && std::exchange(run->stands, false) && !run->state.is_final())
        return stop_for_tenant(name);
    if (busy) return;
    write_now(*run);
    runs_.erase(name);
}

void Orchestrator::set_timer(const RunName& name, std::int64_t due_us) {
    const auto [at, fresh] = due_.emplace(name, due_us);
    if (!fresh && at->second == due_us) return;
    if (!fresh) timers_.erase({at->second, &at->first});
    at->second = due_us;
    timers_.emplace(due_us, &at->first);
}

void Orchestrator::drop_timer(const RunName& name) {
    const auto at = due_.find(name);
    if (at == due_.end()) return;
    timers_.erase({at->second, &at->first});
    due_.erase(at);
}

void Orchestrator::fire_timers() {
    if (!outgoing_.empty()) return;
    const std::int64_t now_us = deps_.due->now_us();
    std::vector<RunName> names;
    while (names.size() < kTasksPerTurn && !timers_.empty() && timers_.begin()->first <= now_us) {
        names.push_back(*timers_.begin()->second);
        drop_timer(names.back());
        if (!is_suspended(names.back().tenant)) continue;
        stopped_[names.back().tenant.value].insert(std::move(names.back()));
        names.pop_back();
    }
    sort_by_shard(names);
    for (const RunName& name : names) {
        workflow::Difference difference;
        auto brought = bring(name, &difference);
        if (!brought) {
            not_brought(name, brought.error(), difference);
            continue;
        }
        Input time;
        time.kind = InputKind::kTime;
        apply(**brought, std::move(time));
        let_go(name);
    }
}

std::size_t Orchestrator::take_events() {
    if (waits_.empty() || !outgoing_.empty()) return 0;
    std::size_t found = 0;
    const bool more =
        waits_.read([&](const RunName& name, std::uint32_t step, std::uint32_t iteration,
                        std::string payload, std::string place) {
            workflow::Difference difference;
            auto brought = bring(name, &difference);
            // It reads the log again when it can be read itself.
            if (!brought) return not_brought(name, brought.error(), difference);
            Input input;
            input.kind = InputKind::kEvent;
            input.step = step;
            input.iteration = iteration;
            input.value = std::move(payload);
            if ((*brought)->workflow->code) input.name = std::move(place);
            apply(**brought, std::move(input));
            let_go(name);
            ++found;
        });
    return found + (more ? 1 : 0);
}

// ---- from outside

bool Orchestrator::begin(RunRequest&& request, Begun done) {
    if (shown_queued_.load(std::memory_order_relaxed) >= kQueuedRunsMax) return false;
    auto kept = std::make_shared<RunRequest>(std::move(request));
    const bool taken = asked_.try_push([this, kept, done = std::move(done)] {
        const bool made_up = kept->run.id.empty();
        if (made_up) kept->run.id = core::make_id("run_", random_, 20);
        begins_[shard_of(kept->run).value].push_back({kept, done, made_up});
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
    open(name);
    if (workflow->code) store_.codes().keep(builder_.rows(), *workflow->code);
    Run& run = keep(std::move(fresh));
    run.fresh = true;
    run.stored = 0;
    note_change(run);
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
