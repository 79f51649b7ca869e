// Workflows as documents: their body, their row, their versions.
#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/event/snake_names.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/executor_body.h"
#include "runtime/registry/executor_specs.h"
#include "runtime/registry/workflow.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <utility>

namespace millrace::runtime {
namespace {

// What courier and breakers know a workflow's action by: beyond any subscription's number.
constexpr std::uint32_t kActionNumbers = 0xE000'0000;

constexpr std::array<std::string_view, 8> kWorkflowServerMembers = {
    "createdAt", "updatedAt", "warnings", "hash", "tenantId", "paused", "runs", "versions"};
constexpr std::array<std::string_view, 3> kWorkflowNames = {"id", "name", "version"};
// A patch gives the whole of these.
constexpr std::array<std::string_view, 3> kWorkflowReplacedWhole = {"steps", "actions", "output"};

template <std::size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// The members of a body that `wanted` accepts, compact.
template <typename Wanted>
core::Result<std::string> members_of(std::string_view body, Wanted&& wanted) {
    core::JsonDom dom;
    auto root = dom.parse(body);
    if (!root) return core::fail(std::move(root.error()));
    core::JsonMembers members;
    if (!root->get(members)) {
        return core::fail(core::ErrorCode::kValidation,
                          "body must be a JSON object, not " + std::string(json_type_text(*root)));
    }
    std::string out;
    for (const core::JsonMember member : members) {
        if (!wanted(member.key)) continue;
        if (!out.empty()) out += ',';
        core::append_json_string(out, member.key);
        out += ':';
        core::append_json(out, member.value);
    }
    return out;
}

core::Error in_action(const std::string& name, core::Error error) {
    std::string_view field = error.field;
    if (field.starts_with("executor")) field.remove_prefix(8);
    error.field = "actions." + name + std::string(field);
    error.message = "actions." + name + ": " + error.message;
    return error;
}

// Signed with no key: nobody would know it. What a receiver needs is in headers, from secrets.
core::Result<std::shared_ptr<const Subscription>> read_action(const Workflow& of,
                                                              const std::string& name,
                                                              const std::string& executor) {
    core::JsonDocument document;
    auto in = document.parse_object("{\"executor\":" + executor + "}", "actions." + name);
    if (!in) return core::fail(std::move(in.error()));
    auto made = std::make_shared<Subscription>();
    std::optional<Ordering> order;
    read_executor(*in, made->executor, order);
    if (auto status = in->finish(); !status) return core::fail(in_action(name, status.error()));
    if (made->executor.type == ExecutorType::kLink) {
        return core::fail(in_action(
            name, core::Error(core::ErrorCode::kValidation,
                              "type: a workflow's action is no link; a step may emit an event that "
                              "a subscription takes there")));
    }
    if (made->executor.type == ExecutorType::kWorkflow || made->executor.secrets) {
        return core::fail(in_action(
            name, core::Error(core::ErrorCode::kValidation,
                              made->executor.secrets
                                  ? "secret: an action has none; sign with {{secrets.NAME}} in a "
                                    "header"
                                  : "a workflow is begun by a step of the type workflow")));
    }
    if (made->executor.webhook && !made->executor.webhook->transform_script_id.empty()) {
        return core::fail(in_action(
            name, core::Error(core::ErrorCode::kValidation,
                              "transformScriptId: a step has none; its templates make the body")));
    }
    made->tenant = of.tenant;
    made->id = "workflow:" + of.id + ":" + name;
    made->name = name;
    const std::size_t hash = std::hash<std::string>{}(std::to_string(of.tenant.value) + made->id);
    made->number.value = kActionNumbers | static_cast<std::uint32_t>(hash & 0x0FFF'FFFF);
    return std::shared_ptr<const Subscription>(std::move(made));
}

core::Status take_definition(workflow::Definition&& definition, Workflow& out) {
    if (!definition.id.empty()) {
        if (!is_resource_id(definition.id)) {
            return core::fail(core::Error(core::ErrorCode::kValidation,
                                          "id: may hold letters, digits and _ - . : @ only")
                                  .in("id"));
        }
        out.id = definition.id;
    }
    if (out.id.empty()) {
        return core::fail(core::Error(core::ErrorCode::kValidation, "id: is required").in("id"));
    }
    if (definition.name.empty()) definition.name = out.id;
    definition.id = out.id;
    out.name = definition.name;
    out.definition = std::move(definition);
    out.actions.clear();
    for (const auto& [name, executor] : out.definition.actions) {
        auto action = read_action(out, name, executor);
        if (!action) return core::fail(std::move(action.error()));
        out.actions.emplace(name, std::move(*action));
    }
    return {};
}

core::Status take_rest(std::string_view body, Workflow& out) {
    // As the table of documents reads bodies: the same again is the same.
    auto rest = members_of(with_camel_case_names(body), [](std::string_view name) {
        return !is_one_of(name, kWorkflowServerMembers) && !is_one_of(name, kWorkflowNames);
    });
    if (!rest) return core::fail(std::move(rest.error()));
    out.rest = std::move(*rest);
    return {};
}

core::Status read(std::string_view body, Workflow& out) {
    auto bare = members_of(
        body, [](std::string_view name) { return !is_one_of(name, kWorkflowServerMembers); });
    if (!bare) return core::fail(std::move(bare.error()));
    auto definition = workflow::parse_definition("{" + *bare + "}", workflow::Unknown::kWarn);
    if (!definition) return core::fail(std::move(definition.error()));
    if (auto taken = take_definition(std::move(*definition), out); !taken) return taken;
    return take_rest(body, out);
}

std::string show(const Workflow& workflow) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", workflow.id).field("name", workflow.name).end_object();
    out.pop_back();
    if (!workflow.rest.empty()) out.append(",").append(workflow.rest);
    std::string made;
    core::JsonWriter more(made);
    more.begin_object().key("warnings").begin_array();
    for (const std::string& warning : workflow.definition.warnings) more.value(warning);
    more.end_array();
    append_document_times(more, workflow.version, workflow.created_at_us, workflow.updated_at_us);
    more.end_object();
    return out + "," + made.substr(1);
}

// Numbers go up: what a run began with stays what it was.
core::Result<std::uint32_t> own_version(const Workflow* old, const Workflow& next) {
    const std::uint32_t said = next.definition.version;
    if (said == 0) return old ? old->version + 1 : 1;
    if (!old || said > old->version) return said;
    return core::fail(
        core::Error(core::ErrorCode::kConflict,
                    "version: workflow \"" + next.id + "\" is at version " +
                        std::to_string(old->version) +
                        ", and a version that is there never changes; give this one a new number")
            .in("version"));
}

constexpr DocumentKind<Workflow> kWorkflowKind = {
    .name = "workflow",
    .id_prefix = "wf_",
    .documents_max = kWorkflowsMax,
    .versions_kept = kWorkflowVersionsMax,
    .quota = identity::Quota::kWorkflows,
    .replaced_whole = kWorkflowReplacedWhole,
    .read = read,
    .show = show,
    .seal =
        [](std::string_view, Workflow& next) {
            next.definition.version = next.version;
            return core::Status{};
        },
    .own_version = own_version,
};

}  // namespace

core::Result<Workflow> read_workflow(core::TenantId tenant, std::string_view id,
                                     std::string_view body, workflow::Unknown unknown) {
    Workflow out;
    out.tenant = tenant;
    out.id = id;
    // As it was sent, so that errors have their places; what a server has added is taken out.
    core::JsonDom dom;
    auto root = dom.parse(body);
    if (!root) return core::fail(std::move(root.error()));
    core::JsonElement found;
    const bool shown =
        root->is_object() && (root->find("createdAt", found) || root->find("warnings", found));
    std::string bare;
    if (shown) {
        auto kept = members_of(
            body, [](std::string_view name) { return !is_one_of(name, kWorkflowServerMembers); });
        if (!kept) return core::fail(std::move(kept.error()));
        bare = "{" + *kept + "}";
    }
    auto definition = workflow::parse_definition(shown ? bare : body, unknown);
    if (!definition) return core::fail(std::move(definition.error()));
    if (!id.empty() && !definition->id.empty() && definition->id != id) {
        return core::fail(core::Error(core::ErrorCode::kValidation, "id: is \"" + definition->id +
                                                                        "\"; the path says \"" +
                                                                        std::string(id) + "\"")
                              .in("id"));
    }
    out.version = definition->version;
    if (auto taken = take_definition(std::move(*definition), out); !taken)
        return core::fail(taken.error());
    if (auto rest = take_rest(body, out); !rest) return core::fail(rest.error());
    return out;
}

template <>
const DocumentKind<Workflow>& document_kind<Workflow>() {
    return kWorkflowKind;
}

}  // namespace millrace::runtime
