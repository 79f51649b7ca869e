// /v2/workflows: create, list, one, its versions, a further version, remove; execute.
#include "core/json_writer.h"
#include "runtime/api/handlers.h"
#include "runtime/orchestrator/orchestrator.h"
#include "runtime/registry/document_body.h"
#include "store/rows/registry_store.h"

#include <memory>
#include <utility>

namespace millrace::runtime::api {
namespace {

constexpr std::int64_t kWaitMsMax = 60'000;
constexpr std::size_t kRunsLookedAt = 10'000;

core::Error switched_off() {
    return {core::ErrorCode::kUnavailable,
            "workflows are switched off (executors.workflow.enabled)"};
}
core::Error busy() {
    return core::Error(core::ErrorCode::kUnavailable, "too many runs wait to be begun")
        .retry_after(1);
}

std::string workflow_view(const WorkflowVersion& of) {
    std::string out = of.body;
    out.pop_back();
    std::string rest;
    core::JsonWriter json(rest);
    json.begin_object().key("warnings").begin_array();
    for (const std::string& warning : of.definition.warnings) json.value(warning);
    json.end_array();
    time_field(json, "createdAt", of.created_at_us).end_object();
    return out + "," + rest.substr(1);
}

// A number, 0 when it is not there.
core::Result<std::uint32_t> version_of(const Call& call) {
    const std::string text = call.text("version");
    if (text.empty()) return 0;
    const bool digits = text.find_first_not_of("0123456789") == std::string::npos;
    const unsigned long value = digits && text.size() < 10 ? std::stoul(text) : 0;
    if (value != 0) return static_cast<std::uint32_t>(value);
    return core::fail(
        core::Error(core::ErrorCode::kValidation, "version: must be a whole number from 1 on")
            .in("version"));
}

Answer put(Call& call, std::string_view id, int fresh_status) {
    const auto strict = call.flag("strict");
    if (!strict) return core::fail(strict.error());
    const WorkflowServices of = call.services.workflows();
    if (!of.table) return core::fail(switched_off());
    if (auto key = of.keys->ensure(call.tenant(), call.services.clock().wall_us()); !key)
        return core::fail(key.error());
    auto made = of.table->put(call.tenant(), id, call.request.body_view(),
                              *strict ? workflow::Unknown::kRefuse : workflow::Unknown::kWarn,
                              identity::actor_of(call.request.principal));
    if (!made) return core::fail(std::move(made.error()));
    ApiResponse response =
        json_response(made->fresh ? fresh_status : 200, workflow_view(*made->version));
    if (made->fresh && fresh_status == 201)
        response.headers.emplace_back("Location", "/v2/workflows/" + made->version->id());
    return response;
}

struct ExecuteBody {
    RunRequest request;
    std::int64_t wait_ms = 0;
};

core::Result<ExecuteBody> read_execute(Call& call) {
    ExecuteBody out;
    core::JsonDocument document;
    const std::string_view body = call.request.body_view();
    auto in = document.parse_object(body.empty() ? "{}" : body);
    if (!in) return core::fail(std::move(in.error()));
    RunRequest& request = out.request;
    request.run.tenant = call.tenant();
    request.workflow_id = call.request.param("id");
    request.input = "{}";
    if (const auto input = in->any("input"); input && !input->is_null()) {
        request.input.clear();
        core::append_json(request.input, *input);
    }
    for (const char* name : {"runId", "run_id"}) in->text(name, request.run.id, {.bytes_min = 1});
    in->text("correlationId", request.correlation_id, {.bytes_min = 1, .bytes_max = 256});
    in->integer_as("version", request.version, 1, INT32_MAX);
    if (auto status = in->finish(); !status) return core::fail(status.error());
    const std::string& id = request.run.id;
    if (id.size() > 64 || (!id.empty() && !is_resource_id(id))) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "runId: at most 64 letters, digits and _ - . : @")
                              .in("runId")
                              .bound(64));
    }
    const std::string wait = call.text("wait");
    if (wait.empty()) return out;
    const bool digits = wait.find_first_not_of("0123456789") == std::string::npos;
    out.wait_ms = digits && wait.size() < 9 ? std::stol(wait) : -1;
    if (out.wait_ms < 0 || out.wait_ms > kWaitMsMax) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "wait: milliseconds from 0 to " + std::to_string(kWaitMsMax))
                              .in("wait")
                              .bound(kWaitMsMax));
    }
    return out;
}

std::string begun_body(const RunBegun& begun) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("runId", begun.run_id).field("duplicate", begun.duplicate);
    json.end_object();
    return body;
}

}  // namespace

Answer create_workflow(Call& call) { return put(call, {}, 201); }

Answer put_workflow(Call& call) {
    const std::string_view id = call.request.param("id");
    const WorkflowServices of = call.services.workflows();
    if (of.table && !of.table->find(call.tenant(), id)) return not_found("workflow", id);
    return put(call, id, 200);
}

Answer list_workflows(Call& call) {
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    const auto after = call.key_cursor();
    if (!after) return core::fail(after.error());
    const WorkflowServices of = call.services.workflows();
    if (!of.table) return core::fail(switched_off());
    ListBody body;
    std::size_t count = 0;
    std::string last, next;
    of.table->list(call.tenant(), *after, [&](const WorkflowRef& workflow) {
        if (count++ == *limit) {
            next = encode_key_cursor(last);
            return false;
        }
        body.json().raw(workflow_view(*workflow));
        last = workflow->id();
        return true;
    });
    return body.finish(next);
}

Answer get_workflow(Call& call) {
    const std::string_view id = call.request.param("id");
    const auto version = version_of(call);
    if (!version) return core::fail(version.error());
    const WorkflowServices of = call.services.workflows();
    const WorkflowRef found = of.table ? of.table->find(call.tenant(), id, *version) : nullptr;
    if (!found) return not_found(*version == 0 ? "workflow" : "version of the workflow", id);
    return json_response(200, workflow_view(*found));
}

Answer list_workflow_versions(Call& call) {
    const std::string_view id = call.request.param("id");
    const WorkflowServices of = call.services.workflows();
    const auto versions =
        of.table ? of.table->versions(call.tenant(), id) : std::vector<WorkflowRef>();
    if (versions.empty()) return not_found("workflow", id);
    ListBody body;
    for (auto at = versions.rbegin(); at != versions.rend(); ++at)
        body.json().raw(workflow_view(**at));
    return body.finish("");
}

// Runs are pinned to their version: it stays while one of them has not ended.
Answer delete_workflow(Call& call) {
    const std::string_view id = call.request.param("id");
    const auto version = version_of(call);
    if (!version) return core::fail(version.error());
    const WorkflowServices of = call.services.workflows();
    if (!of.table) return core::fail(switched_off());
    auto active = call.services.database().registry().list(
        kRunActiveKind, tenant_prefix(call.tenant()), {}, kRunsLookedAt);
    if (!active) return core::fail(active.error());
    std::size_t runs = 0;
    for (const auto& row : *active) {
        const auto mark = read_mark(row.json);
        runs += mark && mark->workflow_id == id;
    }
    if (runs != 0) {
        return core::fail(core::ErrorCode::kConflict,
                          "workflow \"" + std::string(id) + "\" has " + std::to_string(runs) +
                              " runs that have not ended; cancel or terminate them first");
    }
    auto removed =
        of.table->remove(call.tenant(), id, *version, identity::actor_of(call.request.principal));
    if (!removed) return core::fail(removed.error());
    return json_response(200, R"({"success":true})");
}

void execute_workflow(Call& call, const Respond& respond) {
    auto body = read_execute(call);
    if (!body) return respond(error_response(body.error()));
    Orchestrator* const orchestrator = call.services.workflows().orchestrator;
    if (!orchestrator) return respond(error_response(switched_off()));
    Services* const services = &call.services;
    const core::TenantId tenant = call.tenant();
    const std::int64_t wait_ms = body->wait_ms;
    const auto later = [services, respond](ApiResponse&& response) {
        const auto kept = std::make_shared<ApiResponse>(std::move(response));
        services->run_later([respond, kept] { respond(std::move(*kept)); });
    };
    const bool taken =
        orchestrator->begin(std::move(body->request), [=](core::Result<RunBegun>&& begun) {
            if (!begun) return later(error_response(begun.error()));
            if (wait_ms == 0) return later(json_response(202, begun_body(*begun)));
            const bool waits = orchestrator->wait_for_end(
                {tenant, begun->run_id}, wait_ms, [later](core::Result<std::string>&& view) {
                    later(view ? json_response(200, std::move(*view))
                               : error_response(view.error()));
                });
            if (!waits) later(json_response(202, begun_body(*begun)));
        });
    if (!taken) respond(error_response(busy()));
}

}  // namespace millrace::runtime::api
