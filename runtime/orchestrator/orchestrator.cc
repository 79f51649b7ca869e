#include "runtime/orchestrator/orchestrator.h"

#include "runtime/orchestrator/orchestrator_host.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

using workflow::Input;
using workflow::InputKind;

Orchestrator::Orchestrator(Deps deps)
    : deps_(std::move(deps)),
      store_(*deps_.database, *deps_.keys, *deps_.workflows),
      upkeep_(
          RunUpkeep::Deps{.database = deps_.database,
                          .log = deps_.log,
                          .keys = deps_.keys,
                          .beginning = &beginning_,
                          .retention_us = deps_.retention_us,
                          .rows = [this](const RunName& run) -> store::RowBatch& {
                              return writer_.open(run).rows();
                          },
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
                  writer_.open({code.tenant, code.script_id})
                      .rows()
                      .erase_registry(kRunCodeKind, code.row);
                  writer_.when_durable([this, done = std::move(done)] { post(done); });
              }}),
      figures_(deps_.metrics->role()),
      begun_count_(figures_.counter(core::Metric::kWorkflowRunsBegun)),
      removed_count_(figures_.counter(core::Metric::kWorkflowRunsRemoved)),
      active_gauge_(figures_.gauge(core::Metric::kWorkflowRunsActive)),
      sleeping_gauge_(figures_.gauge(core::Metric::kWorkflowRunsSleeping)),
      random_(deps_.seed),
      answers_([this] { wake(); }),
      executors_(deps_.make_executors(answers_)),
      writer_({.clock = deps_.clock,
               .database = deps_.database,
               .shards = deps_.shards,
               .submit = deps_.submit}),
      guard_(deps_.schemas, &deps_.database->kv()),
      waits_(*deps_.database, deps_.shards),
      ready_(deps_.shards),
      begins_(deps_.shards) {}

Orchestrator::~Orchestrator() = default;

// ---- turns

std::size_t Orchestrator::do_work() {
    if (!writer_.flush()) return 0;
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
        if (!writer_.blocked() && upkeep_.work(deps_.due->now_us())) ++done;
        if (!writer_.blocked() && marks_walked_ && code_upkeep_.work(deps_.due->now_us())) ++done;
        removed_count_.add(upkeep_.removed() - std::exchange(removed_seen_, upkeep_.removed()));
    }
    done += do_ready();
    writer_.close();
    writer_.flush();
    active_gauge_.set(static_cast<std::int64_t>(active_));
    sleeping_gauge_.set(static_cast<std::int64_t>(timers_.size() + waits_.size()));
    shown_active_.store(active_, std::memory_order_relaxed);
    shown_queued_.store(queued_.size(), std::memory_order_relaxed);
    shown_sleeping_.store(timers_.size() + waits_.size(), std::memory_order_relaxed);
    idle_.store(!writer_.blocked() && asked_.empty() && ready_count_ == 0,
                std::memory_order_release);
    return done;
}

void Orchestrator::wait(std::int64_t timeout_us) {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    const auto until = [&](std::int64_t at_ns) {
        timeout_us = std::min(timeout_us, std::max<std::int64_t>(0, (at_ns - now_ns) / 1000));
    };
    if (writer_.blocked()) timeout_us = std::min<std::int64_t>(timeout_us, 1'000);
    const auto next_us = timers_.next_us();
    if (next_us && !writer_.blocked() && !stopping_.load(std::memory_order_relaxed)) {
        // What is due while nothing may be begun is looked at again; else this would be a spin.
        constexpr std::int64_t kHeldUs = 20'000;
        const std::int64_t due_in_us = *next_us - deps_.due->now_us();
        const bool held = due_in_us <= 0 && deps_.holds();
        timeout_us = std::min(timeout_us, held ? kHeldUs : std::max<std::int64_t>(0, due_in_us));
    }
    if (!held_.empty()) until(held_.begin()->first);
    if (const auto deadline_ns = attempts_.next_deadline_ns()) until(*deadline_ns);
    for (auto& executor : executors_) {
        const auto next = executor ? executor->next_work_ns() : std::nullopt;
        if (next) until(*next);
    }
    if (!stopping_.load(std::memory_order_relaxed))
        timeout_us = std::min<std::int64_t>(timeout_us, 500'000);  // upkeep
    if (!waiters_.empty()) until(waiters_.due_ns());
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
            timers_.set(name, deps_.due->now_us() + kReadAgainUs);
        return;
    }
    auto head = store_.head(name);
    if (!head || head->ended_us != 0 || head->differs == difference) return;
    head->differs = difference;
    head->status = workflow::RunStatus::kPaused;
    head->code = "NON_DETERMINISTIC";
    head->updated_us = deps_.due->now_us();
    store::RowBatch& rows = writer_.open(name).rows();
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
        writer_.open(name);
        writer_.note_change(run);
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
    while (taken < kTasksPerTurn && active_ < deps_.runs_active_max && !writer_.blocked() &&
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
        timers_.set(name, *due);
    else
        timers_.drop(name);
    if (run->flying == 0 && std::exchange(run->stands, false) && !run->state.is_final())
        return stop_for_tenant(name);
    if (busy) return;
    writer_.write_now(*run);
    runs_.erase(name);
}

void Orchestrator::fire_timers() {
    if (writer_.blocked()) return;
    const std::int64_t now_us = deps_.due->now_us();
    std::vector<RunName> names;
    while (names.size() < kTasksPerTurn) {
        auto due = timers_.pop(now_us);
        if (!due) break;
        names.push_back(std::move(*due));
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
    if (waits_.empty() || writer_.blocked()) return 0;
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

}  // namespace millrace::runtime
