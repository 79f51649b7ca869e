// What: a run that is in memory because something of it is under way, and an action of one of its
//       steps that is being done.
// Threads: the orchestrator's. Lifetime: values. Limits: those of a run. Failure: none.
#pragma once

#include "runtime/delivery/executor.h"
#include "runtime/orchestrator/run_store.h"

#include <cstdint>
#include <memory>
#include <string>

namespace millrace::runtime {

class WorkflowPast;

struct LiveRun : StoredRun {
    std::size_t flying = 0;   // commits and attempts that come back here
    std::size_t resting = 0;  // of those, attempts that a receiver does not want yet
    bool rests = false;       // there is nothing else: others have its place meanwhile
    bool counted = false;     // it has one of the places
    bool taken = false;       // what is under way of it is being done
    bool queues = false;      // it has not had its turn yet
    bool told = false;        // whoever waits for its end knows of it
    bool stands = false;      // its tenant is suspended, and something was to be begun
    std::uint32_t ahead = 0;  // steps begun before their cause was durable
    // What has happened to it since what is open was opened goes in once, when that closes.
    bool unwritten = false;
    bool fresh = false;         // nothing of it is stored
    bool head_changed = false;  // since it was written
    bool committing = false;    // it hears of the end of what is open
    std::size_t stored = 0;     // entries of its journal that are stored, or in what is open
    std::string steps;          // of the entries behind those
    RunMark mark;               // as it is stored
    std::uint32_t serial = 0;   // of events that tell of it
    std::shared_ptr<WorkflowPast> past;  // of one whose steps a script asks for
};

struct StepAttempt {
    RunName run;
    workflow::StepIndex step = 0;
    std::uint32_t iteration = 0;
    std::uint32_t number = 0;
    bool undo = false;
    bool early = false;            // its cause is not durable
    Executor* executor = nullptr;  // null: the port of actions
    std::shared_ptr<const Subscription> subscription;
    std::string text;  // the event that it is done for; with padding
    std::string key;
    store::StoredEvent event;
    std::unique_ptr<ScriptRunJob> call;
    std::uint32_t script_version = 0;
    RegistrySnapshotRef registry;
    std::int64_t deadline_ns = 0;  // 0: none yet
};

}  // namespace millrace::runtime
