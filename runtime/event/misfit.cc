#include "runtime/event/misfit.h"

#include "core/hex.h"
#include "runtime/event/json_scan.h"

#include <xxhash.h>

namespace millrace::runtime {
namespace {

std::string hashed_id(std::string_view prefix, std::string_view text, std::uint64_t seed) {
    const XXH128_hash_t hash = XXH3_128bits_withSeed(text.data(), text.size(), seed);
    std::string id(prefix);
    core::append_hex(id, hash.high64);
    core::append_hex(id, hash.low64);
    return id;
}

// It has a pattern at least.
std::string named_event(const core::Envelope& envelope, std::string_view event_id) {
    std::string out(envelope.raw);
    if (envelope.has(core::EnvelopeField::kEventId)) return out;
    std::string member = "\"eventId\":";
    core::append_json_string(member, event_id);
    out.insert(out.find('{') + 1, member + ",");
    return out;
}

constexpr std::string_view kBytesPlace = "x-rejected";

}  // namespace

std::string misfit_id(std::string_view event_id) { return hashed_id("misfit_", event_id, 0); }

std::string made_event_id(std::string_view raw, std::uint64_t salt) {
    return hashed_id("ev_", raw, salt);
}

std::string misfit_event(const core::Envelope& envelope, std::string_view event_id,
                         const Misfit& why) {
    const std::string original = named_event(envelope, event_id);
    std::string out;
    core::JsonWriter json(out);
    const EventSource source = source_of(envelope);
    json.begin_object().field("eventId", misfit_id(event_id));
    json.field("pattern", kMisfitPattern).key("source").begin_object();
    json.field("type", source.type).field("id", source.id).end_object();
    if (!envelope.metadata.empty()) json.raw_field("metadata", envelope.metadata);
    json.key("payload").begin_object().field("schemaId", why.schema_id);
    json.raw_field("errors", why.errors).raw_field("event", original);
    json.end_object().end_object();
    return out;
}

std::string misfit_bytes_event(const core::Envelope& envelope, std::string_view event_id,
                               std::string_view schema_id, std::string_view why) {
    const std::string original = named_event(envelope, event_id);
    std::string out;
    append_poison_event(out,
                        {.event_id = event_id,
                         .pattern = kMisfitPattern,
                         .source = source_of(envelope),
                         .schema_id = schema_id,
                         .why = why,
                         .place = kBytesPlace,
                         .bytes = original,
                         .whole_bytes = original.size()},
                        [](core::JsonWriter&) {});
    return out;
}

// A sender's own event may have that member too, and has others than these: a pattern at least.
std::optional<std::string> event_by_bytes(std::string_view stand_in_event) {
    bool is_ours = true;
    std::string_view place;
    (void)scan_members(stand_in_event, [&](std::string_view key, std::string_view value) {
        if (key == R"("x-rejected")") place = value;
        is_ours = key == R"("x-rejected")" || key == R"("eventId")" || key == R"("source")";
        return is_ours;
    });
    if (!is_ours) return std::nullopt;
    std::string_view base64 = member_of(place, R"("base64")");
    if (base64.size() < 2) return std::nullopt;
    base64 = base64.substr(1, base64.size() - 2);
    auto event = core::decode_base64(base64, core::Base64Form::kStrict);
    if (!event || std::to_string(event->size()) != member_of(place, R"("bytes")"))
        return std::nullopt;
    return event;
}

std::optional<StandIn> read_stand_in(std::string_view text) {
    StandIn out;
    const bool read = scan_members(text, [&](std::string_view key, std::string_view payload) {
        if (key != "\"payload\"") return true;
        scan_members(payload, [&](std::string_view name, std::string_view value) {
            if (name == "\"schemaId\"") out.schema_id = value;
            if (name == "\"errors\"") out.errors = value;
            if (name == "\"event\"") out.event = value;
            return true;
        });
        return false;
    });
    if (!read || !out.event.starts_with('{') || out.errors.empty()) return std::nullopt;
    return out;
}

}  // namespace millrace::runtime
