#include "runtime/api/routes.h"

#include "core/json_writer.h"

#include <map>
#include <vector>

namespace millrace::runtime::api {
namespace {

constexpr Route kRoutes[] = {
#define X(enumerator, owner, method, path, scope, query, doc) \
    {RouteId::enumerator,                                     \
     RouteOwner::owner,                                       \
     io::Method::method,                                      \
     path,                                                    \
     identity::Scope::scope,                                  \
     query,                                                   \
     doc,                                                     \
     #enumerator},
    MILLRACE_ROUTES(X)
#undef X
};

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    return out;
}

void append_parameter(core::JsonWriter& json, std::string_view name, std::string_view place) {
    json.begin_object().field("name", name).field("in", place).field("required", place == "path");
    json.key("schema").begin_object().field("type", "string").end_object().end_object();
}

void append_parameters(core::JsonWriter& json, const Route& route) {
    json.key("parameters").begin_array();
    for (std::size_t open = route.path.find('{'); open != std::string_view::npos;
         open = route.path.find('{', open + 1)) {
        append_parameter(json, route.path.substr(open + 1, route.path.find('}', open) - open - 1),
                         "path");
    }
    for_each_name(route.query, [&](std::string_view name) {
        if (name != "*") append_parameter(json, name, "query");
    });
    json.end_array();
}

void append_operation(core::JsonWriter& json, const Route& route) {
    json.key(lower(io::method_text(route.method))).begin_object();
    json.field("operationId", lower(route.name.substr(1, 1)) + std::string(route.name.substr(2)));
    json.field("summary", route.doc).field("x-scope", identity::scope_text(route.scope));
    append_parameters(json, route);
    const bool has_body = route.method == io::Method::kPost || route.method == io::Method::kPut ||
                          route.method == io::Method::kPatch;
    if (has_body) {
        json.key("requestBody").begin_object().key("content").begin_object();
        json.key("application/json")
            .begin_object()
            .key("schema")
            .begin_object()
            .end_object()
            .end_object();
        json.end_object().end_object();
    }
    json.key("responses").begin_object();
    json.key("2XX").begin_object().field("description", "Success").end_object();
    json.key("default").begin_object().field("description", "Error").key("content").begin_object();
    json.key("application/json").begin_object().key("schema").begin_object();
    json.field("$ref", "#/components/schemas/Error")
        .end_object()
        .end_object()
        .end_object()
        .end_object();
    json.end_object().end_object();
}

constexpr std::string_view kErrorSchema =
    R"({"type":"object","required":["success","error"],"properties":{"success":{"const":false},"error":{"type":"object",)"
    R"("required":["message","code","statusCode","details"],"properties":{"message":{"type":"string"},"code":{"type":"string"},)"
    R"("statusCode":{"type":"integer"},"details":{"type":"object"}}}}})";

}  // namespace

std::span<const Route> route_table() { return kRoutes; }

std::string openapi_json() {
    std::map<std::string_view, std::vector<const Route*>> by_path;
    for (const Route& route : kRoutes) by_path[route.path].push_back(&route);
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("openapi", "3.1.0");
    json.key("info").begin_object().field("title", "Millrace").field("version", "2").end_object();
    json.key("paths").begin_object();
    for (const auto& [path, routes] : by_path) {
        json.key(path).begin_object();
        for (const Route* route : routes) append_operation(json, *route);
        json.end_object();
    }
    json.end_object().key("components").begin_object().key("schemas").begin_object();
    json.raw_field("Error", kErrorSchema).end_object().end_object().end_object();
    return out;
}

}  // namespace millrace::runtime::api
