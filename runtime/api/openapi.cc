#include "runtime/api/openapi.h"

#include "core/json_writer.h"
#include "core/listed.h"

#include <algorithm>
#include <map>
#include <vector>

namespace millrace::runtime::api {
namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    return out;
}

// What query parameters are, where they are no text.
constexpr std::pair<std::string_view, std::string_view> kParameterTypes[] = {
    {"limit", R"({"type":"integer","minimum":1,"maximum":1000,"default":100})"},
    {"n", R"({"type":"integer","minimum":1,"maximum":1000})"},
    {"order", R"({"type":"string","enum":["asc","desc"]})"},
    {"active", R"({"type":"boolean"})"},
    {"atomic", R"({"type":"string","enum":["0","1"]})"},
    {"ids", R"({"type":"string","enum":["0","1"]})"},
    {"durability", R"({"type":"string","enum":["fsync","os","memory"]})"},
    {"sourceType", R"({"type":"string","enum":["workflow","task","integration","external"]})"},
};

void append_parameter(core::JsonWriter& json, std::string_view name, std::string_view place) {
    json.begin_object().field("name", name).field("in", place).field("required", place == "path");
    const auto* typed = std::find_if(std::begin(kParameterTypes), std::end(kParameterTypes),
                                     [name](const auto& one) { return one.first == name; });
    json.raw_field("schema", typed == std::end(kParameterTypes) || place == "path"
                                 ? R"({"type":"string"})"
                                 : typed->second);
    json.end_object();
}

void append_parameters(core::JsonWriter& json, const Route& route) {
    json.key("parameters").begin_array();
    for (std::size_t open = route.path.find('{'); open != std::string_view::npos;
         open = route.path.find('{', open + 1)) {
        append_parameter(json, route.path.substr(open + 1, route.path.find('}', open) - open - 1),
                         "path");
    }
    core::each_listed(route.query, [&](std::string_view name) {
        if (name != "*") append_parameter(json, name, "query");
    });
    json.end_array();
}

constexpr std::string_view kMissing =
    R"("missing":{"$ref":"#/components/schemas/MissingPartitions"})";

// {"$ref":...} of a component; of a list the page around it, with `more` of its members.
std::string schema_of_one(std::string_view shape, std::string_view more) {
    const bool list = shape.starts_with('[');
    if (list) shape = shape.substr(1, shape.size() - 2);
    std::string item = "{\"$ref\":\"#/components/schemas/" + std::string(shape) + "\"}";
    if (!list) return item;
    return R"({"type":"object","required":["items","next"],"properties":{"items":{"type":"array","items":)" +
           item + R"(},"next":{"type":["string","null"]})" +
           (more.empty() ? "" : "," + std::string(more)) + "}}";
}

std::string schema_of(std::string_view shape, std::string_view more = {}) {
    if (shape.empty() && more.empty()) return R"({"type":"object"})";
    if (shape.empty()) return R"({"type":"object","properties":{)" + std::string(more) + "}}";
    const std::size_t bar = shape.find('|');
    if (bar == std::string_view::npos) return schema_of_one(shape, more);
    return "{\"oneOf\":[" + schema_of_one(shape.substr(0, bar), more) + "," +
           schema_of_one(shape.substr(bar + 1), more) + "]}";
}

RouteShape shape_of(const Route& route) {
    const std::span<const RouteShape> all = route_shapes();
    const auto found = std::find_if(
        all.begin(), all.end(), [&route](const RouteShape& one) { return one.route == route.id; });
    return found == all.end() ? RouteShape{route.id, "", ""} : *found;
}

void append_content(core::JsonWriter& json, std::string_view type, std::string_view schema) {
    json.key("content").begin_object().key(type).begin_object();
    json.raw_field("schema", schema).end_object().end_object();
}

void append_bodies(core::JsonWriter& json, const Route& route, const RouteShape& shape) {
    const bool has_body = route.method == io::Method::kPost || route.method == io::Method::kPut ||
                          route.method == io::Method::kPatch;
    if (!has_body) return;
    json.key("requestBody").begin_object().field("required", !shape.takes.empty());
    append_content(
        json,
        route.id == RouteId::kTakeBatch ? "application/vnd.millrace.batch" : "application/json",
        schema_of(shape.takes));
    json.end_object();
}

void append_answers(core::JsonWriter& json, const Route& route, const RouteShape& shape) {
    json.key("responses").begin_object();
    json.key("2XX").begin_object().field("description", "Success");
    if (route.owner == RouteOwner::kStream)
        append_content(json, "text/event-stream", R"({"type":"string"})");
    else if (route.owner == RouteOwner::kConsole)
        append_content(json, "text/html", R"({"type":"string"})");
    else if (route.id == RouteId::kMetrics)
        append_content(json, "text/plain", R"({"type":"string"})");
    else
        append_content(
            json, "application/json",
            schema_of(shape.answers, shape.goes_without_some ? kMissing : std::string_view()));
    json.end_object();
    json.key("default").begin_object().field("description", "Error");
    append_content(json, "application/json", schema_of("Error"));
    json.end_object().end_object();
}

void append_operation(core::JsonWriter& json, const Route& route) {
    const RouteShape shape = shape_of(route);
    json.key(lower(io::method_text(route.method))).begin_object();
    json.field("operationId", lower(route.name.substr(1, 1)) + std::string(route.name.substr(2)));
    json.field("summary", route.doc).field("x-scope", identity::scope_text(route.scope));
    if (route.scope == identity::Scope::kPublic) json.raw_field("security", "[{}]");
    append_parameters(json, route);
    append_bodies(json, route, shape);
    append_answers(json, route, shape);
    json.end_object();
}

constexpr std::string_view kSecurity =
    R"({"bearer":{"type":"http","scheme":"bearer"},"apiKey":{"type":"apiKey","in":"header","name":"X-API-Key"}})";

}  // namespace

std::string openapi_json() {
    std::map<std::string_view, std::vector<const Route*>> by_path;
    for (const Route& route : route_table()) by_path[route.path].push_back(&route);
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("openapi", "3.1.0");
    json.key("info").begin_object().field("title", "Millrace").field("version", "2").end_object();
    json.raw_field("servers", R"([{"url":"/"}])");
    json.raw_field("security", R"([{"bearer":[]},{"apiKey":[]},{}])");
    json.key("paths").begin_object();
    for (const auto& [path, routes] : by_path) {
        json.key(path).begin_object();
        for (const Route* route : routes) append_operation(json, *route);
        json.end_object();
    }
    json.end_object().key("components").begin_object().key("schemas").begin_object();
    for (const Component& component : openapi_components())
        json.raw_field(component.name, component.schema);
    json.end_object().raw_field("securitySchemes", kSecurity).end_object().end_object();
    return out;
}

}  // namespace millrace::runtime::api
