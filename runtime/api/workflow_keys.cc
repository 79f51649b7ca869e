// /v2/workflow-keys: which versions there are of the key that wraps the keys of a tenant's runs; a
// new one.
#include "core/json_writer.h"
#include "runtime/api/audit.h"
#include "runtime/api/handlers.h"
#include "runtime/api/workflow_answers.h"
#include "runtime/orchestrator/orchestrator.h"

#include <string>
#include <utility>

namespace millrace::runtime::api {
Answer list_workflow_keys(Call& call) {
    const RunKeys* const keys = call.services.workflows().keys;
    if (!keys) return core::fail(workflows_off());
    ListBody body;
    const auto versions = keys->versions(call.tenant());
    for (auto at = versions.rbegin(); at != versions.rend(); ++at) {
        body.json().begin_object().field("version", at->number);
        body.json().field("current", at == versions.rbegin());
        time_field(body.json(), "createdAt", at->created_at_us).end_object();
    }
    return body.finish("");
}

// The old one stays until nothing is wrapped with it any more.
Answer rotate_workflow_key(Call& call) {
    core::JsonDocument document;
    const std::string_view sent = call.request.body_view();
    auto in = document.parse_object(sent.empty() ? "{}" : sent);
    if (!in) return core::fail(std::move(in.error()));
    bool dry_run = false;
    in->boolean("dryRun", dry_run);
    if (auto status = in->finish(); !status) return core::fail(status.error());
    const WorkflowServices of = call.services.workflows();
    if (!of.keys || !of.orchestrator) return core::fail(workflows_off());
    std::uint32_t version = of.keys->newest(call.tenant()) + 1;
    if (!dry_run) {
        const std::string entry =
            audit_entry(call.request.principal, "rotate", "workflow_key", std::to_string(version),
                        {}, audit_members(call.request));
        const auto made = of.keys->rotate(call.tenant(), call.services.clock().wall_us(), entry);
        if (!made) return core::fail(made.error());
        version = *made;
        of.orchestrator->key_rotated();
    }
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("version", version);
    if (dry_run) json.field("dryRun", true);
    json.end_object();
    return json_response(200, std::move(body));
}

}  // namespace millrace::runtime::api
