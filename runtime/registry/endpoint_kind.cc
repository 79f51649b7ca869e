// Endpoints as documents: their body, their row.
#include "core/json_reader.h"
#include "runtime/identity/cors.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/endpoint.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace millrace::runtime {
namespace {

using core::JsonObject;
using core::Presence;

constexpr std::array<std::pair<std::string_view, EndpointAuth>, 3> kAuths = {
    {{"required", EndpointAuth::kRequired},
     {"optional", EndpointAuth::kOptional},
     {"none", EndpointAuth::kNone}}};
constexpr std::string_view kEndpointMethods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

// Calls visit(segment) for each; an empty route has none.
template <typename Visit>
void each_segment(std::string_view route, Visit&& visit) {
    while (!route.empty()) {
        const std::string_view segment = route.substr(0, route.find('/'));
        route.remove_prefix(std::min(route.size(), segment.size() + 1));
        visit(segment);
    }
}

bool is_name(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
    });
}

void read_method(JsonObject& in, Endpoint& out) {
    std::string method;
    if (!in.text("method", method)) return;
    for (char& c : method) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    if (std::find(std::begin(kEndpointMethods), std::end(kEndpointMethods), method) ==
        std::end(kEndpointMethods))
        return in.refuse("method", "is none of GET, POST, PUT, PATCH, DELETE");
    out.method = std::move(method);
}

void read_route(JsonObject& in, Endpoint& out) {
    std::string route;
    const auto presence = out.route.empty() ? Presence::kRequired : Presence::kOptional;
    if (!in.text("route", route,
                 {.presence = presence, .bytes_min = 1, .bytes_max = kEndpointRouteBytesMax}))
        return;
    if (route.front() == '/') route.erase(0, 1);
    if (route.empty() || route.back() == '/' || route.find("//") != std::string::npos)
        return in.refuse("route", "has an empty segment; expected orders/:id");
    std::size_t segments = 0;
    std::set<std::string_view> names;
    std::string wrong;
    bool ended = false;
    each_segment(route, [&](std::string_view segment) {
        ++segments;
        if (ended) wrong = "has segments behind *, which takes all that follow";
        if (segment == "*") {
            ended = true;
        } else if (segment.front() == ':') {
            if (!is_name(segment.substr(1)))
                wrong = "has a parameter without a name of letters, digits and _";
            else if (!names.insert(segment).second)
                wrong = "has the parameter " + std::string(segment) + " twice";
        } else if (segment == "." || segment == ".." ||
                   segment.find_first_of("*:?#%\\ \t\r\n") != std::string_view::npos) {
            wrong = "has a segment that no path can have; expected words, :name and * at the end";
        }
    });
    if (segments > kEndpointSegmentsMax)
        wrong = "has more than " + std::to_string(kEndpointSegmentsMax) + " segments";
    if (!wrong.empty()) return in.refuse("route", wrong);
    out.route = std::move(route);
}

void read_cors(JsonObject& in, Endpoint& out) {
    const auto given = in.any("cors");
    if (!given) return;
    out.cors.clear();
    out.origins.clear();
    bool any = false;
    if (given->is_null()) return;
    if (given->get(any)) {
        out.cors = any ? "true" : "false";
        if (any) out.origins = {"*"};
        return;
    }
    auto inner = in.object("cors");
    if (!inner) return;
    constexpr std::size_t kOriginsMax = 64;
    inner->text_list("origins", out.origins, kOriginsMax);
    for (const std::string& origin : out.origins) {
        if (!identity::is_cors_origin(origin)) {
            inner->refuse("origins", "has \"" + origin.substr(0, 64) +
                                         "\"; expected https://app.example, or * for all");
        }
    }
    (void)inner->finish();
    in.join(*inner);
    out.cors = member_text(in, "cors");
}

core::Status read(std::string_view body, Endpoint& out) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    read_document_names(*in, out.id, out.name);
    in->text("code", out.code, {.bytes_min = 1, .bytes_max = kResourceIdBytesMax});
    if (out.id.empty() && is_resource_id(out.code)) out.id = out.code;
    read_method(*in, out);
    read_route(*in, out);
    in->text("scriptId", out.script_id,
             {.presence = out.script_id.empty() ? Presence::kRequired : Presence::kOptional,
              .bytes_min = 1,
              .bytes_max = kResourceIdBytesMax});
    in->choice("auth", out.auth, kAuths);
    in->number("rate", out.rate, 0, kEndpointRateMax);
    in->integer("timeoutMs", out.timeout_ms, 0, kScriptTimeoutMsMax);
    read_cors(*in, out);
    read_over_server_members(*in);
    return in->finish();
}

std::string show(const Endpoint& endpoint) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", endpoint.id).field("name", endpoint.name);
    json.field("code", endpoint.code.empty() ? endpoint.id : endpoint.code);
    json.field("method", endpoint.method).field("route", endpoint.route);
    json.field("scriptId", endpoint.script_id).field("auth", endpoint_auth_text(endpoint.auth));
    if (endpoint.rate > 0) json.field("rate", endpoint.rate);
    if (endpoint.timeout_ms > 0) json.field("timeoutMs", endpoint.timeout_ms);
    if (!endpoint.cors.empty()) json.raw_field("cors", endpoint.cors);
    append_document_times(json, endpoint.version, endpoint.created_at_us, endpoint.updated_at_us);
    json.end_object();
    return out;
}

void references(const Endpoint& endpoint, const VisitReference& visit) {
    visit({"script", endpoint.script_id, "scriptId", endpoint.script.value});
}

constexpr DocumentKind<Endpoint> kEndpointKind = {
    .name = "endpoint",
    .id_prefix = "ep_",
    .documents_max = kEndpointsMax,
    .read = read,
    .show = show,
    .references = references,
    .link = [](const DocumentReference& found,
               Endpoint& next) { next.script = ScriptNumber(found.number); },
};

}  // namespace

std::string_view endpoint_auth_text(EndpointAuth auth) {
    return kAuths[static_cast<std::size_t>(auth)].first;
}

std::string route_shape(std::string_view route) {
    std::string shape;
    each_segment(route, [&](std::string_view segment) {
        shape += segment.front() == ':' ? std::string_view(":") : segment;
        shape += '/';
    });
    return shape;
}

template <>
const DocumentKind<Endpoint>& document_kind<Endpoint>() {
    return kEndpointKind;
}

}  // namespace millrace::runtime
