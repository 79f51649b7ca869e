#include "runtime/api/event_view.h"

#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/event/cloudevents.h"
#include "runtime/event/event_defaults.h"
#include "runtime/event/json_scan.h"
#include "runtime/event/misfit.h"
#include "runtime/event/trace_context.h"
#include "store/log/event_id.h"
#include "store/log/log_reader.h"

#include <optional>

namespace millrace::runtime::api {
namespace {

using store::EventFlag;

// Names with escapes are compared as they stand: the engine's own members have none.
bool has_member(std::string_view object, std::string_view quoted_name) {
    if (object.find(quoted_name) == std::string_view::npos) return false;
    bool found = false;
    scan_members(object, [&](std::string_view key, std::string_view) {
        found = key == quoted_name;
        return !found;
    });
    return found;
}

}  // namespace

core::Envelope envelope_of(core::EventParser& parser, const store::StoredEvent& event) {
    core::Envelope envelope;
    core::Error error;
    if (parser.begin(event.raw, core::BatchFormat::kJson))
        (void)parser.next(nullptr, envelope, nullptr, error);
    return envelope;
}

bool may_see(const identity::Principal& principal, const store::StoredEvent& event) {
    if (!principal.is_bounded()) return true;
    if (!event.pattern.empty()) return principal.may_see(event.pattern);
    core::EventParser parser;
    return principal.may_see(envelope_of(parser, event).pattern);
}

bool may_see(const identity::Principal& principal, store::Database& database,
             core::LogPosition position) {
    if (!principal.is_bounded()) return true;
    const auto event = database.log_reader().read_event(position);
    return event && *event && may_see(principal, (*event)->event);
}

std::string event_id_of(const store::StoredEvent& event, const store::Hasher& hasher) {
    if (event.has(EventFlag::kFilledEventId)) return store::encode_event_id(hasher, event.position);
    core::EventParser parser;
    return std::string(envelope_of(parser, event).event_id);
}

void append_event(std::string& out, const store::StoredEvent& event, const store::Hasher& hasher) {
    std::string_view raw = event.raw;
    raw = raw.substr(0, raw.find_last_of('}'));
    out.append(raw);
    const auto text = [&out](std::string_view name, std::string_view value) {
        out.append(",\"").append(name).append("\":");
        core::append_json_string(out, value);
    };
    if (event.has(EventFlag::kFilledEventId))
        text("eventId", store::encode_event_id(hasher, event.position));
    if (event.has(EventFlag::kFilledVersion)) text("version", kDefaultVersion);
    if (event.has(EventFlag::kFilledSource)) out.append(",\"source\":").append(kDefaultSourceJson);
    const std::string received = core::format_timestamp(event.received_at_us);
    if (event.has(EventFlag::kFilledTimestamp)) text("timestamp", received);
    if (!has_member(event.raw, "\"tenantId\"")) text("tenantId", tenant_name(event.tenant));
    text("receivedAt", received);
    out += ",\"shard\":";
    core::append_number(out, event.position.shard.value);
    out += ",\"offset\":";
    core::append_number(out, event.position.offset.value);
    const TraceTexts trace = trace_texts_of(event.fills);
    if (!trace.parent.empty()) text("traceparent", trace.parent);
    if (!trace.state.empty()) text("tracestate", trace.state);
    out += '}';
}

namespace {

// As it would have been stored.
std::optional<store::StoredEvent> as_sent(core::EventParser& parser,
                                          const store::StoredEvent& event, StandIn& stands_for) {
    const auto found = read_stand_in(event.raw);
    if (!found) return std::nullopt;
    stands_for = *found;
    store::StoredEvent sent = event;
    sent.raw = found->event;
    sent.flags = 0;
    const core::Envelope envelope = envelope_of(parser, sent);
    sent.pattern = envelope.pattern;
    const auto fill = [&](core::EnvelopeField member, EventFlag flag) {
        if (!envelope.has(member))
            sent.flags = static_cast<std::uint16_t>(sent.flags | static_cast<unsigned>(flag));
    };
    fill(core::EnvelopeField::kVersion, EventFlag::kFilledVersion);
    fill(core::EnvelopeField::kSource, EventFlag::kFilledSource);
    fill(core::EnvelopeField::kTimestamp, EventFlag::kFilledTimestamp);
    return sent;
}

}  // namespace

void append_as_sent(std::string& out, const store::StoredEvent& event,
                    const store::Hasher& hasher) {
    core::EventParser parser;
    StandIn stands_for;
    const auto sent = as_sent(parser, event, stands_for);
    if (!sent) return append_event(out, event, hasher);
    append_event(out, *sent, hasher);
    out.pop_back();
    out.append(",\"rejected\":{\"schemaId\":").append(stands_for.schema_id);
    out.append(",\"errors\":").append(stands_for.errors).append("}}");
}

std::string_view pattern_as_sent(core::EventParser& parser, const store::StoredEvent& event) {
    StandIn stands_for;
    const auto sent = as_sent(parser, event, stands_for);
    return sent ? sent->pattern : envelope_of(parser, event).pattern;
}

void append_event_as_cloud_event(std::string& out, const store::StoredEvent& event,
                                 const store::Hasher& hasher) {
    core::EventParser parser;
    const core::Envelope envelope = envelope_of(parser, event);
    const std::string made_id = store::encode_event_id(hasher, event.position);
    const TraceTexts trace = trace_texts_of(event.fills);
    append_cloud_event(envelope,
                       {.event_id = made_id,
                        .received_at_us = event.received_at_us,
                        .traceparent = trace.parent,
                        .tracestate = trace.state},
                       out);
}

}  // namespace millrace::runtime::api
