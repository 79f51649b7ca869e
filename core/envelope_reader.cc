#include "core/envelope_reader.h"

#include "core/limits.h"
#include "core/timestamp.h"

#include <charconv>
#include <cstring>
#include <limits>

namespace millrace::core {

namespace {

constexpr std::uint8_t kNoMember = 0xff;

// With a constant length the comparison is a few loads; operator== calls memcmp (measured: 1.5 % of
// a server's time).
template <std::size_t kSize>
bool is(std::string_view text, const char (&word)[kSize]) {
    return text.size() == kSize - 1 && std::memcmp(text.data(), word, kSize - 1) == 0;
}

template <EnvelopeMember kMember>
std::uint8_t member_if(std::string_view name) {
    constexpr std::string_view kName = kEnvelopeMembers[static_cast<std::size_t>(kMember)];
    const bool same = std::memcmp(name.data(), kName.data(), kName.size()) == 0;
    return same ? static_cast<std::uint8_t>(kMember) : kNoMember;
}

// The member of this name, or kNoMember. The length decides almost alone; one comparison follows.
std::uint8_t member_of(std::string_view name) {
    using M = EnvelopeMember;
    switch (name.size()) {
        case 6: return member_if<M::kSource>(name);
        case 7:
            if (name[0] == 'e') return member_if<M::kEventId>(name);
            if (name[0] == 'v') return member_if<M::kVersion>(name);
            return name[2] == 'y' ? member_if<M::kPayload>(name) : member_if<M::kPattern>(name);
        case 8:
            if (name[0] == 'm') return member_if<M::kMetadata>(name);
            return name[0] == 'p' ? member_if<M::kPriority>(name) : member_if<M::kTenantId>(name);
        case 9: return member_if<M::kTimestamp>(name);
        case 11: return member_if<M::kScheduledAt>(name);
        case 12: return member_if<M::kPartitionKey>(name);
        default: return kNoMember;
    }
}

bool has_controls(std::string_view text, bool escaped) {
    if (std::memchr(text.data(), 0x7f, text.size()) != nullptr) return true;
    if (!escaped) return false;
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20) return true;
    }
    return false;
}

// -1: none of the names.
int named_priority(std::string_view name) {
    constexpr std::string_view kNames[] = {"LOW", "NORMAL", "HIGH", "CRITICAL"};
    for (int i = 0; i < 4; ++i) {
        if (name == kNames[i]) return i;
    }
    return -1;
}

bool is_source_type(std::string_view type) {
    return is(type, "workflow") || is(type, "task") || is(type, "integration") ||
           is(type, "external");
}
bool is_context_type(std::string_view type) {
    return is(type, "client") || is(type, "user") || is(type, "global");
}

std::string_view type_name(char c) {
    switch (c) {
        case '"': return "a string";
        case '{': return "an object";
        case '[': return "an array";
        case 't':
        case 'f': return "a boolean";
        case 'n': return "null";
        default: return "a number";
    }
}

}  // namespace

bool EnvelopeReader::wrong(std::string_view name, std::string message, std::uint32_t at) {
    bad_member_ = true;
    error_ = Error(ErrorCode::kValidation, std::string(name) + ' ' + std::move(message));
    error_.field = name;
    error_.position = at;
    return false;
}

bool EnvelopeReader::wrong_type(std::string_view name, std::string_view expected) {
    const std::uint32_t at = walker_.position();
    const char c = walker_.peek();
    if (!walker_.skip_value()) return false;  // no value at all: that is the error to report
    return wrong(name, "must be " + std::string(expected) + ", not " + std::string(type_name(c)),
                 at);
}

bool EnvelopeReader::set(EnvelopeField field) {
    envelope_->present |= 1u << static_cast<unsigned>(field);
    return true;
}

bool EnvelopeReader::string_member(EnvelopeField field, std::string_view name,
                                   std::string_view& out) {
    if (walker_.peek() != '"') [[unlikely]]
        return wrong_type(name, "a string");
    if (!walker_.string(out)) return false;
    if (walker_.has_escapes(out)) [[unlikely]]
        out = JsonWalker::resolve(out, arena_);
    return set(field);
}

bool EnvelopeReader::bounded_member(EnvelopeField field, std::string_view name,
                                    std::size_t bytes_max, std::string_view& out) {
    const std::uint32_t at = walker_.position();
    if (!string_member(field, name, out)) return false;
    if (out.empty()) [[unlikely]]
        return wrong(name, "must not be empty", at);
    if (out.size() <= bytes_max) [[likely]] {
        // What people and paths name an event by holds no control characters. Between quotes those
        // below a blank can only stand escaped: most texts need no look at each byte.
        if (field == EnvelopeField::kSourceId || field == EnvelopeField::kPartitionKey) return true;
        const bool escaped = out.data() != walker_.base() + at + 1;
        if (has_controls(out, escaped)) [[unlikely]]
            return wrong(name, "must not hold control characters", at);
        if (field == EnvelopeField::kEventId && (out == "." || out == "..")) [[unlikely]]
            return wrong(name, "is not usable in a path", at);
        return true;
    }
    wrong(name, "of " + std::to_string(out.size()) + " bytes exceeds " + std::to_string(bytes_max),
          at);
    error_.limit = static_cast<std::int64_t>(bytes_max);
    return false;
}

bool EnvelopeReader::time_member(EnvelopeField field, std::string_view name, std::string_view& out,
                                 std::int64_t& us) {
    const std::uint32_t at = walker_.position();
    if (!string_member(field, name, out)) return false;
    if (parse_timestamp(out, us)) [[likely]]
        return true;
    return wrong(name, "must be an RFC 3339 time such as 2026-01-31T12:00:00Z", at);
}

bool EnvelopeReader::priority_member() {
    const char c = walker_.peek();
    const std::uint32_t at = walker_.position();
    std::string_view text;
    if (c == '"') {
        if (!string_member(EnvelopeField::kPriority, "priority", text)) return false;
        const int place = named_priority(text);
        envelope_->priority = (place - 1) * 10;  // LOW is -10
        if (place >= 0) return true;
        return wrong("priority", "must be an integer of 32 bits, LOW, NORMAL, HIGH or CRITICAL",
                     at);
    }
    if (!is_digit(c) && c != '-') return wrong_type("priority", "an integer or a name");
    if (!walker_.number(text)) return false;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), envelope_->priority);
    if (error == std::errc() && end == text.data() + text.size())
        return set(EnvelopeField::kPriority);
    return wrong("priority", "must be an integer of 32 bits", at);
}

bool EnvelopeReader::object_member(EnvelopeField field, std::string_view name,
                                   std::string_view& out) {
    const std::uint32_t* start = walker_.token();
    if (walker_.peek() != '{') [[unlikely]]
        return wrong_type(name, "an object");
    if (!walker_.skip_value()) return false;
    out = {walker_.base() + *start, walker_.last_position() + 1 - *start};
    return set(field);
}

bool EnvelopeReader::source_member() {
    if (walker_.peek() != '{') [[unlikely]]
        return wrong_type("source", "an object");
    if (!walker_.enter_object()) return false;
    set(EnvelopeField::kSource);
    if (walker_.object_is_empty()) return true;
    for (bool more = true; more;) {
        std::string_view name;
        std::uint64_t hash = 0;
        if (!walker_.key(name, hash)) return false;
        const std::uint32_t at = walker_.position();
        if (is(name, "type")) {
            if (!string_member(EnvelopeField::kSourceType, "source.type", envelope_->source_type))
                return false;
            if (!is_source_type(envelope_->source_type)) {
                return wrong("source.type", "must be workflow, task, integration or external", at);
            }
        } else if (is(name, "id")) {
            if (!bounded_member(EnvelopeField::kSourceId, "source.id", kEventIdBytesMax,
                                envelope_->source_id)) {
                return false;
            }
        } else if (!walker_.skip_value()) {
            return false;
        }
        if (!walker_.more_members(more)) return false;
    }
    return true;
}

bool EnvelopeReader::context_member() {
    if (walker_.peek() != '{') [[unlikely]]
        return wrong_type("metadata.context", "an object");
    if (!walker_.enter_object()) return false;
    set(EnvelopeField::kContext);
    if (walker_.object_is_empty()) return true;
    for (bool more = true; more;) {
        std::string_view name;
        std::uint64_t hash = 0;
        if (!walker_.key(name, hash)) return false;
        const std::uint32_t at = walker_.position();
        if (is(name, "type")) {
            auto& type = envelope_->context_type;
            if (!string_member(EnvelopeField::kContextType, "metadata.context.type", type))
                return false;
            if (!is_context_type(type)) {
                return wrong("metadata.context.type", "must be client, user or global", at);
            }
        } else if (is(name, "id")) {
            auto& id = envelope_->context_id;
            if (!string_member(EnvelopeField::kContextId, "metadata.context.id", id)) return false;
        } else if (!walker_.skip_value()) {
            return false;
        }
        if (!walker_.more_members(more)) return false;
    }
    return true;
}

bool EnvelopeReader::metadata_member() {
    if (walker_.peek() != '{') [[unlikely]]
        return wrong_type("metadata", "an object");
    const std::uint32_t start = walker_.position();
    if (!walker_.enter_object()) return false;
    set(EnvelopeField::kMetadata);
    bool more = !walker_.object_is_empty();
    while (more) {
        std::string_view name;
        std::uint64_t hash = 0;
        if (!walker_.key(name, hash)) return false;
        bool good = false;
        if (is(name, "correlationId")) {
            good = string_member(EnvelopeField::kCorrelationId, "metadata.correlationId",
                                 envelope_->correlation_id);
        } else if (is(name, "causationId")) {
            good = string_member(EnvelopeField::kCausationId, "metadata.causationId",
                                 envelope_->causation_id);
        } else if (is(name, "context")) {
            good = context_member();
        } else {
            good = walker_.skip_value();
        }
        if (!good || !walker_.more_members(more)) return false;
    }
    envelope_->metadata = {walker_.base() + start, walker_.last_position() + 1 - start};
    return true;
}

bool EnvelopeReader::known_member(EnvelopeMember member, const Extraction* extraction) {
    Envelope& e = *envelope_;
    const std::uint32_t node = extraction ? extraction->plan->envelope_child(member) : kNoNode;
    if (node != kNoNode) {
        const std::uint32_t* start = walker_.token();
        const char c = walker_.peek();
        if (!extraction->extractor->value(node)) return false;
        if (member == EnvelopeMember::kPayload && c == '{') {
            payload_token_ = start;
            e.payload = {walker_.base() + *start, walker_.last_position() + 1 - *start};
            return set(EnvelopeField::kPayload);
        }
        walker_.rewind(start);
    }
    switch (member) {
        case EnvelopeMember::kEventId:
            return bounded_member(EnvelopeField::kEventId, "eventId", kEventIdBytesMax, e.event_id);
        case EnvelopeMember::kPattern:
            if (!bounded_member(EnvelopeField::kPattern, "pattern", kPatternBytesMax, e.pattern))
                return false;
            listener_.tell(e.pattern);
            return true;
        case EnvelopeMember::kVersion:
            return string_member(EnvelopeField::kVersion, "version", e.version);
        case EnvelopeMember::kSource: return source_member();
        case EnvelopeMember::kTimestamp:
            return time_member(EnvelopeField::kTimestamp, "timestamp", e.timestamp, e.timestamp_us);
        case EnvelopeMember::kPayload:
            payload_token_ = walker_.token();
            return object_member(EnvelopeField::kPayload, "payload", e.payload);
        case EnvelopeMember::kMetadata: return metadata_member();
        case EnvelopeMember::kPartitionKey:
            return bounded_member(EnvelopeField::kPartitionKey, "partitionKey",
                                  kPartitionKeyBytesMax, e.partition_key);
        case EnvelopeMember::kPriority: return priority_member();
        case EnvelopeMember::kScheduledAt:
            return time_member(EnvelopeField::kScheduledAt, "scheduledAt", e.scheduled_at,
                               e.scheduled_at_us);
        case EnvelopeMember::kTenantId:
            return string_member(EnvelopeField::kTenantId, "tenantId", e.tenant_id);
    }
    return false;
}

bool EnvelopeReader::top_member(std::string_view name, std::uint64_t hash,
                                const Extraction* extraction) {
    const std::uint8_t member = member_of(name);
    if (member != kNoMember) [[likely]]
        return known_member(static_cast<EnvelopeMember>(member), extraction);
    if (!name.starts_with("x-")) {
        // The name stands before the ':' that was read last.
        return wrong(name.substr(0, 64), "is no member of an event; own members begin with x-",
                     walker_.last_position());
    }
    if (extraction) {
        const FieldPlan& plan = *extraction->plan;
        const std::uint32_t node = plan.child(plan.node(FieldPlan::root()), name, hash);
        if (node != kNoNode) return extraction->extractor->value(node);
    }
    return walker_.skip_value();
}

bool EnvelopeReader::members(const Extraction* extraction) {
    const std::uint32_t start = walker_.position();
    if (walker_.peek() != '{') {
        if (!walker_.skip_value()) return false;
        return wrong("event", "must be a JSON object", start);
    }
    if (!walker_.enter_object()) return false;
    bool more = !walker_.object_is_empty();
    while (more) {
        std::string_view name;
        std::uint64_t hash = 0;
        if (!walker_.key(name, hash)) return false;
        if (!top_member(name, hash, extraction)) return false;
        if (!walker_.more_members(more)) return false;
    }
    envelope_->raw = {walker_.base() + start, walker_.last_position() + 1 - start};
    if (envelope_->has(EnvelopeField::kPattern)) [[likely]]
        return true;
    return wrong("pattern", "is required", start);
}

EnvelopeReader::Outcome EnvelopeReader::read(const FieldPlan* plan, FieldTable* fields,
                                             Envelope& envelope) {
    envelope = Envelope{};
    envelope_ = &envelope;
    payload_token_ = nullptr;
    bad_member_ = false;
    bool good = false;
    if (plan && fields) {
        fields->reset(*plan);
        FieldExtractor extractor(walker_, *plan, *fields, arena_);
        const Extraction extraction{plan, &extractor};
        good = members(plan->slot_count() != 0 ? &extraction : nullptr);
    } else {
        good = members(nullptr);
    }
    if (good) [[likely]]
        return Outcome::kGood;
    return bad_member_ ? Outcome::kBadMember : Outcome::kBadSyntax;
}

}  // namespace millrace::core
