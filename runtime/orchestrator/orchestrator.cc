#include "runtime/orchestrator/orchestrator.h"

#include "core/made_id.h"
#include "runtime/orchestrator/orchestrator_host.h"
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
          .in_memory = [this](const RunName& run) -> RunHead* {
              Run* const there = find(run);
              return there ? &there->head : nullptr;
          },
          .unused_below = deps_.keys_unused_below}),
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
      waits_(*deps_.database, deps_.shards) {}

Orchestrator::~Orchestrator() = default;

// Those that were doing something are taken up at once; the others when their time has come.
core::Status Orchestrator::load(SetAside& aside) {
    auto rows = deps_.database->registry().load_all(kRunActiveKind);
    if (!rows) return core::fail(std::move(rows.error()));
    for (const store::RegistryDocument& row : *rows) {
        const RunName run = run_of_row(row.id);
        const auto mark = read_mark(row.json);
        if (!mark) {
            aside.add(kRunActiveKind, row.id, mark.error());
            continue;
        }
        if (mark->busy || mark->waits || mark->differs) {
            queue(run);
        } else if (mark->due_us != 0) {
            due_[run] = mark->due_us;
            timers_.emplace(mark->due_us, run);
        }
    }
    return {};
}

// ---- turns

std::size_t Orchestrator::do_work() {
    if (!flush()) return 0;
    std::size_t done = 0;
    std::function<void()> task;
    for (; done < kTasksPerTurn && asked_.try_pop(task); ++done) task();
    done += settle_answers();
    for (auto& executor : executors_) {
        if (executor) done += executor->do_work();
    }
    done += settle_overdue() + retry_held() + answer_waiters();
    if (!stopping_.load(std::memory_order_relaxed) && !deps_.holds()) {
        fire_timers();
        take_queued();
        done += take_events();
        if (outgoing_.empty() && upkeep_.work(deps_.due->now_us())) ++done;
        removed_count_.add(upkeep_.removed() - std::exchange(removed_seen_, upkeep_.removed()));
    }
    close();
    flush();
    active_gauge_.set(static_cast<std::int64_t>(active_));
    sleeping_gauge_.set(static_cast<std::int64_t>(timers_.size() + waits_.size()));
    shown_active_.store(active_, std::memory_order_relaxed);
    shown_queued_.store(queued_.size(), std::memory_order_relaxed);
    shown_sleeping_.store(timers_.size() + waits_.size(), std::memory_order_relaxed);
    idle_.store(outgoing_.empty() && asked_.empty(), std::memory_order_release);
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
    if (!waits_.empty() || !waiters_.empty())
        timeout_us = std::min<std::int64_t>(timeout_us, 5'000);
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
    if (Run* there = find(name)) return there;
    auto stored = store_.load(name, {}, difference);
    if (!stored) return core::fail(std::move(stored.error()));
    auto run = std::make_unique<Run>();
    static_cast<StoredRun&>(*run) = std::move(*stored);
    run->mark.busy = false;
    run->mark.workflow_id = run->head.workflow_id;
    Run* const kept = run.get();
    runs_.emplace(name, std::move(run));
    return kept;
}

// It is left where it is. One that this program would have led another way is shown as paused, with
// what was expected and found, and looked at again at the next start.
void Orchestrator::not_brought(const RunName& name, const core::Error& why,
                               const workflow::Difference& difference) {
    deps_.log->error("a workflow run can not be read: it is left where it is",
                     {{"run", name.id}, {"error", why.message}});
    if (difference.found.empty()) return;
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
        put_head(open(name).rows(), run.head);
        keep_mark(run);
    }
    if (!std::exchange(run.taken, true)) {
        std::vector<workflow::Effect> effects;
        workflow::resume_effects(run.workflow->definition, run.state, effects);
        perform(run, effects);
    }
    if (Run* still = find(name)) {
        Input time;
        time.kind = InputKind::kTime;
        const auto due = still->state.next_due_us();
        if (due && *due <= deps_.due->now_us()) apply(*still, std::move(time));
    }
    let_go(name);
}

void Orchestrator::take_queued() {
    for (std::size_t i = 0; i < kTasksPerTurn && !queued_.empty(); ++i) {
        if (active_ >= deps_.runs_active_max || !outgoing_.empty()) return;
        const RunName name = queued_.front();
        queued_.pop_front();
        take_up(name);
    }
}

// What it waits for brings it back.
void Orchestrator::let_go(const RunName& name) {
    Run* const run = find(name);
    if (!run) return;
    if (run->state.wants_code() && !stopping_.load(std::memory_order_relaxed)) go_on(*run);
    const bool busy = run->state.is_busy() || run->flying != 0;
    if (busy != run->counted) {
        active_ = busy ? active_ + 1 : active_ - 1;
        run->counted = busy;
    }
    if (const auto at = due_.find(name); at != due_.end()) {
        timers_.erase({at->second, name});
        due_.erase(at);
    }
    if (const auto due = run->state.next_due_us()) {
        due_[name] = *due;
        timers_.emplace(*due, name);
    }
    if (!busy) runs_.erase(name);
}

void Orchestrator::fire_timers() {
    const std::int64_t now_us = deps_.due->now_us();
    for (std::size_t i = 0; i < kTasksPerTurn && !timers_.empty(); ++i) {
        const auto [due, name] = *timers_.begin();
        if (due > now_us || !outgoing_.empty()) return;
        timers_.erase(timers_.begin());
        due_.erase(name);
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
            auto brought = bring(name);
            if (!brought) return;
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
    auto kept = std::make_shared<RunRequest>(std::move(request));
    const bool taken = asked_.try_push(
        [this, kept, done = std::move(done)] { begin_now(std::move(*kept), done); });
    if (taken) wake();
    return taken;
}

// Whoever has claimed a run and finds it in the store has not begun it.
Orchestrator::Claim Orchestrator::claim(const RunName& run, RunsBeginning::Room room) {
    if (!beginning_.take(run, deps_.keys->newest(run.tenant), room)) return Claim::kBusy;
    if (!store_.exists(run)) return Claim::kYours;
    beginning_.done(run);
    return Claim::kThere;
}

FreshRun Orchestrator::make(RunRequest&& request, WorkflowRef workflow) const {
    std::vector<std::uint64_t> ends;
    for (std::size_t i = 0; i < deps_.shards; ++i) {
        ends.push_back(
            deps_.database->durable_end(core::ShardId(static_cast<std::uint16_t>(i))).value);
    }
    return begin_run(std::move(request), std::move(workflow), *deps_.keys, deps_.due->now_us(),
                     std::move(ends));
}

Orchestrator::Run& Orchestrator::keep(FreshRun&& fresh) {
    auto run = std::make_unique<Run>();
    static_cast<StoredRun&>(*run) = std::move(static_cast<StoredRun&>(fresh));
    run->mark = std::move(fresh.mark);
    run->taken = true;
    if (run->state.is_final()) count_end(run->state.status);
    Run& kept = *run;
    runs_.emplace(kept.head.run, std::move(run));
    begun_count_.add();
    return kept;
}

// All rows of it are one commit; the run goes on behind it.
void Orchestrator::begin_now(RunRequest&& request, const Begun& done) {
    if (request.run.id.empty()) request.run.id = core::make_id("run_", random_, 20);
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
    // One that is being begun is in memory, or a lane's; one that was is in the store.
    if (find(name) || claim(name, RunsBeginning::Room::kAlways) != Claim::kYours)
        return done(RunBegun{name.id, true});
    FreshRun fresh = make(std::move(request), workflow);
    std::vector<workflow::Effect> effects = std::move(fresh.effects);
    put_fresh(open(name).rows(), fresh);
    if (workflow->code) store_.codes().keep(builder_.rows(), *workflow->code);
    Run& run = keep(std::move(fresh));
    // Whoever waits for it has a place already.
    run.queues = run.head.parent.run_id.empty();
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
             active_ >= deps_.runs_active_max)) {
            begun_count_.add();
            return queue(name);  // its turn comes: until then the store has it
        }
        const std::vector<workflow::Effect> effects = std::move(fresh->effects);
        Run& run = keep(std::move(*fresh));
        if (ends)
            ended(run);
        else
            perform(run, effects);
        let_go(name);
    });
}

bool Orchestrator::order(RunName run, Order asked, Done done) {
    auto kept = std::make_shared<Order>(std::move(asked));
    const bool taken = asked_.try_push([this, run = std::move(run), kept, done = std::move(done)] {
        order_now(run, *kept, done);
    });
    if (taken) wake();
    return taken;
}

void Orchestrator::order_now(const RunName& name, const Order& asked, const Done& done) {
    // A lane has begun it, and it has not arrived here.
    if (!find(name) && beginning_.has(name))
        return post([this, name, asked, done] { order_now(name, asked, done); });
    workflow::Difference difference;
    auto brought = bring(name, &difference);
    if (!brought) {
        if (!difference.found.empty() && order_one_that_differs(name, asked, done)) return;
        return done(core::fail(std::move(brought.error())));
    }
    Run& run = **brought;
    const auto refuse = [&](core::ErrorCode code, std::string why) {
        let_go(name);
        done(core::fail(code, std::move(why)));
    };
    Input input;
    input.kind = asked.kind;
    input.name = asked.name;
    input.value = asked.value;
    if (!asked.step.empty() && run.workflow->code)
        return refuse(core::ErrorCode::kValidation,
                      "fromStep: the run goes the way of its code, and resumes where it is");
    if (!asked.step.empty()) {
        input.step = run.workflow->definition.find(asked.step);
        if (input.step == workflow::kNoStep)
            return refuse(core::ErrorCode::kValidation,
                          "fromStep: no step has the id \"" + asked.step + "\"");
    }
    if (asked.version != 0 && asked.version != run.head.version) {
        if (auto changed = change_version(run, asked.version); !changed) {
            let_go(name);
            return done(core::fail(std::move(changed.error())));
        }
        input.step =
            asked.step.empty() ? workflow::kNoStep : run.workflow->definition.find(asked.step);
    }
    const auto status = workflow::run_status_text(run.state.status);
    const auto view = std::make_shared<std::string>();
    const bool taken = apply(run, std::move(input), [done, view] { done(std::move(*view)); });
    if (!taken) {
        return refuse(core::ErrorCode::kConflict,
                      "run " + name.id + " is " + std::string(status) + "; " +
                          std::string(workflow::input_kind_text(asked.kind)) +
                          " is not possible now");
    }
    *view = run_view(run);
    let_go(name);
}

// What can be done to a run whose journal this program would have written otherwise: it is ended,
// or goes on with a version of its workflow that fits what there is.
bool Orchestrator::order_one_that_differs(const RunName& name, const Order& asked,
                                          const Done& done) {
    const bool ends = asked.kind == InputKind::kTerminate;
    if (!ends && (asked.kind != InputKind::kResume || asked.version == 0)) return false;
    auto stored = store_.read(name);
    if (!stored || stored->head.ended_us != 0) return false;
    RunHead& head = stored->head;
    head.differs.reset();
    head.updated_us = deps_.due->now_us();
    if (ends) {
        head.status = stored->state.status = workflow::RunStatus::kCancelled;
        head.code = "TERMINATED";
        head.ended_us = head.updated_us;
        ResultBuilder& builder = open(name);
        put_head(builder.rows(), head);
        builder.rows().erase_registry(kRunActiveKind, run_row_id(name));
        put_ended(builder.rows(), head, stored->journal.size());
        count_end(head.status);
        workflow::Effect told;
        told.kind = workflow::EffectKind::kTell;
        told.pattern = "workflow.cancelled";
        told.code = head.code;
        AttemptEffects effects;
        const std::int64_t wall_us = deps_.clock->wall_us();
        tell_of_run(*stored, told, first_serial(stored->journal.size()), wall_us, effects);
        builder.take(effects, name.tenant, wall_us);
        builder.result().when_durable.push_back([done, view = head_view(head)] { done(view); });
        return true;
    }
    const WorkflowRef other = deps_.workflows->find(name.tenant, head.workflow_id, asked.version);
    if (!other) return false;
    auto state = workflow::play(other->definition, stored->journal);
    if (!state) {
        done(core::fail(std::move(state.error())));
        return true;
    }
    auto run = std::make_unique<Run>();
    static_cast<StoredRun&>(*run) = std::move(*stored);
    run->workflow = other;
    run->state = std::move(*state);
    run->head.version = asked.version;
    run->head.differs = workflow::Difference{};  // take_up() writes what it is now
    const std::string view = run_view(*run);
    runs_.emplace(name, std::move(run));
    open(name).result().when_durable.push_back([done, view] { done(view); });
    take_up(name);
    return true;
}

// Only one that would have come the same way takes a run over.
core::Status Orchestrator::change_version(Run& run, std::uint32_t version) {
    if (!run.state.paused) {
        return core::fail(
            core::ErrorCode::kConflict,
            "version: a run takes another version while it is paused; pause it first");
    }
    if (run.state.is_busy() || run.flying != 0) {
        return core::fail(
            core::ErrorCode::kConflict,
            "version: steps of the run are under way; try again when they have ended");
    }
    if (run.workflow->code) return change_code(run, version);
    const WorkflowRef other =
        deps_.workflows->find(run.head.run.tenant, run.head.workflow_id, version);
    if (!other) {
        return core::fail(core::ErrorCode::kNotFound,
                          "version: workflow \"" + run.head.workflow_id + "\" has no version " +
                              std::to_string(version));
    }
    auto state = workflow::play(other->definition, run.journal);
    if (!state) return core::fail(std::move(state.error()));
    for (workflow::StepIndex i = 0; i < run.state.steps.size(); ++i) waits_.remove(run.head.run, i);
    run.workflow = other;
    run.head.version = version;
    run.state = std::move(*state);
    put_head(open(run.head.run).rows(), run.head);
    std::vector<workflow::Effect> effects;
    workflow::resume_effects(other->definition, run.state, effects);
    perform(run, effects);
    return {};
}

bool Orchestrator::wait_for_end(RunName run, std::int64_t timeout_ms, Done done) {
    const std::int64_t until_ns = deps_.clock->monotonic_ns() + timeout_ms * 1'000'000;
    const bool taken =
        asked_.try_push([this, run = std::move(run), until_ns, done = std::move(done)] {
            const auto head = store_.head(run);
            const bool over = head && head->ended_us != 0 && !find(run);
            if (over || !head || waiters_.size() >= kWaitersMax) {
                auto stored = store_.load(run);
                return done(stored ? core::Result<std::string>(run_view(*stored))
                                   : core::fail(std::move(stored.error())));
            }
            waiters_.emplace(run, Waiter{until_ns, done});
        });
    if (taken) wake();
    return taken;
}

std::size_t Orchestrator::answer_waiters() {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    std::size_t answered = 0;
    for (auto at = waiters_.begin(); at != waiters_.end();) {
        if (at->second.until_ns > now_ns) {
            ++at;
            continue;
        }
        const Run* run = find(at->first);
        auto stored = run ? core::Result<StoredRun>(tl::unexpected<core::Error>(core::Error()))
                          : store_.load(at->first);
        if (run)
            at->second.done(run_view(*run));
        else
            at->second.done(stored ? core::Result<std::string>(run_view(*stored))
                                   : core::fail(std::move(stored.error())));
        at = waiters_.erase(at);
        ++answered;
    }
    return answered;
}

}  // namespace millrace::runtime
