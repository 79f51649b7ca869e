#include "runtime/workflow/asked.h"

#include "core/json_dom.h"
#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/workflow/condition.h"

#include <array>
#include <utility>

namespace millrace::runtime::workflow {
namespace {

constexpr std::array<std::pair<std::string_view, StepType>, 4> kAskedTypes = {
    {{"action", StepType::kAction},
     {"wait", StepType::kWait},
     {"sleep", StepType::kSleep},
     {"workflow", StepType::kWorkflow}}};

bool json_member(core::JsonObject& in, std::string_view name, std::string& out) {
    const auto value = in.any(name);
    if (!value || value->is_null()) return false;
    out.clear();
    core::append_json(out, *value);
    return true;
}

// A table without members reads as an empty list.
void object_member(core::JsonObject& in, std::string_view name, std::string& out) {
    json_member(in, name, out);
    if (out == "[]") out = "{}";
}

void read_action(core::JsonObject& in, Step& step) {
    step.action = kInCode;
    if (in.text("action", step.action, {.bytes_min = 1, .bytes_max = 256}) &&
        step.action == kInCode)
        in.refuse("action", "no action has that name");
    object_member(in, "input", step.input);
    if (step.input.empty() && step.action != kInCode) step.input = "{}";
    in.boolean("atMostOnce", step.at_most_once);
    std::string retry;
    step.retry = RetryRule{};
    if (json_member(in, "retry", retry)) {
        auto rule = parse_retry(retry, "");
        if (rule)
            step.retry = *rule;
        else
            in.refuse("retry", rule.error().message);
    }
    if (step.at_most_once) step.retry = kNoRetry;
    const auto given = in.any("compensate");
    bool in_code = false;
    if (!given || given->is_null()) return;
    if (given->get(in_code)) {
        if (in_code) step.compensate = kInCode;
        return;
    }
    auto undo = in.object("compensate");
    if (!undo) return;
    undo->text("action", step.compensate,
               {.presence = core::Presence::kRequired, .bytes_min = 1, .bytes_max = 256});
    if (step.compensate == kInCode) undo->refuse("action", "no action has that name");
    object_member(*undo, "input", step.compensate_input);
    if (auto status = undo->finish(); !status) in.join(*undo);
}

void read_wait(core::JsonObject& in, Step& step) {
    in.text("event", step.event, {.bytes_max = 1024});
    in.text("signal", step.signal, {.bytes_max = 256});
    in.choice("since", step.since, kSinceTexts);
    if (step.event.empty() == step.signal.empty())
        in.refuse("event", "a wait has an event (a pattern) or a signal (a name), one of them");
    if (!json_member(in, "match", step.match)) return;
    if (auto read = check_filter(step.match); !read) in.refuse("match", read.error().message);
}

core::Result<Step> read_asked_step(std::string_view json) {
    core::JsonDocument document;
    auto in = document.parse_object(json, "step");
    if (!in) return core::fail(std::move(in.error()));
    Step step;
    in->text("id", step.id,
             {.presence = core::Presence::kRequired, .bytes_min = 1, .bytes_max = kStepIdBytesMax});
    in->choice("type", step.type, kAskedTypes, core::Presence::kRequired);
    step.name = step.id;
    step.incoming = 1;
    step.on_failure = OnFailure::kContinue;  // the code decides
    step.retry = kNoRetry;
    in->integer("timeoutMs", step.timeout_ms, 0, kStepTimeoutMsMax);
    switch (step.type) {
        case StepType::kAction: read_action(*in, step); break;
        case StepType::kWait: read_wait(*in, step); break;
        case StepType::kSleep:
            in->integer("durationMs", step.timeout_ms, 0, kStepTimeoutMsMax,
                        core::Presence::kRequired);
            break;
        default:
            in->text("workflowId", step.workflow_id,
                     {.presence = core::Presence::kRequired,
                      .bytes_min = 1,
                      .bytes_max = kStepIdBytesMax});
            in->integer_as("version", step.workflow_version, 1, INT32_MAX);
            object_member(*in, "input", step.input);
            if (step.input.empty()) step.input = "{}";
    }
    if (auto status = in->finish(); !status) {
        core::Error error = status.error();
        error.message = "step \"" + step.id + "\": " + error.message;
        return core::fail(std::move(error));
    }
    return step;
}

}  // namespace

Definition code_definition(std::string_view id, std::string_view name, std::uint32_t version) {
    Definition out;
    out.id = id;
    out.name = name;
    out.version = version;
    out.grows = true;
    out.on_failure = OnRunFailure::kCompensate;
    return out;
}

std::string write_asked(std::span<const std::string> steps, std::span<const std::string> left) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().key("steps").begin_array();
    for (const std::string& step : steps) json.raw(step);
    json.end_array();
    if (!left.empty()) {
        json.key("left").begin_array();
        for (const std::string& id : left) json.value(id);
        json.end_array();
    }
    json.end_object();
    return out;
}

core::Result<Asked> read_asked(std::string_view json) {
    Asked out;
    core::JsonDom dom;
    core::JsonElement root, member;
    core::JsonArray list;
    if (!dom.read(json, root) || !root.find("steps", member) || !member.get(list))
        return core::fail(core::ErrorCode::kValidation, "what was asked for is damaged");
    out.steps = list.size();
    if (!root.find("left", member)) return out;
    core::JsonArray left;
    if (!member.get(left))
        return core::fail(core::ErrorCode::kValidation, "what was left is damaged");
    for (const core::JsonElement one : left) {
        std::string_view id;
        if (one.get(id)) out.left.emplace_back(id);
    }
    return out;
}

core::Status grow(Definition& definition, std::string_view asked) {
    core::JsonDom dom;
    core::JsonElement root, member;
    core::JsonArray list;
    if (!dom.read(asked, root) || !root.find("steps", member) || !member.get(list))
        return core::fail(core::ErrorCode::kValidation, "what was asked for is damaged");
    const std::size_t before = definition.steps.size();
    if (before + list.size() > kStepsMax) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "the run has asked for more than " +
                                          std::to_string(kStepsMax) +
                                          " steps, which is the limit; wf.continueAsNew(input) "
                                          "begins anew")
                              .bound(kStepsMax));
    }
    for (const core::JsonElement one : list) {
        auto step = read_asked_step(one.raw());
        if (!step) {
            definition.steps.resize(before);
            return core::fail(std::move(step.error()));
        }
        definition.steps.push_back(std::move(*step));
    }
    definition.name_steps();
    return {};
}

void append_asked_text(const Step& step, std::string& out) {
    switch (step.type) {
        case StepType::kWait: out += "wait"; break;
        case StepType::kSleep: out += "sleep"; break;
        case StepType::kWorkflow: out += "call"; break;
        default: out += "step";
    }
    out.append(" \"").append(step.id).append("\"");
    if (step.type == StepType::kAction && step.action != kInCode)
        out.append(" of action \"").append(step.action).append("\"");
}

}  // namespace millrace::runtime::workflow
