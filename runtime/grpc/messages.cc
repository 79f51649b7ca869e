#include "runtime/grpc/messages.h"

#include "core/json_dom.h"
#include "core/json_writer.h"
#include "core/utf8.h"
#include "runtime/event/json_scan.h"
#include "runtime/grpc/wire.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <span>

namespace millrace::runtime::grpc {

namespace {

// Event's members that are texts on both sides: field, member of the JSON text.
struct TextMember {
    std::uint32_t field;
    std::string_view name;
};
constexpr std::uint32_t kSource = 4, kPayload = 6, kMetadata = 7, kPriority = 9, kJson = 12;
constexpr std::uint32_t kShard = 21, kOffset = 22, kPosition = 25;
constexpr TextMember kSentTexts[] = {{1, "eventId"},   {2, "pattern"},      {3, "version"},
                                     {5, "timestamp"}, {8, "partitionKey"}, {10, "scheduledAt"},
                                     {11, "tenantId"}};
constexpr TextMember kToldTexts[] = {{20, "receivedAt"}, {23, "traceparent"}, {24, "tracestate"}};
// Of Source and Context.
constexpr TextMember kTypeAndId[] = {{1, "type"}, {2, "id"}};
constexpr TextMember kCausalTexts[] = {{1, "correlationId"}, {2, "causationId"}};
constexpr std::uint32_t kContext = 3;

core::Error malformed(std::string_view what) {
    return {core::ErrorCode::kValidation, std::string(what) + ": the message does not read"};
}

core::Error no_utf8(std::string_view what) {
    return {core::ErrorCode::kValidation, std::string(what) + ": a text is no UTF-8"};
}

const TextMember* find_member(std::span<const TextMember> members, std::uint32_t field) {
    const auto found =
        std::find_if(members.begin(), members.end(),
                     [field](const TextMember& member) { return member.field == field; });
    return found == members.end() ? nullptr : &*found;
}

// Two looks for one byte each are quicker than one for both.
bool has_line_end(std::string_view text) {
    return text.find('\n') != std::string_view::npos || text.find('\r') != std::string_view::npos;
}

// JSON text without line ends, which may stand between its tokens only. False: in a text, too.
bool append_flat(std::string& out, std::string_view json) {
    if (!has_line_end(json)) {
        out.append(json);
        return true;
    }
    bool in_text = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        const bool ends_line = c == '\n' || c == '\r';
        if (ends_line && in_text) return false;
        out.push_back(ends_line ? ' ' : c);
        if (in_text && c == '\\' && i + 1 < json.size()) {
            const char escaped = json[++i];
            if (escaped == '\n' || escaped == '\r') return false;
            out.push_back(escaped);
        } else if (c == '"') {
            in_text = !in_text;
        }
    }
    return true;
}

// One object and nothing behind it: what is put into a line must not be more than it says it is.
core::Status append_object(std::string& out, std::string_view json, std::string_view field) {
    JsonScanner scanner(json);
    const bool object = scanner.next_is('{') && scanner.value() && scanner.at_end();
    if (object && append_flat(out, json)) return {};
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  std::string(field) + ": expected the text of a JSON object")
                          .in(std::string(field)));
}

// What was sent of one event, in the order of the JSON text's members.
struct SentEvent {
    std::array<std::string_view, std::size(kSentTexts)> texts;
    std::string_view json, payload;
    std::array<std::string_view, 2> source, context, causal;
    std::int32_t priority = 0;
};

template <std::size_t N>
core::Status read_texts(std::string_view message, std::span<const TextMember, N> members,
                        std::array<std::string_view, N>& out, std::string_view what,
                        std::string_view* inner = nullptr) {
    WireReader wire(message);
    while (wire.next()) {
        const TextMember* const member = find_member(members, wire.field());
        if (member && wire.is(member->field, WireType::kBytes)) {
            if (!core::is_utf8(wire.bytes())) return core::fail(no_utf8(what));
            out[static_cast<std::size_t>(member - members.data())] = wire.bytes();
        } else if (inner && wire.is(kContext, WireType::kBytes)) {
            *inner = wire.bytes();
        }
    }
    if (wire.failed()) return core::fail(malformed(what));
    return {};
}

core::Status read_metadata(std::string_view message, SentEvent& event) {
    std::string_view context;
    if (auto read =
            read_texts(message, std::span(kCausalTexts), event.causal, "metadata", &context);
        !read)
        return read;
    return read_texts(context, std::span(kTypeAndId), event.context, "metadata.context");
}

core::Status read_event(std::string_view message, SentEvent& event) {
    WireReader wire(message);
    while (wire.next()) {
        const TextMember* const member = find_member(kSentTexts, wire.field());
        core::Status read;
        if (wire.is(kPriority, WireType::kVarint)) {
            event.priority = static_cast<std::int32_t>(static_cast<std::uint32_t>(wire.number()));
            continue;
        }
        if (!wire.is(wire.field(), WireType::kBytes)) continue;
        if (member) {
            event.texts[static_cast<std::size_t>(member - std::begin(kSentTexts))] = wire.bytes();
        } else if (wire.field() == kPayload) {
            event.payload = wire.bytes();
        } else if (wire.field() == kJson) {
            event.json = wire.bytes();
        } else if (wire.field() == kSource) {
            read = read_texts(wire.bytes(), std::span(kTypeAndId), event.source, "source");
        } else if (wire.field() == kMetadata) {
            read = read_metadata(wire.bytes(), event);
        } else {
            continue;
        }
        if (!read) return read;
        const bool text = wire.field() != kSource && wire.field() != kMetadata;
        if (text && !core::is_utf8(wire.bytes())) return core::fail(no_utf8("event"));
    }
    if (wire.failed()) return core::fail(malformed("event"));
    return {};
}

bool any_of(const std::array<std::string_view, 2>& texts) {
    return !texts[0].empty() || !texts[1].empty();
}

void write_texts(core::JsonWriter& json, std::span<const TextMember> members,
                 std::span<const std::string_view> texts) {
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (!texts[i].empty()) json.field(members[i].name, texts[i]);
    }
}

// What has no line end stays one line whatever it is, as long as it is none of the empty ones,
// which do not count: who reads it says what is wrong with it.
bool is_line(std::string_view json) {
    const std::size_t begin = json.find_first_not_of(" \t");
    return begin != std::string_view::npos && json[begin] == '{' && !has_line_end(json);
}

core::Status append_line(std::string& lines, const SentEvent& event) {
    if (!event.json.empty()) {
        if (!is_line(event.json)) return append_object(lines, event.json, "json");
        lines.append(event.json);
        return {};
    }
    std::string payload;
    if (!event.payload.empty()) {
        if (auto flat = append_object(payload, event.payload, "payload"); !flat) return flat;
    }
    core::JsonWriter json(lines);
    json.begin_object();
    write_texts(json, kSentTexts, event.texts);
    if (event.priority != 0) json.field("priority", event.priority);
    if (any_of(event.source)) {
        json.key("source").begin_object();
        write_texts(json, kTypeAndId, event.source);
        json.end_object();
    }
    if (any_of(event.causal) || any_of(event.context)) {
        json.key("metadata").begin_object();
        write_texts(json, kCausalTexts, event.causal);
        if (any_of(event.context)) {
            json.key("context").begin_object();
            write_texts(json, kTypeAndId, event.context);
            json.end_object();
        }
        json.end_object();
    }
    if (!payload.empty()) json.raw_field("payload", payload);
    json.end_object();
    return {};
}

// ---- what is told

void append_texts_of(std::string& out, std::span<const TextMember> members,
                     const core::JsonElement& of) {
    for (const TextMember& member : members) {
        core::JsonElement found;
        std::string_view text;
        if (of.find(member.name, found) && found.get(text))
            append_text_field(out, member.field, text);
    }
}

void append_metadata(std::string& out, const core::JsonElement& metadata) {
    std::string message;
    append_texts_of(message, kCausalTexts, metadata);
    core::JsonElement context;
    if (metadata.find("context", context) && context.is_object()) {
        std::string inner;
        append_texts_of(inner, kTypeAndId, context);
        append_bytes_field(message, kContext, inner);
    }
    append_bytes_field(out, kMetadata, message);
}

void append_numbers(std::string& out, const core::JsonElement& event) {
    core::JsonElement found;
    std::int64_t signed_number = 0;
    std::uint64_t number = 0;
    if (event.find("priority", found) && found.get(signed_number))
        append_number_field(out, kPriority, static_cast<std::uint64_t>(signed_number));
    if (event.find("shard", found) && found.get(number)) append_number_field(out, kShard, number);
    if (event.find("offset", found) && found.get(number)) append_number_field(out, kOffset, number);
}

}  // namespace

core::Result<std::uint32_t> append_lines(std::string_view publish_request, std::uint32_t first,
                                         std::string& lines, std::vector<RefusedEvent>& refused) {
    WireReader wire(publish_request);
    std::uint32_t events = 0;
    while (wire.next()) {
        if (!wire.is(1, WireType::kBytes)) continue;
        SentEvent event;
        if (auto read = read_event(wire.bytes(), event); !read)
            return core::fail(std::move(read.error()));
        const std::size_t begin = lines.size();
        if (auto written = append_line(lines, event); !written) {
            lines.resize(begin);
            lines += "{}";
            refused.push_back({first + events, std::move(written.error())});
        }
        lines += '\n';
        ++events;
    }
    if (wire.failed()) return core::fail(malformed("PublishRequest"));
    return events;
}

core::Result<SubscribeAsk> read_subscribe(std::string_view message) {
    SubscribeAsk ask;
    std::string* const texts[] = {&ask.pattern, &ask.pattern_prefix, &ask.filter, &ask.after};
    constexpr std::uint32_t kWhole = 5;
    WireReader wire(message);
    while (wire.next()) {
        if (wire.is(kWhole, WireType::kVarint)) ask.json = wire.number() != 0;
        if (wire.field() > std::size(texts) || !wire.is(wire.field(), WireType::kBytes)) continue;
        if (!core::is_utf8(wire.bytes())) return core::fail(no_utf8("SubscribeRequest"));
        *texts[wire.field() - 1] = wire.bytes();
    }
    if (wire.failed()) return core::fail(malformed("SubscribeRequest"));
    return ask;
}

void append_event(std::string& out, std::string_view position, std::string_view json, bool whole) {
    if (whole) {
        append_text_field(out, kJson, json);
        return append_text_field(out, kPosition, position);
    }
    core::JsonDom dom;
    core::JsonElement event;
    core::JsonElement found;
    if (!dom.read(json, event)) return append_text_field(out, kPosition, position);
    append_texts_of(out, kSentTexts, event);
    if (event.find("source", found) && found.is_object()) {
        std::string source;
        append_texts_of(source, kTypeAndId, found);
        append_bytes_field(out, kSource, source);
    }
    if (event.find("payload", found)) append_text_field(out, kPayload, found.raw());
    if (event.find("metadata", found) && found.is_object()) append_metadata(out, found);
    append_numbers(out, event);
    append_texts_of(out, kToldTexts, event);
    append_text_field(out, kPosition, position);
}

void append_ack_head(std::string& out, std::uint64_t index, std::string_view durability) {
    append_number_field(out, 1, index);
    append_text_field(out, 2, durability);
}

void append_outcome(std::string& out, const OutcomeFields& outcome) {
    std::string message;
    append_text_field(message, 1, outcome.event_id);
    append_number_field(message, 2, outcome.shard);
    append_number_field(message, 3, outcome.offset);
    append_number_field(message, 4, outcome.duplicate ? 1 : 0);
    if (const core::Error* const error = outcome.error) {
        std::string inner;
        append_text_field(inner, 1, core::error_code_text(error->code));
        append_text_field(inner, 2, error->message);
        append_text_field(inner, 3, error->field);
        if (error->retry_after_seconds > 0)
            append_number_field(inner, 4, static_cast<std::uint64_t>(error->retry_after_seconds));
        append_bytes_field(message, 5, inner);
    }
    append_bytes_field(out, 3, message);
}

core::Result<std::string> read_text_message(std::string_view message) {
    std::string text;
    WireReader wire(message);
    while (wire.next()) {
        if (wire.is(1, WireType::kBytes)) text = wire.bytes();
    }
    if (wire.failed()) return core::fail(malformed("the request"));
    return text;
}

}  // namespace millrace::runtime::grpc
