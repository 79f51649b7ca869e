// /v2/schemas: what is special about schemas: a try on a payload, what did not fit, and what a
// schema would have refused of the log, which is read aside.
#include "core/event_parser.h"
#include "runtime/api/documents.h"
#include "runtime/api/handlers.h"
#include "runtime/event/default_fields.h"
#include "runtime/registry/kv_references.h"
#include "store/log/event_search.h"

#include <charconv>
#include <map>
#include <memory>
#include <utility>

namespace millrace::runtime::api {
namespace {

constexpr std::size_t kCheckEventsMax = 1'000'000;
constexpr std::size_t kPlacesMax = 100;

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
    event = R"({"pattern":"payload","payload":)";
    core::append_json(event, *in->any("payload"));
    event += '}';
    return {};
}

core::Result<std::vector<schema::Failure>> judge(const schema::Contract& contract,
                                                 store::Database& database, core::TenantId tenant,
                                                 std::string event, std::int64_t now_us) {
    const std::size_t bytes = event.size();
    event.append(core::kPaddingBytes, ' ');
    core::EventParser parser;
    core::Envelope envelope;
    if (auto read =
            parser.parse_one(std::string_view(event).substr(0, bytes), nullptr, envelope, nullptr);
        !read)
        return core::fail(std::move(read.error()));
    DefaultFields defaults;
    defaults.fill_envelope(tenant, now_us, envelope);
    core::JsonDom dom;
    const KvReferences references(database.kv(), tenant, now_us);
    return contract.judge(envelope, dom, &references);
}

// What a check looks at, and what it found.
struct Check {
    std::shared_ptr<const schema::Contract> contract;
    std::string pattern;
    std::int64_t from_us = INT64_MIN;
    std::int64_t to_us = INT64_MAX;
    std::int64_t now_us = 0;

    struct Place {
        std::string pointer, keyword, message, event_id;
        std::uint64_t count = 0;
    };
    std::uint64_t scanned = 0;
    std::uint64_t rejected = 0;
    bool complete = true;
    std::map<std::string, Place> places;  // by pointer and keyword
    core::Status status;
};

core::Result<std::shared_ptr<Check>> read_check(Call& call) {
    core::JsonDocument document;
    auto in = document.parse_object(call.request.body_view());
    if (!in) return core::fail(std::move(in.error()));
    auto check = std::make_shared<Check>();
    std::string text;
    if (const auto given = in->any("schema")) core::append_json(text, *given);
    std::vector<schema::SchemaRule> rules;
    if (const auto given = in->any("rules")) {
        if (auto read = read_schema_rules(*given, rules); !read) return core::fail(read.error());
    }
    if (text.empty() && rules.empty()) in->refuse("schema", "or rules are expected");
    in->text("pattern", check->pattern, {.bytes_max = core::kPatternBytesMax});
    const std::int64_t now_us = check->now_us = call.services.clock().wall_us();
    read_moment(*in, "from", now_us, check->from_us);
    read_moment(*in, "to", now_us, check->to_us);
    if (auto status = in->finish(); !status) return core::fail(status.error());
    auto contract = schema::Contract::make(text, rules);
    if (!contract) return core::fail(std::move(contract.error()));
    check->contract = std::move(*contract);
    return check;
}

void count_misfit(Check& check, std::string_view event_id,
                  const std::vector<schema::Failure>& failures) {
    ++check.rejected;
    for (const schema::Failure& one : failures) {
        const std::string key = one.pointer + " " + one.keyword;
        if (check.places.size() == kPlacesMax && !check.places.contains(key)) continue;
        Check::Place& place = check.places[key];
        if (place.count++ == 0)
            place = {one.pointer, one.keyword, one.message, std::string(event_id), 1};
    }
}

void run_check(store::Database& database, core::TenantId tenant, Check& check) {
    const auto wildcard =
        matcher::parse_wildcard(check.pattern.empty() ? std::string_view("*") : check.pattern);
    if (!wildcard) {
        check.status = core::fail(wildcard.error());
        return;
    }
    core::EventParser parser;
    core::JsonDom dom;
    DefaultFields defaults;
    const KvReferences references(database.kv(), tenant, check.now_us);
    std::string cursor;
    std::uint64_t looked_at = 0;  // of any pattern
    do {
        store::EventQuery query;
        query.tenant = tenant;
        query.limit = kListLimitMax;
        query.cursor = cursor;
        query.from_us = check.from_us;
        query.to_us = check.to_us;
        auto page = database.event_search().search(query);
        if (!page) {
            check.status = core::fail(std::move(page.error()));
            return;
        }
        for (const store::OwnedEvent& owned : page->events) {
            if (!wildcard->matches(owned.event.pattern)) continue;
            core::Envelope envelope;
            core::Error error;
            if (!parser.begin(owned.event.raw, core::BatchFormat::kJson)) continue;
            if (parser.next(nullptr, envelope, nullptr, error) != core::ParseOutcome::kEvent)
                continue;
            defaults.fill_envelope(owned.event.tenant, owned.event.received_at_us, envelope);
            ++check.scanned;
            const auto failures = check.contract->judge(envelope, dom, &references);
            if (!failures.empty()) count_misfit(check, envelope.event_id, failures);
        }
        looked_at += page->events.size();
        cursor = page->next;
    } while (!cursor.empty() && looked_at < kCheckEventsMax);
    check.complete = cursor.empty();
}

ApiResponse check_response(const Check& check) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("scanned", check.scanned).field("rejected", check.rejected);
    json.field("complete", check.complete).key("byPointer").begin_array();
    for (const auto& [key, place] : check.places) {
        json.begin_object().field("pointer", place.pointer).field("keyword", place.keyword);
        json.field("count", place.count).field("message", place.message);
        json.field_or_null("eventId", place.event_id).end_object();
    }
    json.end_array().end_object();
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
    const auto body = with_author_version(call, WhichVersion::kText);
    if (!body) return core::fail(body.error());
    DocumentTable<EventSchema>& table = call.services.registry().table<EventSchema>();
    return changed<EventSchema>(
        call, (table.*change)(change_context(call), call.request.param("id"), *body, {}), 200);
}

}  // namespace

Answer create_schema(Call& call) {
    const auto body = with_author_version(call, WhichVersion::kAny);
    if (!body) return core::fail(body.error());
    return create_document_of<EventSchema>(call, *body);
}

Answer put_schema(Call& call) { return change_schema(call, &DocumentTable<EventSchema>::put); }
Answer patch_schema(Call& call) { return change_schema(call, &DocumentTable<EventSchema>::patch); }

Answer validate_schema(Call& call) {
    const std::string_view id = call.request.param("id");
    const auto schema = call.services.registry().table<EventSchema>().find(call.tenant(), id);
    if (!schema) return not_found("schema", id);
    std::string event;
    if (auto read = read_subject(call.request.body_view(), event); !read)
        return core::fail(read.error());
    const auto failures = judge(*schema->contract, call.services.database(), call.tenant(),
                                std::move(event), call.services.clock().wall_us());
    if (!failures) return core::fail(failures.error());
    std::string errors, body;
    schema::append_failures(errors, *failures);
    core::JsonWriter json(body);
    json.begin_object().field("valid", failures->empty()).raw_field("errors", errors);
    json.end_object();
    return json_response(200, std::move(body));
}

Answer list_schema_violations(Call& call) {
    const std::string_view id = call.request.param("id");
    const auto schema = call.services.registry().table<EventSchema>().find(call.tenant(), id);
    if (!schema) return not_found("schema", id);
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    const auto after = call.key_cursor();
    if (!after) return core::fail(after.error());
    std::uint64_t before = 0;
    if (!after->empty()) {
        const auto [end, error] =
            std::from_chars(after->data(), after->data() + after->size(), before);
        if (error != std::errc() || end != after->data() + after->size())
            return core::fail(Call::bad_cursor());
    }
    ListBody body;
    const auto ring = call.services.schemas().violations(schema->number);
    auto found = ring ? ring->list(before, *limit + 1) : std::vector<SchemaViolation>();
    const bool more = found.size() > *limit;
    if (more) found.pop_back();
    for (const SchemaViolation& one : found) {
        core::JsonWriter& json = body.json();
        json.begin_object();
        time_field(json, "at", one.at_us).field("outcome", one.outcome);
        json.field_or_null("eventId", one.event_id).field("pattern", one.pattern);
        json.raw_field("errors", one.errors).end_object();
    }
    return body.finish(more ? encode_key_cursor(std::to_string(found.back().number)) : "");
}

void check_schema(Call& call, const Respond& respond) {
    auto check = read_check(call);
    if (!check) return respond(error_response(check.error()));
    store::Database& database = call.services.database();
    const bool taken = call.services.run_aside(
        Aside::kLook,
        [check = *check, &database, tenant = call.tenant()] {
            run_check(database, tenant, *check);
        },
        [check = *check, respond] {
            respond(check->status ? check_response(*check) : error_response(check->status.error()));
        });
    if (!taken) respond(error_response(busy_aside(Aside::kLook)));
}

}  // namespace millrace::runtime::api
