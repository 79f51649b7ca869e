#include "runtime/delivery/script_emit.h"

#include "core/json_plain.h"
#include "core/json_writer.h"
#include "core/timestamp.h"

#include <xxhash.h>

#include <array>
#include <cstring>

namespace millrace::runtime {
namespace {

constexpr std::array<char, 512> make_hex_pairs() {
    constexpr char kHex[] = "0123456789abcdef";
    std::array<char, 512> pairs{};
    for (std::size_t i = 0; i < 256; ++i) {
        pairs[2 * i] = kHex[i >> 4];
        pairs[2 * i + 1] = kHex[i & 15];
    }
    return pairs;
}
constexpr auto kHexPairs = make_hex_pairs();

void write_hex(std::uint64_t value, char* out) {
    for (int byte = 7; byte >= 0; --byte, out += 2)
        std::memcpy(out, &kHexPairs[2 * ((value >> (8 * byte)) & 255)], 2);
}

// `before` ends with the quote that the text stands behind; the closing one goes along.
void append_quoted(std::string& out, std::string_view before, std::string_view text) {
    out += before;
    if (core::is_plain_json(text)) [[likely]]
        out += text;
    else
        core::append_json_escaped(out, text);
    out += '"';
}

}  // namespace

// Each part goes in through the next one's seed: nothing to join, and no two ways to cut a text.
CauseKey cause_key(core::TenantId tenant, const EventSource& source, std::string_view event_id) {
    const std::uint64_t type =
        XXH3_64bits_withSeed(source.type.data(), source.type.size(), tenant.value);
    const std::uint64_t id = XXH3_64bits_withSeed(source.id.data(), source.id.size(), type);
    const XXH128_hash_t hash = XXH3_128bits_withSeed(event_id.data(), event_id.size(), id);
    return {hash.high64, hash.low64};
}

DerivedEventId derive_event_id(const CauseKey& cause, std::uint64_t subscription_number,
                               std::uint32_t index) {
    const std::uint64_t seed = (subscription_number * 0x9e3779b97f4a7c15ULL) ^
                               (static_cast<std::uint64_t>(index) + 1) * 0xd6e8feb86659fd93ULL;
    const XXH128_hash_t hash = XXH3_128bits_withSeed(&cause, sizeof cause, seed);
    DerivedEventId id;
    id.text[0] = 'e';
    id.text[1] = 'd';
    id.text[2] = '_';
    write_hex(hash.high64, id.text.data() + 3);
    write_hex(hash.low64, id.text.data() + 19);
    return id;
}

EmitCause emit_cause_of(core::TenantId tenant, const core::Envelope& envelope,
                        std::string_view event_id, std::string& context) {
    EmitCause cause;
    cause.key = cause_key(tenant, source_of(envelope), event_id);
    cause.event_id = event_id;
    cause.correlation_id = envelope.correlation_id;
    if (envelope.context_id.empty() && envelope.context_type.empty()) return cause;
    context.clear();
    core::JsonWriter json(context);
    json.begin_object();
    if (!envelope.context_type.empty()) json.field("type", envelope.context_type);
    if (!envelope.context_id.empty()) json.field("id", envelope.context_id);
    json.end_object();
    cause.context_json = context;
    return cause;
}

// Unit of work: one emitted event; its members are fixed, so that their names are written as they
// stand here. bench/runtime_lua_bench.cc (BM_Emits).
void append_emitted_envelope(std::string& out, const EmittedEvent& event, const EmitCause& cause) {
    char time[core::kTimestampBytesMax];
    append_quoted(out, R"({"eventId":")", event.event_id);
    append_quoted(out, R"(,"pattern":")", event.pattern);
    append_quoted(out, R"(,"version":")",
                  event.version.empty() ? std::string_view("1.0") : event.version);
    append_quoted(out, R"(,"source":{"type":"task","id":")", cause.source_id);
    append_quoted(out, R"(},"timestamp":")", {time, core::format_timestamp(cause.now_us, time)});
    if (!event.partition_key.empty())
        append_quoted(out, R"(,"partitionKey":")", event.partition_key);
    if (event.priority != 0) {
        out += R"(,"priority":)";
        core::append_number(out, event.priority);
    }
    if (event.scheduled_at_us != 0) {
        append_quoted(out, R"(,"scheduledAt":")",
                      {time, core::format_timestamp(event.scheduled_at_us, time)});
    }
    out += R"(,"payload":)";
    out += event.payload;
    std::string_view correlation = event.correlation_id;
    if (correlation.empty()) correlation = cause.correlation_id;
    if (correlation.empty()) correlation = cause.event_id;
    append_quoted(out, R"(,"metadata":{"correlationId":")", correlation);
    append_quoted(out, R"(,"causationId":")", cause.event_id);
    const std::string_view context =
        event.context_json.empty() ? cause.context_json : event.context_json;
    if (!context.empty()) {
        out += R"(,"context":)";
        out += context;
    }
    out += "}}";
}

}  // namespace millrace::runtime
