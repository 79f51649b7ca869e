// /v2/dlq: list, read, remove, deliver again.
#include "store/rows/dead_letters.h"

#include "runtime/api/audit.h"
#include "runtime/api/dead_letter_view.h"
#include "runtime/api/event_view.h"
#include "runtime/api/handlers.h"
#include "runtime/api/letter_pattern.h"
#include "runtime/api/list_places.h"
#include "runtime/api/part_order.h"
#include "runtime/event/misfit.h"
#include "store/log/log_reader.h"
#include "store/rows/row_batch.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace millrace::runtime::api {
namespace {

// One call of POST /v2/dlq/replay takes at most so many; call it again for the rest.
constexpr std::size_t kReplayKeysMax = 1'000'000;
// A page ends behind the entry that makes it so long: events of 1 MiB come with their entries.
constexpr std::size_t kPageBytes = 16u << 20;

// An event that was corrected is shown as it will be delivered, the one in the log beside it.
void append_edit(core::JsonWriter& json, const LetterEdit& edit, std::string_view original) {
    json.key("edited").begin_object();
    time_field(json, "at", edit.at_us);
    json.field("by", edit.by).field("count", edit.count);
    json.raw_field("original", original).end_object();
}

void append_dead_letter(core::JsonWriter& json, Services& services, const store::DeadLetter& row,
                        const std::optional<LetterEdit>& edit) {
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
        if (is_misfit_letter(row.key.delivery.subscription))
            append_as_sent(text, (*event)->event, database.hasher());
        else
            append_event(text, (*event)->event, database.hasher());
        json.raw_field("event", edit ? std::string_view(edit->event) : text);
        if (edit) append_edit(json, *edit, text);
    } else {
        json.key("event").value(nullptr);
    }
    json.field("error", row.error).field("errorFingerprint", row.error_fingerprint);
    json.field("retryCount", row.retry_count).field("maxRetries", row.retries_max);
    time_field_or_null(json, "nextRetryAt", services.redrive_due_us(row.key).value_or(0));
    json.raw_field("attempts", row.attempts.empty() ? std::string_view("[]") : row.attempts);
    if (!row.extra.empty()) json.raw_field("replayId", row.extra);
    time_field(json, "createdAt", row.key.created_at_us);
    time_field(json, "updatedAt", row.updated_at_us).end_object();
}

// Of a letter that has left the queue: what it was announced with.
void append_gone_letter(core::JsonWriter& json, const core::JsonElement& told) {
    json.begin_object();
    core::JsonElement member;
    if (told.find("dlqId", member)) json.raw_field("id", member.raw());
    for (const char* const name : {"subscriptionId", "scriptId", "eventType", "eventId", "error"}) {
        if (told.find(name, member)) json.raw_field(name, member.raw());
    }
    json.end_object();
}

struct ReplaySelection {
    std::vector<std::string> ids;
    std::string script_id, subscription_id, fingerprint;
    LetterPattern pattern;
    std::int64_t from_us = INT64_MIN;
    std::int64_t to_us = INT64_MAX;
    double per_second = 0;
    bool dry_run = false;
    std::optional<std::int64_t> expect;  // so many, or none is replayed
    PartOrder part;

    // Of several partitions: what is asked of all of them is judged by who asks them.
    void take(PartOrder&& of_all) {
        part = std::move(of_all);
        if (!part.there) return;
        dry_run = part.looks;
        expect = part.expect;
        per_second = part.per_second.value_or(per_second);
    }
};

core::Result<ReplaySelection> read_selection(std::string_view body, std::int64_t now_us) {
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
    std::string pattern;
    in->text("pattern", pattern);
    in->text("errorFingerprint", out.fingerprint);
    read_moment(*in, "from", now_us, out.from_us);
    read_moment(*in, "to", now_us, out.to_us);
    in->number("ratePerSecond", out.per_second, 0, 1e9);
    in->boolean("dryRun", out.dry_run);
    if (std::int64_t expect = 0; in->integer("expect", expect, 0, INT64_MAX)) out.expect = expect;
    if (auto status = in->finish(); !status) return core::fail(status.error());
    auto read = LetterPattern::parse(std::move(pattern));
    if (!read) return core::fail(std::move(read.error()));
    out.pattern = std::move(*read);
    return out;
}

// What this caller may see of that fingerprint; nothing: of any. Both texts outlive it.
std::function<bool(const store::DeadLetter&)> accepted_by(const identity::Principal& who,
                                                          const std::string& fingerprint,
                                                          const LetterPattern& pattern) {
    return [who, &fingerprint, &pattern](const store::DeadLetter& row) {
        return (fingerprint.empty() || row.error_fingerprint == fingerprint) &&
               pattern.fits(row.pattern) && who.may_see(row.pattern);
    };
}

// Letters of subscriptions that get nothing now are left out, and counted.
core::Status select_keys(store::Database& database, const RegistrySnapshot& registry,
                         const identity::Principal& by, const ReplaySelection& selection,
                         std::vector<store::DeadLetterKey>& keys, std::size_t& left_out) {
    std::string cursor;
    do {
        store::DeadLetterQuery query;
        query.tenant = by.tenant;
        query.subscription_id = selection.subscription_id;
        query.script_id = selection.script_id;
        query.pattern = selection.pattern.exact();
        query.accept = accepted_by(by, selection.fingerprint, selection.pattern);
        query.from_us = selection.from_us;
        query.to_us = selection.to_us;
        query.limit = kListLimitMax;
        query.cursor = cursor;
        auto page = database.dead_letters().list(query);
        if (!page) return core::fail(std::move(page.error()));
        for (const store::OwnedDeadLetter& row : page->rows) {
            const core::SubscriptionId number = row.row.key.delivery.subscription;
            const Subscription* of = registry.subscription(number);
            if (is_misfit_letter(number) || (of && registry.held_because(*of).empty()))
                keys.push_back(row.row.key);
            else
                ++left_out;
        }
        cursor = page->next;
    } while (!cursor.empty() && keys.size() < kReplayKeysMax);
    return {};
}

ApiResponse accepted(std::size_t count, std::size_t left_out) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("success", true).field("accepted", count);
    if (left_out != 0) json.field("leftOut", left_out);
    json.end_object();
    return json_response(202, std::move(body));
}

// A listing; the texts are what the query's views point into.
struct Listing {
    std::string subscription_id, script_id, fingerprint, cursor;
    LetterPattern pattern;
    store::DeadLetterQuery query;
    bool bounded = false;  // the key's patterns leave some out
    std::unique_ptr<ListPlaces> places;

    // Many may have to be looked at for each that is found.
    bool selects() const {
        return !subscription_id.empty() || !script_id.empty() || !pattern.any() ||
               !fingerprint.empty() || bounded;
    }
};

core::Result<std::shared_ptr<const Listing>> read_listing(const Call& call) {
    auto range = call.list_range();
    if (!range) return core::fail(std::move(range.error()));
    auto listing = std::make_shared<Listing>();
    listing->places = std::make_unique<ListPlaces>(call.request);
    listing->subscription_id = call.text("subscriptionId");
    listing->script_id = call.text("scriptId");
    auto pattern = LetterPattern::parse(std::string(call.text("pattern")));
    if (!pattern) return core::fail(std::move(pattern.error()));
    listing->pattern = std::move(*pattern);
    listing->fingerprint = call.text("errorFingerprint");
    listing->cursor = std::move(range->cursor);
    listing->bounded = call.request.principal.is_bounded();
    store::DeadLetterQuery& query = listing->query;
    query.tenant = call.tenant();
    query.subscription_id = listing->subscription_id;
    query.script_id = listing->script_id;
    query.pattern = listing->pattern.exact();
    query.accept = accepted_by(call.request.principal, listing->fingerprint, listing->pattern);
    query.from_us = range->from_us;
    query.to_us = range->to_us;
    query.limit = range->limit;
    query.cursor = listing->cursor;
    return std::shared_ptr<const Listing>(std::move(listing));
}

ApiResponse list(const Listing& listing, Services& services) {
    ListPlaces& places = *listing.places;
    const auto view = services.view_redrives();
    auto page = services.database().dead_letters().list(listing.query);
    if (!page) return error_response(page.error());
    ListBody body;
    for (std::size_t i = 0; i < page->rows.size(); ++i) {
        const store::DeadLetter& row = page->rows[i].row;
        const auto edit = find_letter_edit(services.database(), row.key);
        if (!edit) return error_response(edit.error());
        append_dead_letter(body.json(), services, row, *edit);
        const bool last = i + 1 == page->rows.size();
        if (places.wanted()) {
            places.begin_at(store::DeadLetters::cursor_at(row.key));
            places.add(
                row.key.created_at_us,
                last ? page->next : store::DeadLetters::cursor_at(page->rows[i + 1].row.key));
        }
        if (body.bytes() < kPageBytes || last) continue;
        ApiResponse cut = body.finish(store::DeadLetters::cursor_at(page->rows[i + 1].row.key));
        places.append_to(cut);
        return cut;
    }
    ApiResponse whole = body.finish(page->next);
    places.append_to(whole);
    return whole;
}

// A redrive is refused while nothing is delivered to whoever it is for.
core::Status check_runs(Call& call, const store::DeadLetter& row) {
    if (is_misfit_letter(row.key.delivery.subscription)) return {};
    const RegistrySnapshotRef registry = call.services.registry().snapshot();
    const Subscription* of = registry->subscription(row.key.delivery.subscription);
    const std::string_view because = of ? registry->held_because(*of) : "it was removed";
    if (because.empty()) return {};
    return core::fail(core::ErrorCode::kConflict,
                      "subscription \"" + std::string(row.subscription_id) +
                          "\" gets nothing now: " + std::string(because));
}

// Many dead letters on their way back.
struct Bulk {
    ReplaySelection selection;
    std::vector<store::DeadLetterKey> keys;
    identity::Principal by;
    std::string actor;  // audit_members()
    std::string request;
    core::Status selected;
    std::size_t left_out = 0;
    std::optional<AuditPromise> promise = {};  // in the commit of what is done
    std::vector<std::string> missing = {};     // ids that are none of this partition's
};

// Writes them down; on any thread.
void redrive(Services& services, Bulk& bulk) {
    const PartOrder& part = bulk.selection.part;
    if (bulk.keys.empty() && bulk.left_out != 0 && !bulk.selection.dry_run && !part.there) {
        bulk.selected = core::fail(core::ErrorCode::kConflict,
                                   "the subscriptions of all " + std::to_string(bulk.left_out) +
                                       " are paused, not active or removed");
    }
    const auto& expect = bulk.selection.expect;
    if (bulk.selected && expect && static_cast<std::uint64_t>(*expect) != bulk.keys.size()) {
        bulk.selected =
            core::fail(core::Error(core::ErrorCode::kConflict,
                                   "expect is " + std::to_string(*expect) + ", and " +
                                       std::to_string(bulk.keys.size()) +
                                       " dead letters would be replayed; nothing was done")
                           .in("expect"));
    }
    if (!bulk.selected || bulk.selection.dry_run) return;
    const auto told = [&](core::JsonWriter& json) {
        json.field("count", bulk.keys.size());
        if (part.there) json.field("total", part.total);
        append_request(json, bulk.request);
    };
    bulk.promise.emplace(services, bulk.by, "replay", "dead_letter", "", told, bulk.actor);
    bulk.selected =
        services.replay_dead_letters(bulk.keys, bulk.selection.per_second,
                                     [&](store::RowBatch& rows) { bulk.promise->put(rows); });
}

// What a call without dryRun would take.
ApiResponse would_be(Services& services, const Bulk& bulk) {
    constexpr std::size_t kShownSampleMax = 10;
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("success", true).field("dryRun", true);
    json.field("count", bulk.keys.size());
    if (bulk.left_out != 0) json.field("leftOut", bulk.left_out);
    json.key("sample").begin_array();
    for (std::size_t i = 0; i < std::min(bulk.keys.size(), kShownSampleMax); ++i)
        json.value(store::encode_dead_letter_id(services.database().hasher(), bulk.keys[i]));
    json.end_array();
    if (bulk.selection.part.there) {
        json.key("missing").begin_array();
        for (const std::string& id : bulk.missing) json.value(id);
        json.end_array();
    }
    json.end_object();
    return json_response(200, std::move(body));
}

ApiResponse answer(Services& services, const Bulk& bulk) {
    if (!bulk.selected) return error_response(bulk.selected.error());
    if (bulk.selection.dry_run) return would_be(services, bulk);
    bulk.promise->keep();
    return accepted(bulk.keys.size(), bulk.left_out);
}

}  // namespace

bool append_letter_told(std::string& out, Services& services, const store::StoredEvent& event,
                        const identity::Principal& who) {
    core::JsonDom dom;
    core::JsonElement root, payload, member;
    std::string_view id, type;
    if (!dom.read(event.raw, root) || !root.find("payload", payload) ||
        !payload.find("dlqId", member) || !member.get(id) || !payload.find("eventType", member) ||
        !member.get(type) || !who.may_see(type))
        return false;
    core::JsonWriter json(out);
    const auto key = store::decode_dead_letter_id(services.database().hasher(), id);
    if (!key || key->tenant != who.tenant) return false;
    const auto view = services.view_redrives();
    const auto row = services.database().dead_letters().get(*key);
    const auto edit = find_letter_edit(services.database(), *key);
    if (row && *row && edit)
        append_dead_letter(json, services, (*row)->row, *edit);
    else
        append_gone_letter(json, payload);
    return true;
}

void list_dead_letters(Call& call, const Respond& respond) {
    auto read = read_listing(call);
    if (!read) return respond(error_response(read.error()));
    const std::shared_ptr<const Listing> listing = std::move(*read);
    Services& services = call.services;
    if (!listing->selects()) return respond(list(*listing, services));
    auto answer = std::make_shared<ApiResponse>();
    const bool taken = call.services.run_aside(
        Aside::kLook, [listing, answer, &services] { *answer = list(*listing, services); },
        [answer, respond] { respond(std::move(*answer)); });
    if (!taken) respond(error_response(busy_aside(Aside::kLook)));
}

core::Result<store::OwnedDeadLetter> find_dead_letter(Call& call, std::string_view id) {
    const auto key = store::decode_dead_letter_id(call.services.database().hasher(), id);
    if (!key || key->tenant != call.tenant()) return not_found("dead letter", id);
    auto row = call.services.database().dead_letters().get(*key);
    if (!row) return core::fail(std::move(row.error()));
    if (!*row || !call.request.principal.may_see((*row)->row.pattern))
        return not_found("dead letter", id);
    return std::move(**row);
}

std::string dead_letter_etag(const store::DeadLetter& row, const std::optional<LetterEdit>& edit) {
    return std::to_string(row.updated_at_us) + "." + std::to_string(edit ? edit->count : 0);
}

core::Result<ApiResponse> dead_letter_response(Call& call, const store::DeadLetter& row) {
    const auto edit = find_letter_edit(call.services.database(), row.key);
    if (!edit) return core::fail(edit.error());
    std::string body;
    core::JsonWriter json(body);
    append_dead_letter(json, call.services, row, *edit);
    ApiResponse response = json_response(200, std::move(body));
    response.headers.emplace_back("ETag", "\"" + dead_letter_etag(row, *edit) + "\"");
    return response;
}

Answer get_dead_letter(Call& call) {
    const auto view = call.services.view_redrives();
    auto row = find_dead_letter(call, call.request.param("id"));
    if (!row) return core::fail(std::move(row.error()));
    return dead_letter_response(call, row->row);
}

Answer delete_dead_letter(Call& call) {
    const std::string_view id = call.request.param("id");
    auto row = find_dead_letter(call, id);
    if (!row) return core::fail(std::move(row.error()));
    const AuditPromise promise(call, "delete", "dead_letter", id,
                               [](core::JsonWriter& json) { json.field("count", 1); });
    store::RowBatch batch;
    batch.erase_dead_letter(row->row.key);
    promise.put(batch);
    batch.erase_registry(kLetterEditKind, letter_edit_id(row->row.key));
    if (auto status = call.services.database().write_now(batch); !status)
        return core::fail(status.error());
    promise.keep();
    return json_response(200, R"({"success":true})");
}

Answer replay_dead_letter(Call& call) {
    const std::string_view id = call.request.param("id");
    auto row = find_dead_letter(call, id);
    if (!row) return core::fail(std::move(row.error()));
    // A rate or a filter beside the letter that the path names would be passed over.
    if (auto none = check_no_members(call); !none) return core::fail(none.error());
    if (auto runs = check_runs(call, row->row); !runs) return core::fail(runs.error());
    const AuditPromise promise(call, "replay", "dead_letter", id,
                               [](core::JsonWriter& json) { json.field("count", 1); });
    if (auto status = call.services.replay_dead_letters(
            {row->row.key}, 0, [&](store::RowBatch& rows) { promise.put(rows); });
        !status)
        return core::fail(status.error());
    promise.keep();
    return accepted(1, 0);
}

void replay_dead_letters(Call& call, const Respond& respond) {
    auto selection = read_selection(call.request.body_view(), call.services.clock().wall_us());
    if (!selection) return respond(error_response(selection.error()));
    auto part = part_order_of(call);
    if (!part) return respond(error_response(part.error()));
    selection->take(std::move(*part));
    auto bulk = std::make_shared<Bulk>(Bulk{std::move(*selection),
                                            {},
                                            call.request.principal,
                                            audit_members(call.request),
                                            std::string(call.request.body_view()),
                                            {},
                                            0});
    for (const std::string& id : bulk->selection.ids) {
        auto row = find_dead_letter(call, id);
        if (!row && bulk->selection.part.there && row.error().code == core::ErrorCode::kNotFound) {
            bulk->missing.push_back(id);
            continue;
        }
        if (!row) return respond(error_response(row.error()));
        if (auto runs = check_runs(call, row->row); !runs)
            return respond(error_response(runs.error()));
        bulk->keys.push_back(row->row.key);
    }
    Services& services = call.services;
    const bool taken = services.run_aside(
        Aside::kLook,
        [bulk, &services, registry = services.registry().snapshot()] {
            if (bulk->selection.ids.empty()) {
                bulk->selected = select_keys(services.database(), *registry, bulk->by,
                                             bulk->selection, bulk->keys, bulk->left_out);
            }
            redrive(services, *bulk);
        },
        [bulk, &services, respond] { respond(answer(services, *bulk)); });
    if (!taken) respond(error_response(busy_aside(Aside::kLook)));
}

}  // namespace millrace::runtime::api
