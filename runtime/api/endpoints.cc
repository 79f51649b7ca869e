// /v2/endpoint/:method/:route: a call runs the script of an endpoint and is answered when what it
// did is durable; at once, when that is nothing. In this order: is there such a route (404), may a
// page of another origin ask (403, while no key exists), who asks (401), how often (429), was it
// asked before (Idempotency-Key), run.
#include "runtime/api/endpoint_input.h"
#include "runtime/api/handlers.h"
#include "runtime/api/request_trace.h"
#include "runtime/api/script_subscriptions.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

namespace millrace::runtime::api {
namespace {

constexpr std::size_t kIdempotencyKeyBytesMax = 255;

std::string upper(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    return out;
}

// Whoever may do anything here at all: a key, or this machine while there is none.
bool is_known(const identity::Principal& principal) {
    return principal.key || principal.scopes.has(identity::Scope::kApiRead);
}

std::string rate_text(double rate) {
    std::string text;
    core::append_number(text, rate);
    return text;
}

using Headers = identity::CorsOrigins::Headers;

// Its own rule, else the server's.
identity::CorsOrigins origins_of(const Endpoint& endpoint, const ApiRequest& request) {
    if (!endpoint.cors.empty()) return identity::CorsOrigins(endpoint.origins);
    return request.cors ? *request.cors : identity::CorsOrigins();
}

// What a browser wants to read before its page may have the answer.
Headers cors_headers(const Endpoint& endpoint, const ApiRequest& request) {
    return origins_of(endpoint, request).answer_headers(request.header("Origin"));
}

ApiResponse preflight(const Endpoint& endpoint, const ApiRequest& request) {
    ApiResponse response{.status = 204, .content_type = {}, .headers = {}, .body = {}};
    response.headers = cors_headers(endpoint, request);
    response.headers.emplace_back("Allow", endpoint.method + ", OPTIONS");
    if (origins_of(endpoint, request).allows(request.header("Origin"))) {
        identity::add_preflight_headers(response.headers, endpoint.method,
                                        request.header("Access-Control-Request-Headers"));
    }
    return response;
}

// One policy with one name, "rate"; less than one call a second is one in so many seconds.
core::Error too_often(const Endpoint& endpoint, std::int64_t wait_ms) {
    return core::Error(core::ErrorCode::kRateLimited,
                       "this endpoint takes " + rate_text(endpoint.rate) + " calls a second")
        .in("rate")
        .bound(std::max<std::int64_t>(1, static_cast<std::int64_t>(endpoint.rate)))
        .retry_after((wait_ms + 999) / 1000);
}

void tell_window(ApiResponse& response, double rate) {
    if (rate >= 1) return;
    for (auto& [name, value] : response.headers) {
        if (name == "RateLimit-Policy")
            value =
                "\"rate\";q=1;w=" + std::to_string(static_cast<std::int64_t>(std::ceil(1 / rate)));
    }
}

ApiResponse answer_response(EndpointAnswer&& answer) {
    return {.status = answer.status,
            .content_type = std::move(answer.content_type),
            .headers = std::move(answer.headers),
            .body = std::move(answer.body)};
}

// What went wrong inside is in the execution, not in the answer.
ApiResponse failure_response(const ScriptRunResult& result) {
    std::string body;
    core::JsonWriter json(body);
    const std::string_view first =
        std::string_view(result.error)
            .substr(0, std::min<std::size_t>(result.error.find('\n'), 512));
    json.begin_object().field("success", false).key("error").begin_object();
    json.field("message", first);
    json.field("code", core::error_code_text(core::ErrorCode::kInternal)).field("statusCode", 500);
    json.key("details").begin_object().field("reason", result.reason);
    json.field("executionId", result.execution_id).end_object().end_object().end_object();
    return json_response(500, std::move(body));
}

std::uint64_t request_hash(const ApiRequest& request) {
    const std::string head = std::string(io::method_text(request.method)) + " " +
                             std::string(request.param("*")) + "?" + request.query;
    const std::string_view body = request.body_view();
    return XXH3_64bits_withSeed(body.data(), body.size(), XXH3_64bits(head.data(), head.size()));
}

// One call on its way.
struct EndpointRun {
    Call& call;
    EndpointMatch match;
    identity::Principal caller = call.request.principal;
    core::TenantId tenant = {};
    bool authenticated = false;
    std::string answer_id = {};
    std::uint64_t hash = 0;

    const Endpoint& endpoint() const { return *match.endpoint; }
    bool find_tenant();
    core::Status find();
    core::Status admit_page();
    core::Status admit();
    // An answer that is there already.
    core::Result<std::optional<EndpointAnswer>> recall();
    core::Result<ScriptRunRequest> request();
};

// Somebody who is not known says whose endpoint is meant; false: there is no such tenant.
bool EndpointRun::find_tenant() {
    tenant = call.tenant();
    if (is_known(caller)) return true;
    const auto named = call.request.query_value("tenant");
    if (!named) return true;
    if (*named == tenant_name(kPlatform)) {
        tenant = kPlatform;
        return true;
    }
    const TenantRef found = call.services.registry().table<Tenant>().find(kPlatform, *named);
    if (!found || found->suspended) return false;
    tenant = found->self();
    return true;
}

core::Status EndpointRun::find() {
    const ApiRequest& request = call.request;
    const std::string wanted = upper(request.param("method"));
    const bool asks = request.method == io::Method::kOptions;
    std::string_view used = io::method_text(request.method);
    if (request.method == io::Method::kHead) used = "GET";
    if (find_tenant()) {
        match = call.services.endpoints().find(*call.services.registry().snapshot(), tenant, wanted,
                                               request.param("*"));
    }
    if (!match.endpoint)
        return core::fail(
            core::ErrorCode::kNotFound,
            "no endpoint takes " + wanted + " " + std::string(request.param("*").substr(0, 256)));
    if (asks || used == wanted) return {};
    return core::fail(core::ErrorCode::kMethodNotAllowed,
                      "the path is for " + wanted + ", the request is " + std::string(used));
}

// While no key exists everybody on this machine has every right, and a browser is on it: a page
// that the endpoint names has them as well, one that it lets in with all others comes as nobody.
core::Status EndpointRun::admit_page() {
    const core::Error& refused = call.request.page_refused;
    if (refused.message.empty()) return {};
    const std::string_view origin = call.request.header("Origin");
    const identity::CorsOrigins origins =
        match.endpoint ? origins_of(endpoint(), call.request) : identity::CorsOrigins();
    if (!origins.allows(origin)) return core::fail(refused);
    if (!origins.names(origin)) {
        caller = {};
        caller.peer = call.request.principal.peer;
    }
    return {};
}

core::Status EndpointRun::admit() {
    authenticated = endpoint().auth != EndpointAuth::kNone && is_known(caller);
    if (endpoint().auth == EndpointAuth::kRequired && !authenticated)
        return core::fail(core::ErrorCode::kUnauthorized, "this endpoint needs an API key");
    const std::int64_t wait_ms =
        call.services.endpoints().wait_ms(endpoint(), call.services.clock().monotonic_ns());
    if (wait_ms == 0) return {};
    return core::fail(too_often(endpoint(), wait_ms));
}

core::Result<std::optional<EndpointAnswer>> EndpointRun::recall() {
    const std::string_view key = call.request.header("Idempotency-Key");
    if (key.empty()) return std::nullopt;
    if (key.size() > kIdempotencyKeyBytesMax) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "Idempotency-Key: is longer than 255 bytes")
                .in("Idempotency-Key")
                .bound(kIdempotencyKeyBytesMax));
    }
    hash = request_hash(call.request);
    const std::string id = EndpointTable::answer_id(endpoint(), key, caller.key_id());
    auto answer = call.services.endpoints().begin(call.services.database(), id, hash,
                                                  call.services.clock().wall_us());
    if (answer && !*answer) answer_id = id;
    return answer;
}

core::Result<ScriptRunRequest> EndpointRun::request() {
    auto input = endpoint_input(call.request, match, authenticated);
    if (!input) return core::fail(std::move(input.error()));
    ScriptRunRequest run;
    run.script = call.services.registry().find_script(tenant, endpoint().script_id);
    if (!run.script || !run.script->enabled)
        return not_found("enabled script of endpoint", endpoint().id);
    if (auto allowed = may_run(caller, *run.script); !allowed)
        return core::fail(std::move(allowed.error()));
    run.caller = caller;
    run.caller.tenant = tenant;
    run.input_json = std::move(*input);
    EndpointCall& made = run.endpoint.emplace();
    made.name = endpoint().name;
    const std::int64_t most_ms = run.script->timeout_ms;
    made.timeout_ms = static_cast<std::uint32_t>(
        endpoint().timeout_ms > 0 ? std::min(endpoint().timeout_ms, most_ms) : most_ms);
    made.authenticated = authenticated;
    made.answer_id = answer_id;
    made.request_hash = hash;
    made.old_answers = call.services.endpoints().take_old(call.services.database(),
                                                          call.services.clock().wall_us());
    return run;
}

}  // namespace

void call_endpoint(Call& call, const Respond& respond) {
    EndpointRun run{call, {}};
    const core::Status found = run.find();
    if (auto page = run.admit_page(); !page) return respond(error_response(page.error()));
    if (!found) {
        ApiResponse response = error_response(found.error());
        if (response.status == 405)
            response.headers.emplace_back("Allow", run.endpoint().method + ", OPTIONS");
        return respond(std::move(response));
    }
    if (call.request.method == io::Method::kOptions)
        return respond(preflight(run.endpoint(), call.request));
    const Headers cors = cors_headers(run.endpoint(), call.request);
    const auto reply = [respond, cors](ApiResponse&& response) {
        response.headers.insert(response.headers.end(), cors.begin(), cors.end());
        respond(std::move(response));
    };
    if (auto admitted = run.admit(); !admitted) {
        ApiResponse response = error_response(admitted.error());
        if (response.status == 429) tell_window(response, run.endpoint().rate);
        return reply(std::move(response));
    }
    auto known = run.recall();
    if (!known) return reply(error_response(known.error()));
    if (*known) {
        ApiResponse response = answer_response(std::move(**known));
        response.headers.emplace_back("Idempotency-Replayed", "true");
        return reply(std::move(response));
    }
    Services& services = call.services;
    auto request = run.request();
    if (!request) {
        if (!run.answer_id.empty()) services.endpoints().end(run.answer_id, false, 0);
        return reply(error_response(request.error()));
    }
    request->trace = trace_of_request(call.request);
    const ScriptRef script = request->script;
    const identity::Principal caller = request->caller;
    services.run_script(std::move(*request), [reply, &services, script, caller,
                                              id = run.answer_id](ScriptRunResult&& result) {
        // What touches the API thread's own is for those that come there: with a key to be kept, or
        // with subscriptions.
        const bool ok = result.status && result.error.empty();
        if (!id.empty()) services.endpoints().end(id, ok, services.clock().wall_us());
        if (!result.status) return reply(error_response(result.status.error()));
        if (!ok) return reply(failure_response(result));
        const auto made =
            make_script_subscriptions(services, caller, *script, result.subscriptions);
        reply(made ? answer_response(std::move(result.answer)) : error_response(made.error()));
    });
}

}  // namespace millrace::runtime::api
