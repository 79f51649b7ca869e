// POST /v2/script/run: an API run of a script, answered when the lane has run it.
#include "runtime/api/handlers.h"
#include "runtime/api/request_trace.h"
#include "runtime/event/snake_names.h"

namespace millrace::runtime::api {
namespace {

// What the handler sees: {"query","body"}, or an event as it was given, for a look at what a
// handler of events does with it.
core::Status read_input(core::JsonObject& in, std::string& input) {
    const auto query = in.object("query");
    const auto body = in.any("body");
    const auto event = in.object("event");
    if (event && (query || body)) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "body: a run gets an event, or a query and a body; not both")
                              .in("event"));
    }
    if (event) {
        core::append_json(input, *in.any("event"));
        return {};
    }
    input = "{\"query\":";
    if (query)
        core::append_json(input, *in.any("query"));
    else
        input += "{}";
    input += ",\"body\":";
    if (body)
        core::append_json(input, *body);
    else
        input += "{}";
    input += '}';
    return {};
}

core::Result<ScriptRunRequest> read_run(Call& call) {
    core::JsonDocument document;
    const auto sent = camel_case_body(call.request.body_view());
    if (!sent) return core::fail(sent.error());
    auto in = document.parse_object(*sent);
    if (!in) return core::fail(std::move(in.error()));
    std::string script_id;
    in->text("scriptId", script_id,
             {.presence = core::Presence::kRequired, .bytes_max = kResourceIdBytesMax});
    std::string input;
    if (auto status = read_input(*in, input); !status) return core::fail(status.error());
    if (auto status = in->finish(); !status) return core::fail(status.error());

    ScriptRunRequest request;
    request.script = call.services.registry().find_script(call.tenant(), script_id);
    if (!request.script) return not_found("script", script_id);
    if (!request.script->enabled) {
        return core::fail(core::ErrorCode::kForbidden,
                          "script \"" + script_id +
                              "\" is disabled; enable it with PUT /v2/scripts/" + script_id);
    }
    const identity::Principal& caller = call.request.principal;
    if (auto allowed = may_run(caller, *request.script); !allowed)
        return core::fail(std::move(allowed.error()));
    request.caller = caller;
    request.input_json = std::move(input);
    return request;
}

std::string_view or_else(const std::string& json, std::string_view otherwise) {
    return json.empty() ? otherwise : std::string_view(json);
}

ApiResponse run_response(const ScriptRunResult& result) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object();
    if (result.error.empty()) {
        json.field("success", true).raw_field("result", or_else(result.result_json, "null"));
        json.raw_field("logs", or_else(result.logs_json, "[]"))
            .field("executionId", result.execution_id);
        json.field("durationMs", static_cast<double>(result.duration_us) / 1000.0).end_object();
        return json_response(200, std::move(body));
    }
    json.field("success", false).key("error").begin_object().field("message", result.error);
    json.field("code", core::error_code_text(core::ErrorCode::kInternal)).field("statusCode", 500);
    json.key("details").begin_object().field("reason", result.reason);
    json.field("executionId", result.execution_id);
    json.raw_field("logs", or_else(result.logs_json, "[]"));
    json.field("durationMs", static_cast<double>(result.duration_us) / 1000.0);
    json.end_object().end_object().end_object();
    return json_response(500, std::move(body));
}

}  // namespace

core::Status may_run(const identity::Principal& caller, const Script& script) {
    if (!caller.key || script.may_be_run_by(caller.key->id, identity::role_text(caller.key->role)))
        return {};
    return core::fail(core::ErrorCode::kForbidden,
                      "script \"" + script.id + "\" does not allow this key to run it");
}

void run_script(Call& call, const Respond& respond) {
    auto request = read_run(call);
    if (!request) return respond(error_response(request.error()));
    request->trace = trace_of_request(call.request);
    call.services.run_script(std::move(*request), [respond](ScriptRunResult&& result) {
        respond(result.status ? run_response(result) : error_response(result.status.error()));
    });
}

}  // namespace millrace::runtime::api
