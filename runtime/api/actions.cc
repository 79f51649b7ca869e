// POST /v2/actions/{id}/call: what a script does with sdk.actions.call, from outside.
#include "core/json_reader.h"
#include "core/made_id.h"
#include "runtime/api/audit.h"
#include "runtime/api/handlers.h"

namespace millrace::runtime::api {
namespace {

constexpr std::int64_t kCallMsMax = 120'000;

ApiResponse answered(const OutsideAnswer& answer) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("success", answer.code.empty());
    if (answer.status != 0) json.field("status", answer.status);
    json.raw_field("result", answer.json.empty() ? "null" : std::string_view(answer.json));
    if (!answer.code.empty()) {
        json.key("error").begin_object().field("code", answer.code);
        json.field("message", answer.message).end_object();
    }
    json.end_object();
    return json_response(200, std::move(body));
}

}  // namespace

void call_action(Call& call, const Respond& respond) {
    const std::string id(call.request.param("id"));
    if (!call.services.registry().table<Action>().find(call.tenant(), id))
        return respond(error_response(not_found("action", id).value()));
    OutsideAsk ask;
    ask.input_json = "{}";
    if (!call.request.body_view().empty()) {
        core::JsonDocument document;
        auto in = document.parse_object(call.request.body_view());
        if (!in) return respond(error_response(in.error()));
        if (const auto input = in->any("input")) ask.input_json = input->raw();
        if (auto status = in->finish(); !status) return respond(error_response(status.error()));
    }
    ask.tenant = call.tenant();
    ask.name = id;
    ask.key = core::make_id("call_", call.services.random(), 21);
    ask.timeout_ms = kCallMsMax;
    audit(call, "call", "action", id);
    call.services.call_action(std::move(ask), [respond](OutsideAnswer&& answer) {
        if (answer.code == "BUSY") {
            return respond(error_response(
                core::Error(core::ErrorCode::kRateLimited, answer.message).retry_after(1)));
        }
        respond(answered(answer));
    });
}

}  // namespace millrace::runtime::api
