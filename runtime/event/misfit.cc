#include "runtime/event/misfit.h"

#include "core/hex.h"
#include "core/json_writer.h"
#include "runtime/event/event_source.h"
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

}  // namespace

std::string misfit_id(std::string_view event_id) { return hashed_id("misfit_", event_id, 0); }

std::string made_event_id(std::string_view raw, std::uint64_t salt) {
    return hashed_id("ev_", raw, salt);
}

std::string misfit_event(const core::Envelope& envelope, std::string_view event_id,
                         const Misfit& why) {
    std::string original(envelope.raw);
    if (!envelope.has(core::EnvelopeField::kEventId)) {
        std::string member = "\"eventId\":";
        core::append_json_string(member, event_id);
        original.insert(original.find('{') + 1, member + ",");  // it has a pattern at least
    }
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
