#include "runtime/workflow/run_data.h"

#include "core/json_writer.h"

#include <algorithm>
#include <map>
#include <utility>

namespace millrace::runtime::workflow {

core::JsonElement RunData::parsed(const std::string& text) {
    const auto there = roots_.find(&text);
    if (there != roots_.end()) return there->second;
    auto dom = std::make_unique<core::JsonDom>();
    core::JsonElement root;
    if (!dom->read(text, root)) root = {};
    parsed_.emplace(&text, std::move(dom));
    roots_.emplace(&text, root);
    return root;
}

std::string RunData::payload() const {
    if (state_.source.event.empty())
        return state_.source.input.starts_with('{') ? state_.source.input : std::string("{}");
    if (state_.payload.empty()) {
        core::JsonDom dom;
        core::JsonElement root;
        core::JsonElement payload;
        if (dom.read(state_.source.event, root) && root.find("payload", payload))
            core::append_json(state_.payload, payload);
        if (state_.payload.empty()) state_.payload = "{}";
    }
    return state_.payload;
}

const std::string& RunData::data() {
    if (!data_.empty()) return data_;
    std::vector<StepIndex> order;
    for (StepIndex i = 0; i < state_.steps.size(); ++i) {
        if (state_.steps[i].output.starts_with('{')) order.push_back(i);
    }
    std::sort(order.begin(), order.end(), [&](StepIndex a, StepIndex b) {
        return definition_.steps[a].merge_rank < definition_.steps[b].merge_rank;
    });
    payload_ = payload();
    if (order.empty()) return data_ = payload_;
    // Names in the order in which they came up, values of whoever came last.
    std::map<std::string_view, std::size_t> places;
    std::vector<std::pair<std::string_view, std::string_view>> members;
    const auto lay = [&](const std::string& object) {
        core::JsonMembers of;
        if (!parsed(object).get(of)) return;
        for (const core::JsonMember member : of) {
            const auto [at, fresh] = places.emplace(member.raw_key, members.size());
            if (fresh)
                members.emplace_back(member.raw_key, member.value.raw());
            else
                members[at->second].second = member.value.raw();
        }
    };
    lay(payload_);
    for (const StepIndex step : order) lay(state_.steps[step].output);
    data_ = "{";
    for (const auto& [key, value] : members) {
        if (data_.size() > 1) data_ += ',';
        data_.append(key).append(":").append(value);
    }
    data_ += '}';
    return data_;
}

std::string RunData::steps_json() const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    for (StepIndex i = 0; i < state_.steps.size(); ++i) {
        if (!state_.steps[i].output.empty())
            json.raw_field(definition_.steps[i].id, state_.steps[i].output);
    }
    json.end_object();
    return out;
}

core::Result<std::string> RunData::look_up(const TemplatePath& path) {
    const std::string& root = path.parts[0];
    if (root == "data") return follow(parsed(data()), path, 1);
    const auto absent = [](std::string what) {
        return core::fail(core::ErrorCode::kValidation, std::move(what));
    };
    if (root == "event") {
        if (state_.source.event.empty()) return absent("no event began this run");
        return follow(parsed(state_.source.event), path, 1);
    }
    if (root == "input") {
        if (state_.source.input.empty()) return follow(parsed(data()), path, 1);
        return follow(parsed(state_.source.input), path, 1);
    }
    if (root == "run") {
        std::string run;
        core::JsonWriter json(run);
        json.begin_object().field("id", state_.source.run_id);
        json.field("workflowId", definition_.id).field("version", definition_.version);
        json.end_object();
        core::JsonDom dom;
        core::JsonElement value;
        (void)dom.read(run, value);
        return follow(value, path, 1);
    }
    if (path.parts.size() < 2) return steps_json();
    const StepIndex step = definition_.find(path.parts[1]);
    if (step == kNoStep) return absent("no step has the id \"" + path.parts[1] + "\"");
    const StepState& state = state_.steps[step];
    if (state.output.empty()) {
        return absent("step \"" + path.parts[1] + "\" is " +
                      std::string(step_status_text(state.status)) + " and has no output");
    }
    return follow(parsed(state.output), path, 2);
}

std::string RunData::filter_payload() {
    core::JsonMembers of;
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    const auto ours = [](std::string_view key) {
        return key == "steps" || key == "event" || key == "input" || key == "data";
    };
    if (parsed(data()).get(of)) {
        for (const core::JsonMember member : of) {
            if (!ours(member.key)) json.raw_field(member.key, member.value.raw());
        }
    }
    json.raw_field("data", data()).raw_field("steps", steps_json());
    if (!state_.source.event.empty()) json.raw_field("event", state_.source.event);
    if (!state_.source.input.empty()) json.raw_field("input", state_.source.input);
    json.end_object();
    return out;
}

}  // namespace millrace::runtime::workflow
