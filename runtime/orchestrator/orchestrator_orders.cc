// The part of Orchestrator for what is asked of a run from outside: orders, other versions, and to
// be told of its end.
#include "runtime/orchestrator/orchestrator.h"
#include "runtime/registry/promised_audit.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

using workflow::Input;
using workflow::InputKind;

namespace {

core::Error not_possible(const RunName& run, workflow::RunStatus status, InputKind what) {
    return {core::ErrorCode::kConflict,
            "run " + run.id + " is " + std::string(workflow::run_status_text(status)) + "; " +
                std::string(workflow::input_kind_text(what)) + " is not possible now"};
}

}  // namespace

bool Orchestrator::order(RunName run, Order asked, Done done) {
    auto kept = std::make_shared<Order>(std::move(asked));
    const bool taken = asked_.try_push([this, run = std::move(run), kept, done = std::move(done)] {
        order_now(run, *kept, done);
    });
    if (taken) wake();
    return taken;
}

// A refusal that the run's state machine does not know of.
core::Status Orchestrator::check_order(const Run& run, const Order& asked) const {
    if (asked.kind == InputKind::kSignal) {
        const std::size_t bytes = asked.value.size();
        if (bytes <= workflow::kOutputBytesMax && run.state.bytes + bytes <= workflow::kRunBytesMax)
            return {};
        const bool one = bytes > workflow::kOutputBytesMax;
        const std::size_t most = one ? workflow::kOutputBytesMax : workflow::kRunBytesMax;
        return core::fail(core::Error(core::ErrorCode::kPayloadTooLarge,
                                      "payload: " + std::to_string(bytes) + " bytes; " +
                                          (one ? "the limit is "
                                               : "inputs and outputs of the run would be "
                                                 "longer than ") +
                                          std::to_string(most))
                              .in("payload")
                              .bound(static_cast<std::int64_t>(most)));
    }
    if (!asked.step.empty() && run.workflow->code) {
        return core::fail(core::ErrorCode::kValidation,
                          "fromStep: the run goes the way of its code, and resumes where it is");
    }
    return {};
}

void Orchestrator::order_now(const RunName& name, const Order& asked, const Done& done) {
    // A lane has begun it, and it has not arrived here.
    if (!find(name) && beginning_.has(name))
        return post([this, name, asked, done] { order_now(name, asked, done); });
    workflow::Difference difference;
    // Of one that is ended without more ado nothing is begun for that.
    auto brought =
        asked.kind == InputKind::kTerminate ? look_up(name, &difference) : bring(name, &difference);
    if (!brought) {
        if (order_unread(name, asked, done, difference)) return;
        return done(core::fail(std::move(brought.error())));
    }
    Run& run = **brought;
    const auto refuse = [&](core::Error&& why) {
        let_go(name);
        done(core::fail(std::move(why)));
    };
    if (auto fits = check_order(run, asked); !fits) return refuse(std::move(fits.error()));
    Pinned other;
    if (asked.version != 0 && asked.version != run.head.version) {
        auto found = other_version(run, asked.version);
        if (!found) return refuse(std::move(found.error()));
        other = std::move(*found);
        exchange(run, other);
    }
    Input input;
    input.kind = asked.kind;
    input.name = asked.name;
    input.value = asked.value;
    if (!asked.step.empty()) input.step = run.workflow->definition.find(asked.step);
    const workflow::RunStatus status = run.state.status;
    const auto view = std::make_shared<std::string>();
    const bool there = asked.step.empty() || input.step != workflow::kNoStep;
    if (!there || !apply(run, std::move(input), [done, view] { done(std::move(*view)); })) {
        if (other.workflow) exchange(run, other);  // it is as it was
        if (!there) {
            return refuse({core::ErrorCode::kValidation,
                           "fromStep: no step has the id \"" + asked.step + "\""});
        }
        return refuse(not_possible(name, status, asked.kind));
    }
    // Into the same commit: nothing was opened since.
    promise_audit(asked);
    if (other.workflow) take_version(run);
    *view = run_view(run);
    let_go(name);
}

// ---- of runs whose journal this program can not play

// One that it would have led another way goes on with a version that fits what there is; any can be
// ended.
bool Orchestrator::order_unread(const RunName& name, const Order& asked, const Done& done,
                                const workflow::Difference& difference) {
    auto head = store_.head(name);
    if (!head) return false;
    if (head->ended_us != 0) {
        done(core::fail(not_possible(name, head->status, asked.kind)));
        return true;
    }
    if (asked.kind == InputKind::kResume && asked.version != 0 && !difference.found.empty())
        return resume_unread(name, asked, done);
    if (asked.kind != InputKind::kTerminate) return false;
    end_unread(std::move(*head), asked, done);
    return true;
}

// No more is known of it than its head says.
void Orchestrator::end_unread(RunHead&& head, const Order& asked, const Done& done) {
    const RunName name = head.run;
    const std::size_t entries = store_.entries(name);
    head.differs.reset();
    head.updated_us = head.ended_us = deps_.due->now_us();
    head.status = workflow::RunStatus::kCancelled;
    head.code = "TERMINATED";
    ResultBuilder& builder = writer_.open(name);
    put_head(builder.rows(), head);
    builder.rows().erase_registry(kRunActiveKind, run_row_id(name));
    put_ended(builder.rows(), head, entries);
    count_end(head.status);
    timers_.drop(name);
    promise_audit(asked);
    StoredRun told_of;
    told_of.head = head;
    told_of.state.status = head.status;
    workflow::Effect told;
    told.kind = workflow::EffectKind::kTell;
    told.pattern = "workflow.cancelled";
    told.code = head.code;
    line_.clear();
    append_run_event(told_of, told, first_serial(entries), deps_.clock->wall_us(), line_);
    writer_.add_event(line_, name, head.depth);
    builder.result().when_durable.push_back([this, done, head = std::move(head)]() mutable {
        done(head_view(head));
        post([this, head = std::move(head)] {
            waiters_.tell(head.run, head_view(head));
            tell_parent(head, nullptr);
        });
    });
}

bool Orchestrator::resume_unread(const RunName& name, const Order& asked, const Done& done) {
    auto stored = store_.read(name);
    if (!stored || stored->head.ended_us != 0) return false;
    const WorkflowRef other =
        deps_.workflows->find(name.tenant, stored->head.workflow_id, asked.version);
    if (!other) return false;
    auto state = workflow::play(other->definition, stored->journal);
    if (!state) {
        done(core::fail(std::move(state.error())));
        return true;
    }
    auto made = std::make_unique<Run>();
    static_cast<StoredRun&>(*made) = std::move(*stored);
    Run& run = *made;
    run.workflow = other;
    run.state = std::move(*state);
    run.stored = run.journal.size();
    RunHead& head = run.head;
    head.version = asked.version;
    head.differs.reset();
    head.status = run.state.status;
    head.code = run.state.code;
    head.updated_us = deps_.due->now_us();
    run.mark.differs = true;  // as it is stored
    run.head_changed = true;
    if (run.state.is_final()) {
        head.ended_us = head.updated_us;
        count_end(head.status);
    }
    runs_.emplace(name, std::move(made));
    writer_.open(name);
    writer_.note_change(run);
    promise_audit(asked);
    when_durable(run, {}, [done, view = run_view(run)] { done(view); });
    take_up(name);
    return true;
}

// Into what is open, which holds the order.
void Orchestrator::promise_audit(const Order& asked) {
    if (asked.audit.empty()) return;
    writer_.rows().put_registry(kPromisedAuditKind, asked.audit_row, 1, deps_.clock->wall_us(),
                                asked.audit);
}

// ---- other versions

// Only one that would have come the same way takes a run over.
core::Result<Orchestrator::Pinned> Orchestrator::other_version(Run& run, std::uint32_t version) {
    if (!run.state.paused) {
        return core::fail(
            core::ErrorCode::kConflict,
            "version: a run takes another version while it is paused; pause it first");
    }
    const workflow::Definition& definition = run.workflow->definition;
    if (run.state.is_busy(definition) || run.state.waits_for_run(definition) || run.flying != 0) {
        return core::fail(
            core::ErrorCode::kConflict,
            "version: steps of the run are under way; try again when they have ended");
    }
    if (run.workflow->code) return other_code(run, version);
    Pinned out;
    out.workflow = deps_.workflows->find(run.head.run.tenant, run.head.workflow_id, version);
    if (!out.workflow) {
        return core::fail(core::ErrorCode::kNotFound,
                          "version: workflow \"" + run.head.workflow_id + "\" has no version " +
                              std::to_string(version));
    }
    auto state = workflow::play(out.workflow->definition, run.journal);
    if (!state) return core::fail(std::move(state.error()));
    out.state = std::move(*state);
    return out;
}

void Orchestrator::exchange(Run& run, Pinned& pinned) {
    run.workflow.swap(pinned.workflow);
    std::swap(run.state, pinned.state);
    std::swap(run.head.code_made_us, pinned.code_made_us);
    run.head.version = run.workflow->version;
}

// What goes with it into the commit of the order, and what it waits for by the new one.
void Orchestrator::take_version(Run& run) {
    run.head_changed = true;
    if (run.workflow->code) store_.codes().keep(writer_.rows(), *run.workflow->code);
    for (workflow::StepIndex i = 0; i < run.state.steps.size(); ++i) waits_.remove(run.head.run, i);
    std::vector<workflow::Effect> effects;
    workflow::resume_effects(run.workflow->definition, run.state, effects);
    std::erase_if(effects, [](const workflow::Effect& effect) {
        return effect.kind != workflow::EffectKind::kWait;  // the others have begun with the order
    });
    perform(run, effects);
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
            if (waiters_.full() || (there ? there->told : !goes_on())) {
                auto stored = store_.load(run);
                return done(stored ? core::Result<std::string>(run_view(*stored))
                                   : core::fail(std::move(stored.error())));
            }
            waiters_.add(run, until_ns, done);
        });
    if (taken) wake();
    return taken;
}

std::size_t Orchestrator::answer_waiters() {
    const auto overdue = waiters_.take_overdue(deps_.clock->monotonic_ns());
    for (const auto& [name, done] : overdue) {
        if (const Run* const run = find(name)) {
            done(run_view(*run));
            continue;
        }
        auto stored = store_.load(name);
        done(stored ? core::Result<std::string>(run_view(*stored))
                    : core::fail(std::move(stored.error())));
    }
    return overdue.size();
}

}  // namespace millrace::runtime
