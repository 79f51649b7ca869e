// /v2/dlq: list, read, remove, deliver again.
#include "store/dead_letters.h"

#include "runtime/api/audit.h"
#include "runtime/api/event_view.h"
#include "runtime/api/handlers.h"
#include "store/log_reader.h"
#include "store/row_batch.h"

namespace millrace::runtime::api {
namespace {

// One call of POST /v2/dlq/replay takes at most so many; call it again for the rest.
constexpr std::size_t kReplayKeysMax = 1'000'000;

void append_dead_letter(core::JsonWriter& json, Services& services, const store::DeadLetter& row) {
    store::Database& database = services.database();
    json.begin_object().field("id", store::encode_dead_letter_id(database.hasher(), row.key));
    json.field("tenantId", tenant_name(row.key.tenant))
        .field("subscriptionId", row.subscription_id);
    json.field_or_null("scriptId", row.script_id)
        .field("eventType", row.pattern)
        .field("eventId", row.event_id);
    const auto event = database.log_reader().read_event(row.key.delivery.position);
    if (event && *event) {
        std::string text;
        append_event(text, (*event)->event, database.hasher());
        json.raw_field("event", text);
    } else {
        json.key("event").value(nullptr);
    }
    json.field("error", row.error).field("errorFingerprint", row.error_fingerprint);
    json.field("retryCount", row.retry_count).field("maxRetries", row.retries_max);
    time_field_or_null(json, "nextRetryAt", row.next_retry_at_us);
    json.raw_field("attempts", row.attempts.empty() ? std::string_view("[]") : row.attempts);
    time_field(json, "createdAt", row.key.created_at_us);
    time_field(json, "updatedAt", row.updated_at_us).end_object();
}

core::Result<store::OwnedDeadLetter> find(Call& call, std::string_view id) {
    const auto key = store::decode_dead_letter_id(call.services.database().hasher(), id);
    if (!key || key->tenant != call.tenant()) return not_found("dead letter", id);
    auto row = call.services.database().dead_letters().get(*key);
    if (!row) return core::fail(std::move(row.error()));
    if (!*row) return not_found("dead letter", id);
    return std::move(**row);
}

struct ReplaySelection {
    std::vector<std::string> ids;
    std::string script_id, subscription_id, pattern;
    std::int64_t from_us = INT64_MIN;
    std::int64_t to_us = INT64_MAX;
    double per_second = 0;
};

core::Result<ReplaySelection> read_selection(std::string_view body) {
    ReplaySelection out;
    if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        return core::fail(core::ErrorCode::kValidation,
                          "body: empty; an object with ids, scriptId, subscriptionId, pattern, "
                          "from or to is expected, or {} for every dead letter");
    }
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    in->text_list("ids", out.ids, kListLimitMax);
    in->text("scriptId", out.script_id);
    in->text("subscriptionId", out.subscription_id);
    in->text("pattern", out.pattern);
    in->timestamp("from", out.from_us);
    in->timestamp("to", out.to_us);
    in->number("ratePerSecond", out.per_second, 0, 1e9);
    if (auto status = in->finish(); !status) return core::fail(status.error());
    return out;
}

core::Status select_keys(Call& call, const ReplaySelection& selection,
                         std::vector<store::DeadLetterKey>& keys) {
    std::string cursor;
    do {
        store::DeadLetterQuery query;
        query.tenant = call.tenant();
        query.subscription_id = selection.subscription_id;
        query.script_id = selection.script_id;
        query.pattern = selection.pattern;
        query.from_us = selection.from_us;
        query.to_us = selection.to_us;
        query.limit = kListLimitMax;
        query.cursor = cursor;
        auto page = call.services.database().dead_letters().list(query);
        if (!page) return core::fail(std::move(page.error()));
        for (const store::OwnedDeadLetter& row : page->rows) keys.push_back(row.row.key);
        cursor = page->next;
    } while (!cursor.empty() && keys.size() < kReplayKeysMax);
    return {};
}

ApiResponse accepted(std::size_t count) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("success", true).field("accepted", count).end_object();
    return json_response(202, std::move(body));
}

void audit_letters(Call& call, std::string_view action, std::string_view id, std::size_t count) {
    audit(call, action, "dead_letter", id,
          [count](core::JsonWriter& json) { json.field("count", count); });
}

}  // namespace

Answer list_dead_letters(Call& call) {
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    const auto from_us = call.time("from", INT64_MIN);
    if (!from_us) return core::fail(from_us.error());
    const auto to_us = call.time("to", INT64_MAX);
    if (!to_us) return core::fail(to_us.error());
    const std::string subscription_id = call.text("subscriptionId"),
                      script_id = call.text("scriptId");
    const std::string pattern = call.text("pattern"), cursor = call.text("cursor");
    store::DeadLetterQuery query;
    query.tenant = call.tenant();
    query.subscription_id = subscription_id;
    query.script_id = script_id;
    query.pattern = pattern;
    query.from_us = *from_us;
    query.to_us = *to_us;
    query.limit = *limit;
    query.cursor = cursor;
    auto page = call.services.database().dead_letters().list(query);
    if (!page) return core::fail(std::move(page.error()));
    ListBody body;
    for (const store::OwnedDeadLetter& row : page->rows)
        append_dead_letter(body.json(), call.services, row.row);
    return body.finish(page->next);
}

Answer get_dead_letter(Call& call) {
    auto row = find(call, call.request.param("id"));
    if (!row) return core::fail(std::move(row.error()));
    std::string body;
    core::JsonWriter json(body);
    append_dead_letter(json, call.services, row->row);
    return json_response(200, std::move(body));
}

Answer delete_dead_letter(Call& call) {
    const std::string_view id = call.request.param("id");
    auto row = find(call, id);
    if (!row) return core::fail(std::move(row.error()));
    store::RowBatch batch;
    batch.erase_dead_letter(row->row.key);
    if (auto status = call.services.database().write_now(batch); !status)
        return core::fail(status.error());
    audit_letters(call, "delete", id, 1);
    return json_response(200, R"({"success":true})");
}

Answer replay_dead_letter(Call& call) {
    const std::string_view id = call.request.param("id");
    auto row = find(call, id);
    if (!row) return core::fail(std::move(row.error()));
    audit_letters(call, "replay", id, 1);
    if (auto status = call.services.replay_dead_letters({row->row.key}, 0); !status)
        return core::fail(status.error());
    return accepted(1);
}

Answer replay_dead_letters(Call& call) {
    auto selection = read_selection(call.request.body_view());
    if (!selection) return core::fail(std::move(selection.error()));
    std::vector<store::DeadLetterKey> keys;
    for (const std::string& id : selection->ids) {
        auto row = find(call, id);
        if (!row) return core::fail(std::move(row.error()));
        keys.push_back(row->row.key);
    }
    if (selection->ids.empty()) {
        if (auto status = select_keys(call, *selection, keys); !status)
            return core::fail(status.error());
    }
    const std::size_t count = keys.size();
    audit(call, "replay", "dead_letter", "", [&](core::JsonWriter& json) {
        json.field("count", count);
        append_request(json, call.request.body_view());
    });
    if (auto status = call.services.replay_dead_letters(std::move(keys), selection->per_second);
        !status) {
        return core::fail(status.error());
    }
    return accepted(count);
}

}  // namespace millrace::runtime::api
