// PUT /v2/dlq/{id}/event: the event that a dead letter is delivered with from now on. What says
// which event it is stays; the rest is checked as if it came in. The log keeps the event as it was.
#include "core/event_parser.h"
#include "runtime/api/audit.h"
#include "runtime/api/dead_letter_view.h"
#include "runtime/api/event_view.h"
#include "runtime/api/handlers.h"
#include "runtime/event/event_source.h"
#include "runtime/event/misfit.h"
#include "runtime/event/own_events.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/schema_guard.h"
#include "store/log/log_reader.h"

#include <utility>

namespace millrace::runtime::api {
namespace {

// An audit line keeps an event that is no longer than that; of a longer one its length.
constexpr std::size_t kAuditedEventBytesMax = 64u << 10;

core::Error edit_conflict(std::string why) {
    return core::Error(core::ErrorCode::kConflict, std::move(why));
}

struct EventNames {
    std::string event_id, pattern, partition_key, source;
    bool operator==(const EventNames&) const = default;
};

// As ingest reads it: every byte is checked.
core::Result<EventNames> read_edited(std::string_view event) {
    std::string text(event);
    text.append(core::kPaddingBytes, ' ');
    core::EventParser parser;
    core::Envelope envelope;
    auto parsed = parser.parse_one(std::string_view(text).substr(0, event.size()), nullptr,
                                   envelope, nullptr);
    if (!parsed) return core::fail(std::move(parsed.error()));
    const EventSource source = source_of(envelope);
    return EventNames{std::string(envelope.event_id), std::string(envelope.pattern),
                      std::string(envelope.partition_key),
                      std::string(source.type) + "/" + std::string(source.id)};
}

// What the letter's event was; of one that no schema let in, the event itself.
std::string_view original_event_of(const store::DeadLetter& letter,
                                   const store::StoredEvent& event) {
    if (!is_misfit_letter(letter.key.delivery.subscription)) return event.raw;
    const auto stands_for = read_stand_in(event.raw);
    return stands_for ? stands_for->event : event.raw;
}

core::Result<std::string> checked_edit(Call& call, const store::DeadLetter& letter,
                                       std::string_view original) {
    const std::string_view given = call.request.body_view();
    if (given.size() > call.services.event_bytes_max()) {
        return core::fail(core::ErrorCode::kPayloadTooLarge,
                          "body: " + std::to_string(given.size()) +
                              " bytes; the limit of an event is " +
                              std::to_string(call.services.event_bytes_max()));
    }
    core::JsonDocument document;
    if (auto in = document.parse_object(given); !in) return core::fail(std::move(in.error()));
    auto merged = merge_letter_edit(original, given, {letter.event_id, tenant_name(call.tenant())});
    if (!merged) return merged;
    const auto before = read_edited(original);
    const auto after = read_edited(*merged);
    if (!after) return core::fail(after.error());
    // Bytes that were no event become one here.
    if (!before && is_own_event(after->pattern)) return core::fail(own_event_refused());
    // However it was written: with escapes in its names, or twice.
    if (before && *before != *after)
        return core::fail(core::ErrorCode::kValidation,
                          "body: eventId, source, pattern and partitionKey stay as they were");
    SchemaGuard guard(&call.services.schemas(), &call.services.database().kv());
    guard.refresh();
    auto found = guard.judge_text(*merged, call.tenant(), call.services.clock().wall_us(),
                                  SchemaGuard::Asker::kSender);
    if (!found) return core::fail(std::move(found.error()));
    if (found->outcome != SchemaGuard::Outcome::kTake) return core::fail(std::move(found->error));
    return merged;
}

void append_audited_event(core::JsonWriter& json, std::string_view name, std::string_view event) {
    if (event.size() <= kAuditedEventBytesMax)
        json.raw_field(name, event);
    else
        json.key(name).begin_object().field("cut", true).field("bytes", event.size()).end_object();
}

}  // namespace

Answer put_dead_letter_event(Call& call) {
    const std::string_view id = call.request.param("id");
    Services& services = call.services;
    const auto view = services.view_redrives();
    auto row = find_dead_letter(call, id);
    if (!row) return core::fail(std::move(row.error()));
    const store::DeadLetter& letter = row->row;
    auto edit = find_letter_edit(services.database(), letter.key);
    if (!edit) return core::fail(std::move(edit.error()));
    const std::string etag = dead_letter_etag(letter, *edit);
    if (auto agreed = check_precondition(call.request.header("If-Match"), etag); !agreed)
        return core::fail(agreed.error());
    if (services.redrive_due_us(letter.key))
        return core::fail(edit_conflict("dead letter " + std::string(id) +
                                        " is on its way back: its event can be edited when that "
                                        "delivery has failed"));
    auto event = services.database().log_reader().read_event(letter.key.delivery.position);
    if (!event) return core::fail(std::move(event.error()));
    if (!*event)
        return core::fail(edit_conflict("the event of dead letter " + std::string(id) +
                                        " is not kept any more: there is nothing to deliver"));
    if (!may_see(call.request.principal, (*event)->event)) return not_found("dead letter", id);
    const std::string_view original = original_event_of(letter, (*event)->event);
    auto text = checked_edit(call, letter, original);
    if (!text) return core::fail(std::move(text.error()));

    const std::int64_t now_us = services.clock().wall_us();
    const std::string before = *edit ? std::move((*edit)->event) : std::string(original);
    const LetterEdit next{now_us, identity::actor_of(call.request.principal),
                          *edit ? (*edit)->count + 1 : 1, std::move(*text)};
    const std::string entry = audit_entry(
        call.request.principal, "edit", "dead_letter", id,
        [&](core::JsonWriter& json) {
            json.field("eventId", letter.event_id);
            append_audited_event(json, "before", before);
            append_audited_event(json, "after", next.event);
        },
        audit_members(call.request));
    auto written =
        services.registry().write_row({std::string(kLetterEditKind), letter_edit_id(letter.key),
                                       next.count, now_us, letter_edit_document(next)},
                                      now_us, call.tenant(), entry);
    if (!written) return core::fail(written.error());
    return dead_letter_response(call, letter);
}

}  // namespace millrace::runtime::api
