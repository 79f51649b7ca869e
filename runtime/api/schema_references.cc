#include "runtime/api/schema_references.h"

#include "runtime/registry/document_kinds.h"
#include "runtime/registry/event_schema.h"
#include "runtime/registry/registry.h"
#include "runtime/schema/compiler.h"
#include "runtime/schema/uri.h"

#include <map>
#include <optional>
#include <utility>

namespace millrace::runtime::api {

namespace {

std::string own_uri(const EventSchema& schema) {
    core::JsonDom dom;
    core::JsonElement root, id;
    std::string_view text;
    if (!dom.read(schema.schema, root) || !root.is_object() || !root.find("$id", id) ||
        !id.get(text))
        return {};
    return schema::cut_uri(schema::resolve_uri(schema_uri(schema.id), text)).base;
}

// By its id, else by the $id in it.
EventSchemaRef find_schema(const DocumentTable<EventSchema>& table, core::TenantId tenant,
                           std::string_view uri) {
    if (const std::string_view id = schema_id_of(uri); !id.empty()) {
        if (EventSchemaRef found = table.find(tenant, id)) return found;
    }
    EventSchemaRef found;
    table.list(tenant, "", [&](const EventSchemaRef& one) {
        if (own_uri(*one) == uri) found = one;
        return found == nullptr;
    });
    return found;
}

}  // namespace

std::string schema_references(Call& call, std::string_view text, std::string_view id) {
    const DocumentTable<EventSchema>& table = call.services.registry().table<EventSchema>();
    std::map<std::string, EventSchemaRef, std::less<>> found;
    schema::CompileOptions options;
    const std::string uri = schema_uri(id.empty() ? "schema" : id);
    options.uri = uri;
    options.resolver = [&](std::string_view wanted) -> std::optional<std::string> {
        const EventSchemaRef there = find_schema(table, call.tenant(), wanted);
        if (!there) return std::nullopt;
        found.emplace(wanted, there);
        return there->schema;
    };
    (void)schema::compile_schema(text, options);  // who keeps it says what is wrong
    std::string out;
    core::JsonWriter json(out);
    json.begin_array();
    for (const auto& [name, schema] : found) {
        json.begin_object().field("uri", name).field("id", schema->id);
        json.field("version", schema->version).raw_field("schema", schema->schema).end_object();
    }
    json.end_array();
    return out;
}

core::Result<std::string> with_schema_references(Call& call, std::string body,
                                                 std::string_view id) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    const auto schema = in->any("schema");
    if (!schema || schema->is_null()) {
        if (!in->any("references")) return body;
        return core::json_merge_patch(body, R"({"references":null})");  // they go by the schema
    }
    std::string own(id);
    if (own.empty()) {
        std::string_view said;
        if (const auto member = in->any("id"); member && member->get(said)) own = said;
    }
    std::string text;
    core::append_json(text, *schema);
    return core::json_merge_patch(body,
                                  R"({"references":)" + schema_references(call, text, own) + "}");
}

}  // namespace millrace::runtime::api
