// The part of Orchestrator for what is asked of a run from outside: orders, other versions, and to
// be told of its end.
#include "runtime/orchestrator/orchestrator.h"
#include "runtime/registry/promised_audit.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

using workflow::Input;
using workflow::InputKind;

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
    promise_audit(asked);
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
        promise_audit(asked);
        workflow::Effect told;
        told.kind = workflow::EffectKind::kTell;
        told.pattern = "workflow.cancelled";
        told.code = head.code;
        line_.clear();
        append_run_event(*stored, told, first_serial(stored->journal.size()),
                         deps_.clock->wall_us(), line_);
        builder.add_event(line_, name.tenant, static_cast<std::uint8_t>(head.depth + 1));
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
    run->stored = run->journal.size();
    run->head.version = asked.version;
    run->head.differs = workflow::Difference{};  // take_up() writes what it is now
    const std::string view = run_view(*run);
    runs_.emplace(name, std::move(run));
    open(name).result().when_durable.push_back([done, view] { done(view); });
    promise_audit(asked);
    take_up(name);
    return true;
}

// Into what is open, which holds the order.
void Orchestrator::promise_audit(const Order& asked) {
    if (asked.audit.empty()) return;
    builder_.rows().put_registry(kPromisedAuditKind, asked.audit_row, 1, deps_.clock->wall_us(),
                                 asked.audit);
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
            const Run* const there = find(run);
            const auto goes_on = [&] {
                const auto head = store_.head(run);
                return head && head->ended_us == 0;
            };
            if (waiters_.size() >= kWaitersMax || (there ? there->told : !goes_on())) {
                auto stored = store_.load(run);
                return done(stored ? core::Result<std::string>(run_view(*stored))
                                   : core::fail(std::move(stored.error())));
            }
            waiters_.emplace(run, Waiter{until_ns, done});
            waiters_due_ns_ = std::min(waiters_due_ns_, until_ns);
        });
    if (taken) wake();
    return taken;
}

std::size_t Orchestrator::answer_waiters() {
    if (waiters_.empty()) return 0;
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (now_ns < waiters_due_ns_) return 0;
    waiters_due_ns_ = INT64_MAX;
    std::size_t answered = 0;
    for (auto at = waiters_.begin(); at != waiters_.end();) {
        if (at->second.until_ns > now_ns) {
            waiters_due_ns_ = std::min(waiters_due_ns_, at->second.until_ns);
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
