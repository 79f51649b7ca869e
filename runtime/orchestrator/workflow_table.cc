#include "runtime/orchestrator/workflow_table.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/executor_body.h"
#include "runtime/registry/executor_specs.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>

namespace millrace::runtime {
namespace {

// What courier and breakers know a workflow's action by: beyond any subscription's number.
constexpr std::uint32_t kActionNumbers = 0xE000'0000;

std::string row_id(core::TenantId tenant, std::string_view id, std::uint32_t version) {
    char text[32];
    std::snprintf(text, sizeof text, "%08x/", tenant.value);
    std::string out = text;
    out += id;
    std::snprintf(text, sizeof text, "/%08x", version);
    return out + text;
}

core::Error in_action(const std::string& name, core::Error error) {
    std::string_view field = error.field;
    if (field.starts_with("executor")) field.remove_prefix(8);
    error.field = "actions." + name + std::string(field);
    error.message = "actions." + name + ": " + error.message;
    return error;
}

// Signed with no key: nobody would know it. What a receiver needs is in headers, from secrets.
core::Result<std::shared_ptr<const Subscription>> read_action(const WorkflowVersion& of,
                                                              const std::string& name,
                                                              const std::string& executor) {
    core::JsonDocument document;
    auto in = document.parse_object("{\"executor\":" + executor + "}", "actions." + name);
    if (!in) return core::fail(std::move(in.error()));
    auto made = std::make_shared<Subscription>();
    std::optional<Ordering> order;
    read_executor(*in, made->executor, order);
    if (auto status = in->finish(); !status) return core::fail(in_action(name, status.error()));
    if (made->executor.type == ExecutorType::kWorkflow || made->executor.secrets) {
        return core::fail(in_action(
            name, core::Error(core::ErrorCode::kValidation,
                              made->executor.secrets
                                  ? "secret: an action has none; sign with {{secrets.NAME}} in a "
                                    "header"
                                  : "a workflow is begun by a step of the type workflow")));
    }
    made->tenant = of.tenant;
    made->id = "workflow:" + of.definition.id + ":" + name;
    made->name = name;
    const std::size_t hash = std::hash<std::string>{}(std::to_string(of.tenant.value) + made->id);
    made->number.value = kActionNumbers | static_cast<std::uint32_t>(hash & 0x0FFF'FFFF);
    return std::shared_ptr<const Subscription>(std::move(made));
}

// The body with another version, and no more blanks than it needs.
core::Result<std::string> with_version(std::string_view body, std::uint32_t version) {
    core::JsonDom dom;
    auto root = dom.parse(body);
    if (!root) return core::fail(std::move(root.error()));
    core::JsonMembers members;
    std::string out = "{";
    if (!root->get(members)) return std::string(body);
    for (const core::JsonMember member : members) {
        if (member.key == "version") continue;
        if (out.size() > 1) out += ',';
        out.append(member.raw_key).append(":");
        core::append_json(out, member.value);
    }
    if (version != 0) {
        if (out.size() > 1) out += ',';
        out += "\"version\":" + std::to_string(version);
    }
    return out + "}";
}

core::Result<std::string> with_id(std::string_view body, std::string_view id) {
    core::JsonDom dom;
    auto root = dom.parse(body);
    if (!root) return core::fail(std::move(root.error()));
    core::JsonElement there;
    if (id.empty() || !root->is_object() || root->find("id", there)) return std::string(body);
    std::string out = "{\"id\":";
    core::append_json_string(out, id);
    std::string rest;
    core::append_json(rest, *root);
    return out + (rest == "{}" ? "" : ",") + rest.substr(1);
}

}  // namespace

core::Result<WorkflowRef> WorkflowTable::read(core::TenantId tenant, std::string_view body,
                                              std::int64_t created_at_us,
                                              workflow::Unknown unknown) {
    auto definition = workflow::parse_definition(body, unknown);
    if (!definition) return core::fail(std::move(definition.error()));
    if (!is_resource_id(definition->id)) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      definition->id.empty()
                                          ? "id: is required"
                                          : "id: may hold letters, digits and _ - . : @ only")
                              .in("id"));
    }
    auto made = std::make_shared<WorkflowVersion>();
    made->tenant = tenant;
    made->created_at_us = created_at_us;
    made->definition = std::move(*definition);
    if (made->definition.name.empty()) made->definition.name = made->definition.id;
    for (const auto& [name, executor] : made->definition.actions) {
        auto action = read_action(*made, name, executor);
        if (!action) return core::fail(std::move(action.error()));
        made->actions.emplace(name, std::move(*action));
    }
    return WorkflowRef(std::move(made));
}

core::Status WorkflowTable::load() {
    auto rows = rows_.load_all(kWorkflowKind);
    if (!rows) return core::fail(std::move(rows.error()));
    for (const RegistryRow& row : *rows) {
        const auto tenant = core::TenantId(
            static_cast<std::uint32_t>(std::strtoul(row.id.substr(0, 8).c_str(), nullptr, 16)));
        auto version = read(tenant, row.json, row.updated_at_us, workflow::Unknown::kWarn);
        if (!version) {
            rows_.set_aside(kWorkflowKind, row.id, version.error());
            continue;
        }
        auto kept = std::make_shared<WorkflowVersion>(**version);
        kept->body = row.json;
        workflows_[{tenant.value, kept->id()}][kept->version()] = std::move(kept);
    }
    return {};
}

core::Status WorkflowTable::check_room(core::TenantId tenant, const std::string& id) const {
    const auto there = workflows_.find({tenant.value, id});
    if (there != workflows_.end() && there->second.size() >= kWorkflowVersionsMax) {
        return core::fail(core::Error(core::ErrorCode::kConflict,
                                      "workflow \"" + id + "\" has " +
                                          std::to_string(kWorkflowVersionsMax) +
                                          " versions, which is the limit; remove some")
                              .bound(kWorkflowVersionsMax));
    }
    if (there != workflows_.end()) return {};
    const auto first = workflows_.lower_bound({tenant.value, ""});
    const auto last = workflows_.lower_bound({tenant.value + 1, ""});
    if (std::distance(first, last) < static_cast<std::ptrdiff_t>(kWorkflowsMax)) return {};
    return core::fail(
        core::Error(core::ErrorCode::kConflict,
                    "there are " + std::to_string(kWorkflowsMax) + " workflows, which is the limit")
            .bound(kWorkflowsMax));
}

std::string WorkflowTable::audit_text(std::string_view action, std::string_view id,
                                      std::uint32_t version, std::string_view actor) const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("action", action).field("kind", kWorkflowKind).field("id", id);
    if (version != 0) json.field("version", version);
    json.field("by", actor).end_object();
    return out;
}

core::Result<WorkflowTable::Put> WorkflowTable::put(core::TenantId tenant, std::string_view id,
                                                    std::string_view body,
                                                    workflow::Unknown unknown,
                                                    std::string_view actor) {
    const auto named = with_id(body, id);
    if (!named) return core::fail(named.error());
    const std::int64_t now_us = clock_.wall_us();
    auto read_one = read(tenant, *named, now_us, unknown);
    if (!read_one) return core::fail(std::move(read_one.error()));
    auto made = std::make_shared<WorkflowVersion>(**read_one);
    if (!id.empty() && made->id() != id) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation,
                        "id: is \"" + made->id() + "\"; the path says \"" + std::string(id) + "\"")
                .in("id"));
    }
    const auto bare = with_version(*named, 0);
    if (!bare) return core::fail(bare.error());
    const Key key(tenant.value, made->id());
    Versions there;
    {
        std::lock_guard lock(mutex_);
        if (const auto at = workflows_.find(key); at != workflows_.end()) there = at->second;
    }
    std::uint32_t number = made->version();
    if (number == 0 && !there.empty()) {
        const WorkflowRef& newest = there.rbegin()->second;
        const bool same = *with_version(newest->body, 0) == *bare;
        number = newest->version() + (same ? 0 : 1);
    }
    if (number == 0) number = 1;
    if (const auto at = there.find(number); at != there.end()) {
        if (*with_version(at->second->body, 0) == *bare) return Put{at->second, false};
        return core::fail(core::Error(core::ErrorCode::kConflict,
                                      "version: workflow \"" + made->id() + "\" has a version " +
                                          std::to_string(number) +
                                          " that says something else, and a version never "
                                          "changes; give this one a new number")
                              .in("version"));
    }
    {
        std::lock_guard lock(mutex_);
        if (auto room = check_room(tenant, made->id()); !room) return core::fail(room.error());
    }
    made->definition.version = number;
    made->body = *with_version(*named, number);
    const RegistryRow row{std::string(kWorkflowKind), row_id(tenant, made->id(), number), number,
                          now_us, made->body};
    auto written =
        rows_.commit({&row, 1}, {}, now_us, tenant,
                     audit_text(there.empty() ? "create" : "update", made->id(), number, actor));
    if (!written) return core::fail(std::move(written.error()));
    const WorkflowRef version = std::move(made);
    std::lock_guard lock(mutex_);
    workflows_[key][number] = version;
    return Put{version, true};
}

core::Status WorkflowTable::remove(core::TenantId tenant, std::string_view id,
                                   std::uint32_t version, std::string_view actor) {
    const Key key(tenant.value, std::string(id));
    std::vector<RegistryRowName> erases;
    for (const WorkflowRef& one : versions(tenant, id)) {
        if (version == 0 || one->version() == version)
            erases.push_back({std::string(kWorkflowKind), row_id(tenant, id, one->version())});
    }
    if (erases.empty()) {
        return core::fail(core::ErrorCode::kNotFound,
                          "no workflow has the id \"" + std::string(id) + "\"" +
                              (version == 0 ? "" : " and the version " + std::to_string(version)));
    }
    auto written = rows_.commit({}, erases, clock_.wall_us(), tenant,
                                audit_text("delete", id, version, actor));
    if (!written) return written;
    std::lock_guard lock(mutex_);
    if (version == 0) {
        workflows_.erase(key);
    } else if (const auto at = workflows_.find(key); at != workflows_.end()) {
        at->second.erase(version);
        if (at->second.empty()) workflows_.erase(at);
    }
    return {};
}

WorkflowRef WorkflowTable::find(core::TenantId tenant, std::string_view id,
                                std::uint32_t version) const {
    std::lock_guard lock(mutex_);
    const auto at = workflows_.find({tenant.value, std::string(id)});
    if (at == workflows_.end()) return nullptr;
    if (version == 0) return at->second.rbegin()->second;
    const auto one = at->second.find(version);
    return one == at->second.end() ? nullptr : one->second;
}

std::vector<WorkflowRef> WorkflowTable::versions(core::TenantId tenant, std::string_view id) const {
    std::vector<WorkflowRef> out;
    std::lock_guard lock(mutex_);
    const auto at = workflows_.find({tenant.value, std::string(id)});
    if (at == workflows_.end()) return out;
    for (const auto& [number, version] : at->second) out.push_back(version);
    return out;
}

void WorkflowTable::list(core::TenantId tenant, std::string_view after,
                         const std::function<bool(const WorkflowRef&)>& visit) const {
    std::lock_guard lock(mutex_);
    for (auto at = workflows_.upper_bound({tenant.value, std::string(after)});
         at != workflows_.end() && at->first.first == tenant.value; ++at) {
        if (!visit(at->second.rbegin()->second)) return;
    }
}

}  // namespace millrace::runtime
