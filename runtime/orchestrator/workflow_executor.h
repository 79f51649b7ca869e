// What: the executor of subscriptions whose events begin workflow runs. A run's id is the
//       delivery's, so that one event begins one run, however often it is delivered; the delivery
//       has succeeded when the run is durable.
// Threads: a lane's. Lifetime: outlived by the orchestrator.
// Limits: the orchestrator's queue; beyond it the delivery waits.
// Failure: an unknown workflow fails the attempt.
#pragma once

#include "runtime/delivery/executor.h"
#include "runtime/orchestrator/orchestrator.h"

#include <atomic>
#include <functional>

namespace millrace::runtime {

class WorkflowExecutor final : public Executor {
public:
    struct Deps {
        // Null until it is there.
        std::function<Orchestrator*()> orchestrator;
        bool enabled = true;
    };
    WorkflowExecutor(Deps deps, AnswerPort& port) : deps_(std::move(deps)), port_(port) {}

    Start start(const AttemptInput& input, AttemptResult& result) override;
    PendingBounds bounds(const AttemptInput&) const override { return {1'000, 60'000}; }

private:
    const Deps deps_;
    AnswerPort& port_;
    core::EventParser parser_;
    core::FieldTable fields_;
    core::FieldPlan no_fields_;
};

}  // namespace millrace::runtime
