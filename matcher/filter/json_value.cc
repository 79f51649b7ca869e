#include "matcher/filter/json_value.h"

#include "core/json_writer.h"
#include "core/limits.h"
#include "matcher/filter/number.h"
#include "matcher/filter/text_scanner.h"

#include <algorithm>
#include <string>
#include <utility>

namespace millrace::matcher {
namespace {

using core::ErrorCode;

class JsonReader {
public:
    JsonReader(std::string_view text, std::size_t values_max)
        : text_(text), values_left_(values_max) {}

    core::Result<JsonValue> read_all() {
        JsonValue value;
        if (!read_value(value, 0)) return core::fail(std::move(error_));
        skip_space();
        if (at_ != text_.size()) {
            refuse("unexpected text after the JSON value");
            return core::fail(std::move(error_));
        }
        return value;
    }

private:
    bool refuse(const std::string& message) {
        error_ = core::Error(ErrorCode::kValidation, message + " at byte " + std::to_string(at_));
        error_.position = static_cast<std::int64_t>(at_);
        return false;
    }
    bool refuse_bound(const std::string& message, std::size_t limit) {
        refuse(message);
        error_.limit = static_cast<std::int64_t>(limit);
        return false;
    }

    void skip_space() {
        while (at_ < text_.size() && is_json_space(text_[at_])) ++at_;
    }
    bool take(char c) {
        skip_space();
        if (at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    bool take_word(std::string_view word) {
        if (text_.substr(at_, word.size()) != word) return refuse("expected a JSON value");
        at_ += word.size();
        return true;
    }

    // NOLINTNEXTLINE(misc-no-recursion): bounded by kJsonDepthMax
    bool read_value(JsonValue& out, std::size_t depth) {
        if (values_left_-- == 0) return refuse("too many JSON values");
        skip_space();
        out.position = static_cast<std::uint32_t>(at_);
        if (at_ >= text_.size()) return refuse("expected a JSON value, found the end of the text");
        if (depth == core::kJsonDepthMax && (text_[at_] == '{' || text_[at_] == '[')) {
            return refuse_bound("JSON nested deeper than " + std::to_string(core::kJsonDepthMax),
                                core::kJsonDepthMax);
        }
        switch (text_[at_]) {
            case '{': return read_object(out, depth);
            case '[': return read_array(out, depth);
            case '"': out.type = JsonValue::Type::kString; return read_string(out.text);
            case 't': out.type = JsonValue::Type::kTrue; return take_word("true");
            case 'f': out.type = JsonValue::Type::kFalse; return take_word("false");
            case 'n': out.type = JsonValue::Type::kNull; return take_word("null");
            default: return read_number(out);
        }
    }

    // NOLINTNEXTLINE(misc-no-recursion): bounded by kJsonDepthMax
    bool read_object(JsonValue& out, std::size_t depth) {
        out.type = JsonValue::Type::kObject;
        ++at_;
        if (take('}')) return true;
        do {
            skip_space();
            JsonMember member;
            member.position = static_cast<std::uint32_t>(at_);
            if (at_ >= text_.size() || text_[at_] != '"') return refuse("expected a key in quotes");
            if (!read_string(member.name)) return false;
            if (!take(':')) return refuse("expected ':' after the key");
            if (!read_value(member.value, depth + 1)) return false;
            out.members.push_back(std::move(member));
        } while (take(','));
        if (!take('}')) return refuse("expected ',' or '}' in the object");
        return keys_differ(out);
    }

    bool keys_differ(const JsonValue& object) {
        std::vector<const JsonMember*> sorted;
        for (const JsonMember& member : object.members) sorted.push_back(&member);
        std::sort(sorted.begin(), sorted.end(),
                  [](const JsonMember* a, const JsonMember* b) { return a->name < b->name; });
        const auto twin = std::adjacent_find(
            sorted.begin(), sorted.end(),
            [](const JsonMember* a, const JsonMember* b) { return a->name == b->name; });
        if (twin == sorted.end()) return true;
        at_ = std::max((*twin)->position, (*(twin + 1))->position);
        return refuse("key \"" + (*twin)->name.substr(0, 64) + "\" appears twice in one object");
    }

    // NOLINTNEXTLINE(misc-no-recursion): bounded by kJsonDepthMax
    bool read_array(JsonValue& out, std::size_t depth) {
        out.type = JsonValue::Type::kArray;
        ++at_;
        if (take(']')) return true;
        do {
            out.elements.emplace_back();
            if (!read_value(out.elements.back(), depth + 1)) return false;
        } while (take(','));
        return take(']') || refuse("expected ',' or ']' in the array");
    }

    bool read_number(JsonValue& out) {
        out.type = JsonValue::Type::kNumber;
        std::size_t end = at_;
        while (end < text_.size() && is_number_char(text_[end])) ++end;
        NumberView view;
        if (!parse_number(text_.substr(at_, end - at_), view)) {
            return refuse(end == at_ ? "expected a JSON value" : "malformed number");
        }
        out.text = view.text;
        at_ = end;
        return true;
    }

    bool read_string(std::string& out) {
        ++at_;
        std::string_view reason;
        if (!scan_quoted(text_, at_, '"', out, reason)) return refuse(std::string(reason));
        return true;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t values_left_;
    core::Error error_;
};

JsonValue string_value(std::string_view text) {
    JsonValue value;
    value.type = JsonValue::Type::kString;
    value.text = text;
    return value;
}

void add_member(JsonValue& object, std::string_view name, JsonValue value) {
    if (object.find(name) != nullptr) return;
    JsonMember member;
    member.name = name;
    member.value = std::move(value);
    object.members.push_back(std::move(member));
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by kJsonDepthMax
void write(const JsonValue& value, std::string& out) {
    const auto quoted = [&](std::string_view text) {
        out += '"';
        core::append_json_escaped(out, text);
        out += '"';
    };
    switch (value.type) {
        case JsonValue::Type::kNull: out += "null"; break;
        case JsonValue::Type::kFalse: out += "false"; break;
        case JsonValue::Type::kTrue: out += "true"; break;
        case JsonValue::Type::kNumber: out += value.text; break;
        case JsonValue::Type::kString: quoted(value.text); break;
        case JsonValue::Type::kArray:
            out += '[';
            for (const JsonValue& element : value.elements) {
                if (&element != value.elements.data()) out += ',';
                write(element, out);
            }
            out += ']';
            break;
        case JsonValue::Type::kObject:
            out += '{';
            for (const JsonMember& member : value.members) {
                if (&member != value.members.data()) out += ',';
                quoted(member.name);
                out += ':';
                write(member.value, out);
            }
            out += '}';
            break;
    }
}

}  // namespace

const JsonValue* JsonValue::find(std::string_view name) const {
    for (const JsonMember& member : members) {
        if (member.name == name) return &member.value;
    }
    return nullptr;
}

core::Result<JsonValue> parse_json(std::string_view text, std::size_t values_max) {
    return JsonReader(text, values_max).read_all();
}

core::Result<JsonValue> event_tree(const core::Envelope& envelope) {
    using core::EnvelopeField;
    auto tree = parse_json(envelope.raw);
    if (!tree) return tree;
    if (!tree->is_object()) return core::fail(ErrorCode::kValidation, "the event is not an object");
    const auto add = [&](EnvelopeField field, std::string_view name, std::string_view text) {
        if (envelope.has(field)) add_member(*tree, name, string_value(text));
    };
    add(EnvelopeField::kEventId, "eventId", envelope.event_id);
    add(EnvelopeField::kPattern, "pattern", envelope.pattern);
    add(EnvelopeField::kVersion, "version", envelope.version);
    add(EnvelopeField::kTimestamp, "timestamp", envelope.timestamp);
    add(EnvelopeField::kTenantId, "tenantId", envelope.tenant_id);
    add(EnvelopeField::kPartitionKey, "partitionKey", envelope.partition_key);
    if (envelope.has(EnvelopeField::kSourceType) && tree->find("source") == nullptr) {
        JsonValue source;
        source.type = JsonValue::Type::kObject;
        add_member(source, "type", string_value(envelope.source_type));
        add_member(source, "id", string_value(envelope.source_id));
        add_member(*tree, "source", std::move(source));
    }
    return tree;
}

std::string to_json(const JsonValue& value) {
    std::string out;
    write(value, out);
    return out;
}

std::string_view type_name(JsonValue::Type type) {
    switch (type) {
        case JsonValue::Type::kNull: return "null";
        case JsonValue::Type::kFalse:
        case JsonValue::Type::kTrue: return "a boolean";
        case JsonValue::Type::kNumber: return "a number";
        case JsonValue::Type::kString: return "a string";
        case JsonValue::Type::kArray: return "an array";
        case JsonValue::Type::kObject: return "an object";
    }
    return "";
}

}  // namespace millrace::matcher
