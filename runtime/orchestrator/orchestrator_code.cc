// The part of Orchestrator for runs whose steps a script asks for. Whenever something has come, the
// code is played from its beginning and told of it; what it asks for then is the next entry of the
// journal, in the commit of what has come. A step is a turn of its own, made as other steps are.
#include "core/json_dom.h"
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/delivery/workflow_turn.h"
#include "runtime/orchestrator/orchestrator.h"
#include "runtime/orchestrator/orchestrator_host.h"
#include "runtime/workflow/asked.h"

#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

namespace millrace::runtime {

using workflow::Input;
using workflow::InputKind;
using workflow::StepIndex;
using workflow::StepOutcome;

namespace {

constexpr std::string_view kDiffers = "NON_DETERMINISTIC";

std::string payload_of(const std::string& event) {
    core::JsonDom dom;
    core::JsonElement root, payload;
    if (!dom.read(event, root) || !root.find("payload", payload)) return "{}";
    std::string out;
    core::append_json(out, payload);
    return out;
}

std::string input_of(const workflow::RunSource& source) {
    return source.input.empty() ? payload_of(source.event) : source.input;
}

// What the code is called with: the event that began it, or one that stands for the call.
std::string event_of(const StoredRun& run) {
    const workflow::RunSource& source = run.state.source;
    if (!source.event.empty() && source.input.empty()) return source.event;
    const std::string input = input_of(source);
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("eventId", run.head.run.id).field("pattern", "workflow.execute");
    json.field("version", "1.0").key("source").begin_object().field("type", "workflow");
    json.field("id", run.head.workflow_id).end_object();
    json.field("timestamp", core::format_timestamp(run.state.started_us));
    if (input.starts_with('{'))
        json.raw_field("payload", input);
    else
        json.key("payload").begin_object().raw_field("value", input).end_object();
    json.end_object();
    return out;
}

// "3/1207": where in the log an event stands that a wait has taken.
bool read_place(const std::string& place, std::size_t& shard, std::uint64_t& offset) {
    const char* const end = place.data() + place.size();
    const auto first = std::from_chars(place.data(), end, shard);
    return first.ec == std::errc{} && first.ptr != end &&
           std::from_chars(first.ptr + 1, end, offset).ec == std::errc{};
}

std::string entry_row_id(const RunName& run, std::size_t number) {
    char text[32];
    std::snprintf(text, sizeof text, "%08zx", number);
    return journal_prefix(run) + text;
}

}  // namespace

// The journal as the code sees it.
class Orchestrator::CodePast final : public WorkflowPast {
public:
    explicit CodePast(const StoredRun& run) : run_(run) {}
    std::size_t asks() const override { return run_.state.steps.size(); }
    void tell(std::size_t ask, std::string& out) const override {
        workflow::append_asked_text(run_.workflow->definition.steps[ask], out);
    }
    std::size_t ended() const override { return run_.state.ended.size(); }
    Ended ended(std::size_t at) const override {
        const StepIndex step = run_.state.ended[at];
        const workflow::StepState& state = run_.state.steps[step];
        Ended out;
        out.ask = step;
        out.at_us = state.ended_us;
        out.settled = at + 1 < run_.state.settled;
        out.ok = state.status == workflow::StepStatus::kCompleted ||
                 // Nothing came in time: that is an answer.
                 (state.code == "TIMEOUT" &&
                  run_.workflow->definition.steps[step].type == workflow::StepType::kWait);
        if (out.ok) {
            out.value = state.output;
        } else {
            out.code = state.code;
            out.message = state.error;
        }
        return out;
    }

private:
    const StoredRun& run_;
};

Workflow& Orchestrator::own(Run& run) {
    // Made for this run alone (code_book.h).
    return *std::const_pointer_cast<Workflow>(run.workflow);
}

std::shared_ptr<WorkflowTurn> Orchestrator::turn_of(Run& run) {
    if (!run.past) run.past = std::make_shared<CodePast>(run);
    auto turn = std::make_shared<WorkflowTurn>();
    turn->past = run.past.get();
    turn->run_id = run.head.run.id;
    turn->input = input_of(run.state.source);
    turn->started_us = run.state.started_us;
    turn->seed = XXH3_64bits_withSeed(run.head.run.id.data(), run.head.run.id.size(),
                                      run.state.source.continued);
    return turn;
}

std::unique_ptr<ScriptRunJob> Orchestrator::call_of(const Run& run, const ScriptRef& code,
                                                    std::shared_ptr<WorkflowTurn> turn) const {
    auto call = std::make_unique<ScriptRunJob>();
    call->caller.tenant = run.head.run.tenant;
    call->input_json = event_of(run);
    call->execution_id = turn->key.empty() ? run.head.run.id : turn->key;
    call->workflow = std::move(turn);
    call->pinned = code;
    return call;
}

// As far as it goes with what there is; `code` need not be what the run is pinned to.
void Orchestrator::play_code(Run& run, const ScriptRef& code,
                             const std::shared_ptr<WorkflowTurn>& turn, AttemptResult& result) {
    const auto call = call_of(run, code, turn);
    const RegistrySnapshotRef registry = deps_.registry();
    AttemptInput input;
    input.ticket = AttemptTicket(attempts_.make_ticket());
    input.registry = registry.get();
    input.host = host_of(run.head.run.tenant);
    input.call = call.get();
    input.started_at_us = deps_.clock->wall_us();
    Executor* const executor = executors_[static_cast<std::size_t>(ExecutorType::kScript)].get();
    if (executor)
        executor->start(input, result);
    else
        result.fail("this server runs no scripts");
}

// Until the code waits, and knows of all that has come.
void Orchestrator::go_on(Run& run) {
    while (run.state.wants_code()) {
        const auto turn = turn_of(run);
        AttemptResult result;
        play_code(run, run.workflow->code, turn, result);
        run.state.heard = run.state.ended.size() + 1;
        take_turn(run, *turn, result);
    }
}

void Orchestrator::take_turn(Run& run, WorkflowTurn& turn, AttemptResult& result) {
    Input input;
    input.kind = InputKind::kReturned;
    using End = WorkflowTurn::End;
    switch (result.outcome == AttemptOutcome::kOk ? turn.end : End::kInterrupted) {
        case End::kWaits: return take_asked(run, turn);
        case End::kReturned: input.value = std::move(turn.value); break;
        case End::kContinues: return begin_anew(run, std::move(turn.value));
        case End::kDiffers: return stop_differing(run, turn, workflow::kNoStep);
        case End::kRaised:
            input.outcome = StepOutcome::kFailed;
            input.code = turn.code.empty() ? "FAILED" : turn.code;
            input.error = std::move(turn.message);
            break;
        case End::kOverBounds:
            input.outcome = StepOutcome::kFailed;
            input.code = "LIMIT";
            input.error = std::move(turn.message);
            break;
        default:
            input.outcome = StepOutcome::kFailed;
            input.code = !result.stopped()                  ? "FAILED"
                         : result.outcome_text == "timeout" ? "TIMEOUT"
                                                            : "MEMORY";
            input.error = result.error.empty() ? "the code came to no end" : result.error;
    }
    apply(run, std::move(input));
}

// The next entry of the journal.
void Orchestrator::take_asked(Run& run, WorkflowTurn& turn) {
    const RunName name = run.head.run;
    workflow::Definition& definition = own(run).definition;
    const std::size_t before = definition.steps.size();
    Input input;
    input.kind = InputKind::kAsked;
    if (auto grown = workflow::grow(definition, workflow::write_asked(turn.asked, {})); !grown) {
        input.kind = InputKind::kReturned;
        input.outcome = StepOutcome::kFailed;
        input.code = grown.error().limit == core::Error::kNoPosition ? "VALIDATION" : "LIMIT";
        input.error = grown.error().message;
        apply(run, std::move(input));
        return;
    }
    std::vector<std::string> left;
    for (const std::uint32_t ask : turn.left) {
        if (ask >= definition.steps.size()) continue;
        if (ask >= before || !run.state.steps[ask].is_final())
            left.push_back(definition.steps[ask].id);
    }
    if (turn.asked.empty() && left.empty()) {
        if (mark_of(run) == run.mark) return;
        writer_.open(name);
        return writer_.note_change(run);
    }
    input.value = workflow::write_asked(turn.asked, left);
    apply(run, std::move(input));
}

// Nobody can say what it would do: somebody looks at it, and resumes it with a version that fits.
void Orchestrator::stop_differing(Run& run, const WorkflowTurn& turn, StepIndex step) {
    Input input;
    input.kind = InputKind::kPause;
    input.step = step;
    input.code = kDiffers;
    input.name = input.error = differs_text(turn);
    deps_.log->error(
        "the code of a workflow run does not take the way that its journal says: it "
        "is paused",
        {{"run", run.head.run.id}, {"difference", input.name}});
    apply(run, std::move(input));
}

// wf.continueAsNew: the same run from its beginning, with another input, in one commit. Its journal
// begins anew, and what it has not taken of events and signals is still there for it.
void Orchestrator::begin_anew(Run& run, std::string&& input_json) {
    const RunName name = run.head.run;
    writer_.open(name);
    writer_.stay_open(true);  // all of it is one commit
    for (StepIndex i = 0; i < run.state.steps.size(); ++i) {
        const workflow::StepState& step = run.state.steps[i];
        workflow::Effect left;
        left.kind = workflow::EffectKind::kAbandon;
        left.step = i;
        left.iteration = step.iteration;
        left.attempt = step.attempt;
        if (!step.is_final()) abandon(run, left);
        std::size_t shard = 0;
        std::uint64_t offset = 0;
        if (!read_place(run.state.steps[i].place, shard, offset)) continue;
        if (shard < run.head.log_ends.size())
            run.head.log_ends[shard] = std::max(run.head.log_ends[shard], offset + 1);
    }
    const std::size_t entries = run.journal.size();
    const std::vector<workflow::Signal> signals = std::move(run.state.signals);
    Input start;
    start.kind = InputKind::kStart;
    start.source.run_id = name.id;
    start.source.input = std::move(input_json);
    start.source.continued = run.state.source.continued + 1;
    writer_.write_now(run);
    run.journal.clear();
    run.stored = 0;
    run.state = {};
    own(run).definition.steps.clear();
    own(run).definition.by_id.clear();
    apply(run, std::move(start), [this, name] {
        post([this, name] {
            if (Run* const there = find(name)) there->state.heard = 0;
        });
    });
    store::RowBatch& rows = writer_.rows();
    for (std::size_t i = 1; i < entries; ++i)
        rows.erase_registry(kRunJournalKind, entry_row_id(name, i));
    put_head(rows, run.head);
    for (const workflow::Signal& signal : signals) {
        Input again;
        again.kind = InputKind::kSignal;
        again.name = signal.name;
        again.value = signal.payload;
        apply(run, std::move(again));
    }
    writer_.stay_open(false);
    // Not before that is durable: a run that only begins anew would hold up all others.
    run.state.heard = run.state.ended.size() + 1;
}

// ---- steps

void Orchestrator::start_code(Run& run, Attempt&& attempt, const std::string& input_json) {
    const auto turn = turn_of(run);
    turn->task = attempt.undo ? WorkflowTurn::Task::kUndo : WorkflowTurn::Task::kStep;
    turn->step = run.workflow->definition.steps[attempt.step].id;
    turn->attempt = attempt.number;
    turn->key = attempt.key;
    if (attempt.undo) turn->undo_input = input_json;
    attempt.call = call_of(run, run.workflow->code, turn);
    attempt.script_version = run.workflow->code->version;
    launch_script(run, std::move(attempt));
}

// False: it has not come to the step, and nothing is to be settled.
bool Orchestrator::take_step_turn(Run& run, const Attempt& attempt, AttemptResult& result) {
    if (result.outcome != AttemptOutcome::kOk) return true;
    WorkflowTurn& turn = *attempt.call->workflow;
    if (turn.end == WorkflowTurn::End::kStepDone) {
        result.result_json = std::move(turn.value);
        return true;
    }
    if (turn.end == WorkflowTurn::End::kStepFailed) {
        result.effects.reset();
        result.fail(turn.message.empty() ? "failed" : turn.message,
                    turn.fatal ? AttemptOutcome::kFatal : AttemptOutcome::kFailed);
        return true;
    }
    if (turn.end != WorkflowTurn::End::kDiffers) {
        turn.expected = "step \"" + turn.step + "\"";
        turn.found = "another way";
    }
    turn.code = kDiffers;
    if (attempt.undo || run.state.ending != workflow::RunState::Ending::kNone) {
        result.fail(differs_text(turn), AttemptOutcome::kFatal);
        return true;
    }
    stop_differing(run, turn, attempt.step);
    return false;
}

// ---- versions

core::Result<ScriptRef> Orchestrator::code_version(const RunName& run, const std::string& script_id,
                                                   std::uint32_t version) {
    const RegistrySnapshotRef registry = deps_.registry();
    const ScriptRef newest = scripts_.find(*registry, run.tenant, script_id);
    if (newest && newest->version == version && newest->type == ScriptType::kWorkflow) {
        const auto fresh = store_.codes().begin(*newest);
        if (fresh) return fresh->code;
    }
    if (ScriptRef pinned = store_.codes().version(run.tenant, script_id, version)) return pinned;
    return core::fail(core::ErrorCode::kNotFound,
                      "version: script \"" + script_id + "\" is not at version " +
                          std::to_string(version) + ", and no run has begun with it");
}

// Whether a run that begins now would be pinned to it.
bool Orchestrator::is_newest_code(const CodeBook::Name& code) {
    const ScriptRef newest = scripts_.find(*deps_.registry(), code.tenant, code.script_id);
    return newest && newest->version == code.version && newest->created_at_us == code.made_us;
}

core::Result<Orchestrator::Pinned> Orchestrator::other_code(Run& run, std::uint32_t version) {
    const auto found = code_version(run.head.run, run.head.workflow_id, version);
    if (!found) return core::fail(found.error());
    const ScriptRef& code = *found;
    const auto turn = turn_of(run);
    AttemptResult result;
    play_code(run, code, turn, result);
    if (result.outcome != AttemptOutcome::kOk || turn->end == WorkflowTurn::End::kDiffers) {
        const bool differs = result.outcome == AttemptOutcome::kOk;
        return core::fail(core::ErrorCode::kConflict,
                          "version " + std::to_string(version) + " does not take over the run: " +
                              (differs ? differs_text(*turn) : result.error));
    }
    auto next = std::make_shared<Workflow>(*run.workflow);
    next->version = next->definition.version = version;
    next->code = code;
    Pinned out;
    out.workflow = std::move(next);
    out.state = run.state;
    out.code_made_us = code->created_at_us;
    return out;
}

bool Orchestrator::rehearse(RunName run, std::uint32_t version, Done done) {
    const bool taken =
        asked_.try_push([this, run = std::move(run), version, done = std::move(done)] {
            done(rehearse_now(run, version));
            let_go(run);
        });
    if (taken) wake();
    return taken;
}

core::Result<std::string> Orchestrator::rehearse_now(const RunName& name, std::uint32_t version) {
    auto brought = bring(name);
    if (!brought) return core::fail(std::move(brought.error()));
    Run& run = **brought;
    if (!run.workflow->code)
        return core::fail(core::ErrorCode::kConflict, "the workflow of the run is no script");
    const auto code = code_version(name, run.head.workflow_id, version);
    if (!code) return core::fail(code.error());
    const auto turn = turn_of(run);
    AttemptResult result;
    play_code(run, *code, turn, result);
    const bool differs = turn->end == WorkflowTurn::End::kDiffers;
    const bool fits = result.outcome == AttemptOutcome::kOk && !differs;
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("fits", fits).field("version", version);
    json.field("entries", run.journal.size());
    if (fits) {
        json.field("status", workflow::run_status_text(run.state.status));
    } else if (differs) {
        json.field("index", turn->differs_at).field("expected", turn->expected);
        json.field("found", turn->found).field("message", differs_text(*turn));
    } else {
        json.field("message", result.error);
    }
    json.end_object();
    return out;
}

}  // namespace millrace::runtime
