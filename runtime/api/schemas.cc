// /v2/schemas: what is special about schemas: a try on a payload, and what did not fit.
#include "core/buffer.h"
#include "core/event_parser.h"
#include "runtime/api/documents.h"
#include "runtime/api/handlers.h"
#include "runtime/api/list_places.h"
#include "runtime/api/schema_references.h"
#include "runtime/api/schema_scripts.h"
#include "runtime/api/schema_trial.h"
#include "runtime/event/default_fields.h"

#include <memory>
#include <utility>

namespace millrace::runtime::api {
namespace {

// The event of a try: given whole, or only its payload.
core::Status read_subject(std::string_view body, std::string& event) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    const auto whole = in->object("event");
    const auto payload = in->object("payload");
    if (whole.has_value() == payload.has_value())
        in->refuse("payload", "or event is expected, and not both");
    if (auto status = in->finish(); !status) return status;
    if (whole) {
        core::append_json(event, *in->any("event"));
        return {};
    }
    core::JsonWriter json(event);
    json.begin_object().field("pattern", "payload");
    json.raw_field("payload", in->any("payload")->raw()).end_object();
    return {};
}

// What a try says: all rules, by states and reference data as they are now.
core::Result<std::vector<schema::Failure>> try_event(const EventSchema& schema, Services& services,
                                                     std::string event, RuleRunner* scripts) {
    const std::size_t bytes = event.size();
    const std::int64_t now_us = services.clock().wall_us();
    event.append(core::kPaddingBytes, ' ');
    core::EventParser parser;
    core::Envelope envelope;
    if (auto read =
            parser.parse_one(std::string_view(event).substr(0, bytes), nullptr, envelope, nullptr);
        !read)
        return core::fail(std::move(read.error()));
    DefaultFields defaults;
    defaults.fill_envelope(schema.tenant, now_us, envelope);
    SchemaTrial::Deps deps;
    deps.contract = schema.contract;
    deps.rules = schema.rules;
    deps.kv = &services.database().kv();
    deps.scripts = scripts;
    if (const StateBook* states = services.schema_states()) {
        deps.state_of = [states, &schema](const schema::Transition& transition,
                                          const schema::Step& step) {
            return states->current(states->key_of(schema, transition.hash(), step.key));
        };
    }
    return SchemaTrial(std::move(deps)).judge(envelope, schema.tenant, now_us, now_us);
}

ApiResponse try_response(const core::Result<std::vector<schema::Failure>>& failures) {
    if (!failures) return error_response(failures.error());
    std::string errors, body;
    schema::append_failures(errors, *failures);
    core::JsonWriter json(body);
    json.begin_object().field("valid", failures->empty()).raw_field("errors", errors);
    json.end_object();
    return json_response(200, std::move(body));
}

// "version" is the author's word for a schema, which is kept as schemaVersion; the server counts
// changes by itself. In a change a number is that count, as it was shown.
enum class WhichVersion : std::uint8_t { kAny, kText };

core::Result<std::string> with_author_version(Call& call, WhichVersion which) {
    const std::string_view sent = call.request.body_view();
    core::JsonDocument document;
    auto in = document.parse_object(sent);
    if (!in) return core::fail(std::move(in.error()));
    const auto version = in->any("version");
    std::string_view text;
    const bool meant =
        version && !in->any("schemaVersion") && (which == WhichVersion::kAny || version->get(text));
    if (!meant) return std::string(sent);
    std::string patch = R"({"version":null,"schemaVersion":)";
    core::append_json(patch, *version);
    return core::json_merge_patch(sent, patch + "}");
}

Answer change_schema(Call& call, TableChange<EventSchema> change) {
    auto sent = with_author_version(call, WhichVersion::kText);
    if (!sent) return core::fail(std::move(sent.error()));
    const auto body = with_schema_references(call, std::move(*sent), call.request.param("id"));
    if (!body) return core::fail(body.error());
    DocumentTable<EventSchema>& table = call.services.registry().table<EventSchema>();
    return changed<EventSchema>(
        call, (table.*change)(change_context(call), call.request.param("id"), *body, {}), 200);
}

}  // namespace

Answer create_schema(Call& call) {
    auto sent = with_author_version(call, WhichVersion::kAny);
    if (!sent) return core::fail(std::move(sent.error()));
    const auto body = with_schema_references(call, std::move(*sent), "");
    if (!body) return core::fail(body.error());
    return create_document_of<EventSchema>(call, *body);
}

Answer put_schema(Call& call) { return change_schema(call, &DocumentTable<EventSchema>::put); }
Answer patch_schema(Call& call) { return change_schema(call, &DocumentTable<EventSchema>::patch); }

// Scripts are asked aside: there is where they may take their time.
void validate_schema(Call& call, const Respond& respond) {
    const std::string_view id = call.request.param("id");
    const EventSchemaRef schema =
        call.services.registry().table<EventSchema>().find(call.tenant(), id);
    if (!schema) return respond(error_response(not_found("schema", id).value()));
    std::string event;
    if (auto read = read_subject(call.request.body_view(), event); !read)
        return respond(error_response(read.error()));
    if (!schema->asks_scripts())
        return respond(try_response(try_event(*schema, call.services, std::move(event), nullptr)));
    Services& services = call.services;
    auto answer = std::make_shared<ApiResponse>();
    const bool taken = services.run_aside(
        Aside::kLook,
        [schema, &services, answer, event = std::move(event),
         registry = services.registry().snapshot()] {
            RuleScripts scripts(rule_scripts_of(services, registry));
            *answer = try_response(try_event(*schema, services, event, &scripts));
        },
        [answer, respond] { respond(std::move(*answer)); });
    if (!taken) respond(error_response(busy_aside(Aside::kLook)));
}

Answer list_schema_violations(Call& call) {
    const std::string_view id = call.request.param("id");
    const auto schema = call.services.registry().table<EventSchema>().find(call.tenant(), id);
    if (!schema) return not_found("schema", id);
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    const auto before = call.number_cursor();
    if (!before) return core::fail(before.error());
    ListBody body;
    const auto ring = call.services.schemas().violations(schema->number);
    auto found = ring ? ring->list(*before, *limit + 1) : std::vector<SchemaViolation>();
    const bool more = found.size() > *limit;
    if (more) found.pop_back();
    ListPlaces places(call.request);
    for (const SchemaViolation& one : found) {
        if (!call.request.principal.may_see(one.pattern)) continue;
        if (places.wanted()) {
            places.begin_at(encode_key_cursor(std::to_string(one.number + 1)));
            places.add(one.at_us, more || &one != &found.back()
                                      ? encode_key_cursor(std::to_string(one.number))
                                      : std::string());
        }
        core::JsonWriter& json = body.json();
        json.begin_object();
        time_field(json, "at", one.at_us).field("outcome", one.outcome);
        json.field_or_null("eventId", one.event_id).field("pattern", one.pattern);
        json.raw_field("errors", one.errors).end_object();
    }
    ApiResponse response =
        body.finish(more ? encode_key_cursor(std::to_string(found.back().number)) : "");
    places.append_to(response);
    return response;
}

}  // namespace millrace::runtime::api
