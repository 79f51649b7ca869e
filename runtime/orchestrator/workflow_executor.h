// What: the executor of subscriptions whose events begin workflow runs. A run's id is the
//       delivery's, so that one event begins one run, however often it is delivered. The beginning
//       of a run (its head, its first entry, its first events) is one commit with the delivery's
//       outcome; the orchestrator lets it go on from there.
// Threads: a lane's. Lifetime: outlived by the orchestrator.
// Limits: Orchestrator::kQueuedRunsMax runs wait for a place; beyond it deliveries wait in the log.
// Failure: an unknown workflow fails the attempt.
#pragma once

#include "runtime/delivery/executor.h"
#include "runtime/executors/outside_executor.h"
#include "runtime/orchestrator/orchestrator.h"

#include <cstddef>
#include <functional>

namespace millrace::runtime {

class WorkflowExecutor final : public Executor {
public:
    struct Deps : OutsideDeps {
        // Null until it is there.
        std::function<Orchestrator*()> orchestrator;
    };
    WorkflowExecutor(Deps deps, AnswerPort& port) : deps_(std::move(deps)), port_(port) {}

    Start start(const AttemptInput& input, AttemptResult& result) override;
    PendingBounds bounds(const AttemptInput&) const override { return {1'000, 60'000}; }

private:
    RunRequest request_of(const AttemptInput& input);
    Start begin_here(Orchestrator& orchestrator, RunRequest&& request, WorkflowRef workflow,
                     AttemptResult& result);
    Start begin_there(Orchestrator& orchestrator, RunRequest&& request, AttemptTicket ticket,
                      AttemptResult& result);

    const Deps deps_;
    AnswerPort& port_;
    OutgoingEvents outgoing_;
};

}  // namespace millrace::runtime
