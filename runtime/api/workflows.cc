// /v2/workflows: create, list, one, its versions, a further version, remove; execute. A version
// never changes: what others do by PUT and PATCH makes a further one.
#include "core/json_dom.h"
#include "core/json_writer.h"
#include "runtime/api/documents.h"
#include "runtime/api/handlers.h"
#include "runtime/api/workflow_answers.h"
#include "runtime/orchestrator/orchestrator.h"
#include "runtime/orchestrator/runs_left.h"
#include "runtime/registry/document_body.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace millrace::runtime::api {
namespace {

constexpr std::int64_t kWaitMsMax = 60'000;

core::Error too_many_begin() {
    return core::Error(core::ErrorCode::kUnavailable, "too many runs wait to be begun")
        .retry_after(1);
}

DocumentTable<Workflow>& workflow_documents(Call& call) {
    return call.services.registry().table<Workflow>();
}

// A number, 0 when it is not there.
core::Result<std::uint32_t> version_asked(const Call& call) {
    const std::string text = call.text("version");
    if (text.empty()) return 0;
    const bool digits = text.find_first_not_of("0123456789") == std::string::npos;
    const unsigned long value = digits && text.size() < 10 ? std::stoul(text) : 0;
    if (value != 0) return static_cast<std::uint32_t>(value);
    return core::fail(
        core::Error(core::ErrorCode::kValidation, "version: must be a whole number from 1 on")
            .in("version"));
}

WorkflowRef find_version(Call& call, std::string_view id, std::uint32_t version) {
    if (version == 0) return workflow_documents(call).find(call.tenant(), id);
    for (const WorkflowRef& one : workflow_documents(call).versions(call.tenant(), id)) {
        if (one->version == version) return one;
    }
    return nullptr;
}

core::Error version_is_taken(const Workflow& there) {
    return core::Error(core::ErrorCode::kConflict,
                       "version: workflow \"" + there.id + "\" has a version " +
                           std::to_string(there.version) +
                           " that says something else, and a version never changes; give this one "
                           "a new number")
        .in("version");
}

// The one that this body would be again; null: it is a new one.
core::Result<WorkflowRef> same_again(Call& call, const Workflow& sent, const WorkflowRef& newest) {
    if (sent.version == 0) return newest && newest->says_what(sent) ? newest : WorkflowRef();
    WorkflowRef there = find_version(call, sent.id, sent.version);
    if (there && !there->says_what(sent)) return core::fail(version_is_taken(*there));
    return there;
}

core::Status check_versions(Call& call, const std::string& id) {
    if (workflow_documents(call).versions(call.tenant(), id).size() < kWorkflowVersionsMax)
        return {};
    return core::fail(
        core::Error(core::ErrorCode::kConflict, "workflow \"" + id + "\" has " +
                                                    std::to_string(kWorkflowVersionsMax) +
                                                    " versions, which is the limit; remove some")
            .bound(kWorkflowVersionsMax));
}

// Whoever lets runs go on looks here.
void show_versions(Call& call, const std::string& id) {
    if (WorkflowTable* const shown = call.services.workflows().table)
        shown->show(call.tenant(), id, workflow_documents(call).versions(call.tenant(), id));
}

// What would be made, and nothing is.
Answer only_looked_at(const Workflow& sent, const WorkflowRef& newest) {
    Workflow made = sent;
    if (made.version == 0) made.version = newest ? newest->version + 1 : 1;
    ApiResponse response = json_response(200, document_kind<Workflow>().show(made));
    response.body.insert(1, "\"dryRun\":true,");
    return response;
}

// `id` empty: the body says it.
Answer put_version(Call& call, std::string_view id, std::string_view body) {
    const auto strict = call.flag("strict");
    if (!strict) return core::fail(strict.error());
    const auto dry_run = call.flag("dryRun");
    if (!dry_run) return core::fail(dry_run.error());
    const auto sent = read_workflow(
        call.tenant(), id, body, *strict ? workflow::Unknown::kRefuse : workflow::Unknown::kWarn);
    if (!sent) return core::fail(sent.error());
    const WorkflowRef newest = workflow_documents(call).find(call.tenant(), sent->id);
    if (newest) {
        if (auto agreed =
                check_precondition(call.request.header("If-Match"), document_etag(*newest));
            !agreed)
            return core::fail(agreed.error());
    }
    const auto same = same_again(call, *sent, newest);
    if (!same) return core::fail(same.error());
    if (*same) return document_response(200, **same);
    if (auto room = check_versions(call, sent->id); !room) return core::fail(room.error());
    if (*dry_run) return only_looked_at(*sent, newest);
    if (RunKeys* const keys = call.services.workflows().keys) {
        if (auto key = keys->ensure(call.tenant(), call.services.clock().wall_us()); !key)
            return core::fail(key.error());
    }
    auto made = newest ? workflow_documents(call).put(change_context(call), sent->id, body)
                       : workflow_documents(call).create(change_context(call), body);
    const bool by_post = id.empty();
    auto answer = changed<Workflow>(call, std::move(made), by_post || !newest ? 201 : 200);
    if (answer && by_post && newest)
        answer->headers.emplace_back("Location", "/v2/workflows/" + sent->id);
    return answer;
}

// Runs are pinned to their version: it stays while one of them has not ended. `version` 0: any.
core::Status check_no_runs(Call& call, std::string_view id, std::uint32_t version) {
    const auto runs =
        count_runs_left(call.services.database().registry(), call.tenant(), id, version);
    if (!runs) return core::fail(runs.error());
    if (*runs == 0) return {};
    return core::fail(core::ErrorCode::kConflict,
                      "workflow \"" + std::string(id) + "\" has " + std::to_string(*runs) +
                          " runs that have not ended; cancel or terminate them first");
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

// Without an id it gets one, as any document does.
Answer create_workflow(Call& call) {
    const std::string_view body = call.request.body_view();
    core::JsonDom dom;
    const auto root = dom.parse(body);
    core::JsonElement given;
    if (!root || !root->is_object() || root->find("id", given)) return put_version(call, {}, body);
    const auto strict = call.flag("strict");
    if (!strict) return core::fail(strict.error());
    const std::string made =
        make_document_id(document_kind<Workflow>().id_prefix, call.services.random());
    // What is wrong with it is told by its places in what was sent.
    const auto sent = read_workflow(
        call.tenant(), made, body, *strict ? workflow::Unknown::kRefuse : workflow::Unknown::kWarn);
    if (!sent) return core::fail(sent.error());
    std::string with(body);
    with.insert(with.find('{') + 1, R"("id":")" + made + R"(",)");
    return put_version(call, {}, with);
}

Answer put_workflow(Call& call) {
    const std::string_view id = call.request.param("id");
    if (!workflow_documents(call).find(call.tenant(), id)) return not_found("workflow", id);
    return put_version(call, id, call.request.body_view());
}

// The newest version with the patch on it; a number that the patch does not give is the next one.
Answer patch_workflow(Call& call) {
    const std::string_view id = call.request.param("id");
    const WorkflowRef newest = workflow_documents(call).find(call.tenant(), id);
    if (!newest) return not_found("workflow", id);
    const DocumentKind<Workflow>& kind = document_kind<Workflow>();
    auto merged = merge_document(kind.show(*newest), call.request.body_view(), kind.replaced_whole);
    if (!merged) return core::fail(std::move(merged.error()));
    core::JsonDocument document;
    auto patch = document.parse_object(call.request.body_view());
    if (!patch) return core::fail(std::move(patch.error()));
    if (!patch->any("version")) {
        merged = core::json_merge_patch(*merged, R"({"version":null})");
        if (!merged) return core::fail(std::move(merged.error()));
    }
    return put_version(call, id, *merged);
}

Answer list_workflows(Call& call) { return list_documents<Workflow>(call); }

Answer get_workflow(Call& call) {
    const std::string_view id = call.request.param("id");
    const auto version = version_asked(call);
    if (!version) return core::fail(version.error());
    const WorkflowRef found = find_version(call, id, *version);
    if (!found) return not_found(*version == 0 ? "workflow" : "version of the workflow", id);
    return document_response(200, *found);
}

Answer list_workflow_versions(Call& call) { return list_document_versions<Workflow>(call); }

Answer delete_workflow(Call& call) {
    const std::string id(call.request.param("id"));
    const auto version = version_asked(call);
    if (!version) return core::fail(version.error());
    if (auto none = check_no_runs(call, id, *version); !none) return core::fail(none.error());
    const auto versions = workflow_documents(call).versions(call.tenant(), id);
    const bool last = versions.size() == 1 && versions.front()->version == *version;
    if (*version == 0 || last) return delete_document<Workflow>(call);
    if (auto removed = workflow_documents(call).remove_version(change_context(call), id, *version);
        !removed)
        return core::fail(removed.error());
    show_versions(call, id);
    return json_response(200, R"({"success":true})");
}

void execute_workflow(Call& call, const Respond& respond) {
    auto body = read_execute(call);
    if (!body) return respond(error_response(body.error()));
    Orchestrator* const orchestrator = call.services.workflows().orchestrator;
    if (!orchestrator) return respond(error_response(workflows_off()));
    Services* const services = &call.services;
    const core::TenantId tenant = call.tenant();
    if (auto key = services->workflows().keys->ensure(tenant, services->clock().wall_us()); !key)
        return respond(error_response(key.error()));
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
    if (!taken) respond(error_response(too_many_begin()));
}

}  // namespace millrace::runtime::api
