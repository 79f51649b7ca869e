#include "core/json_reader.h"

#include "core/json_validate.h"
#include "core/json_writer.h"
#include "core/limits.h"
#include "core/timestamp.h"

#include <algorithm>

namespace millrace::core {
namespace {

using Element = simdjson::dom::element;
using ElementType = simdjson::dom::element_type;

// The value of an element whose type was asked before.
template <typename Value>
Value taken(Element element) {
    Value value{};
    if (element.get<Value>().get(value) != simdjson::SUCCESS) return Value{};
    return value;
}

// simdjson says what is wrong, not where: our own reader is asked for the place. What it takes
// (numbers beyond doubles) keeps simdjson's word.
Error syntax_error(std::string_view text, std::string_view what, const char* why) {
    const Status checked = json_validate(text, DuplicateKeys::kAllow);
    Error error = checked ? Error(ErrorCode::kValidation, why) : checked.error();
    constexpr std::string_view kLead = "invalid JSON: ";
    if (error.message.starts_with(kLead)) error.message.erase(0, kLead.size());
    error.message.insert(0, std::string(what) + " is not valid JSON: ");
    return error;
}

}  // namespace

std::string_view json_type_text(Element element) {
    switch (element.type()) {
        case ElementType::ARRAY: return "an array";
        case ElementType::OBJECT: return "an object";
        case ElementType::INT64:
        case ElementType::UINT64:
        case ElementType::DOUBLE: return "a number";
        case ElementType::STRING: return "a string";
        case ElementType::BOOL: return "a boolean";
        case ElementType::NULL_VALUE: return "null";
    }
    return "unknown";
}

void JsonObject::refuse(std::string_view name, std::string_view what) {
    if (error_) return;
    std::string full = full_name(name);
    error_ = Error(ErrorCode::kValidation, full + " " + std::string(what)).in(full);
}

void JsonObject::join(std::string_view name, const Error& error) {
    if (error_) return;
    error_ = error;
    error_->field = full_name(error.field.empty() ? name : std::string_view(error.field));
}

std::optional<Element> JsonObject::any(std::string_view name, Presence presence) {
    known_.push_back(name);
    Element element;
    if (object_.at_key(name).get(element) == simdjson::SUCCESS) return element;
    if (presence == Presence::kRequired) refuse(name, "is required");
    return std::nullopt;
}

bool JsonObject::text(std::string_view name, std::string& out, TextRules rules) {
    const auto element = any(name, rules.presence);
    if (!element) return false;
    std::string_view value;
    if (element->get_string().get(value) != simdjson::SUCCESS) {
        refuse(name, "must be a string, not " + std::string(json_type_text(*element)));
        return false;
    }
    if (value.size() < rules.bytes_min ||
        (value.empty() && rules.presence == Presence::kRequired)) {
        refuse(name, "must not be empty");
        return false;
    }
    if (value.size() > rules.bytes_max) {
        refuse(name, "has " + std::to_string(value.size()) + " bytes; the limit is " +
                         std::to_string(rules.bytes_max));
        return false;
    }
    out.assign(value);
    return true;
}

bool JsonObject::integer(std::string_view name, std::int64_t& out, std::int64_t min,
                         std::int64_t max, Presence presence) {
    const auto element = any(name, presence);
    if (!element) return false;
    std::int64_t value = 0;
    if (element->get_int64().get(value) != simdjson::SUCCESS) {
        // 5.0 is the same number as 5.
        double real = 0;
        const bool whole = element->get_double().get(real) == simdjson::SUCCESS && real >= -9e15 &&
                           real <= 9e15 &&
                           real == static_cast<double>(static_cast<std::int64_t>(real));
        if (!whole) {
            refuse(name, "must be a whole number between " + std::to_string(min) + " and " +
                             std::to_string(max));
            return false;
        }
        value = static_cast<std::int64_t>(real);
    }
    if (value < min || value > max) {
        refuse(name, "is " + std::to_string(value) + "; it must be between " + std::to_string(min) +
                         " and " + std::to_string(max));
        return false;
    }
    out = value;
    return true;
}

bool JsonObject::number(std::string_view name, double& out, double min, double max) {
    const auto element = any(name);
    if (!element) return false;
    double value = 0;
    if (element->get_double().get(value) != simdjson::SUCCESS || !(value >= min && value <= max)) {
        std::string bounds = "must be a number between ";
        append_number(bounds, min);
        bounds += " and ";
        append_number(bounds, max);
        refuse(name, bounds);
        return false;
    }
    out = value;
    return true;
}

bool JsonObject::boolean(std::string_view name, bool& out) {
    const auto element = any(name);
    if (!element) return false;
    if (element->get_bool().get(out) == simdjson::SUCCESS) return true;
    refuse(name, "must be true or false, not " + std::string(json_type_text(*element)));
    return false;
}

bool JsonObject::timestamp(std::string_view name, std::int64_t& us) {
    std::string value;
    if (!text(name, value)) return false;
    if (parse_timestamp(value, us)) return true;
    refuse(name, "is \"" + value.substr(0, 64) +
                     "\"; expected an RFC 3339 time such as 2026-01-31T12:00:00Z");
    return false;
}

bool JsonObject::text_list(std::string_view name, std::vector<std::string>& out,
                           std::size_t items_max) {
    const auto element = any(name);
    if (!element) return false;
    simdjson::dom::array array;
    if (element->get_array().get(array) != simdjson::SUCCESS) {
        refuse(name, "must be an array of strings, not " + std::string(json_type_text(*element)));
        return false;
    }
    std::vector<std::string> items;
    for (const Element item : array) {
        std::string_view value;
        if (item.get_string().get(value) != simdjson::SUCCESS) {
            refuse(name, "must be an array of strings; item " + std::to_string(items.size()) +
                             " is " + std::string(json_type_text(item)));
            return false;
        }
        if (items.size() == items_max) {
            refuse(name, "has more than " + std::to_string(items_max) + " items");
            return false;
        }
        items.emplace_back(value);
    }
    out = std::move(items);
    return true;
}

std::optional<JsonObject> JsonObject::object(std::string_view name, Presence presence) {
    const auto element = any(name, presence);
    if (!element || (element->is_null() && presence == Presence::kOptional)) return std::nullopt;
    simdjson::dom::object inner;
    if (element->get_object().get(inner) != simdjson::SUCCESS) {
        refuse(name, "must be an object, not " + std::string(json_type_text(*element)));
        return std::nullopt;
    }
    return JsonObject(inner, full_name(name));
}

Status JsonObject::finish() {
    if (error_) return fail(*error_);
    std::vector<std::string_view> seen;
    for (const auto member : object_) {
        if (std::find(known_.begin(), known_.end(), member.key) == known_.end()) {
            refuse(std::string_view(member.key).substr(0, 128), "is not a known member");
            break;
        }
        if (std::find(seen.begin(), seen.end(), member.key) != seen.end()) {
            refuse(member.key, "stands there twice");
            break;
        }
        seen.push_back(member.key);
    }
    if (error_) return fail(*error_);
    return {};
}

Result<Element> JsonDocument::parse(std::string_view text, std::string_view what) {
    if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        return fail(ErrorCode::kValidation, std::string(what) + " is empty; expected JSON");
    }
    Element root;
    auto error = parser_.allocate(std::max<std::size_t>(text.size(), 256), kJsonDepthMax);
    if (error == simdjson::SUCCESS) error = parser_.parse(text.data(), text.size()).get(root);
    if (error != simdjson::SUCCESS) {
        return fail(syntax_error(text, what, simdjson::error_message(error)));
    }
    return root;
}

Result<JsonObject> JsonDocument::parse_object(std::string_view text, std::string_view what) {
    auto root = parse(text, what);
    if (!root) return fail(std::move(root.error()));
    simdjson::dom::object object;
    if (root->get_object().get(object) != simdjson::SUCCESS) {
        return fail(ErrorCode::kValidation, std::string(what) + " must be a JSON object, not " +
                                                std::string(json_type_text(*root)));
    }
    return JsonObject(object, "");
}

void append_json(std::string& out, Element element) {
    switch (element.type()) {
        case ElementType::ARRAY: {
            out += '[';
            bool first = true;
            const auto items = taken<simdjson::dom::array>(element);
            for (const Element item : items) {
                if (!std::exchange(first, false)) out += ',';
                append_json(out, item);  // depth is bounded by the parser: kJsonDepthMax
            }
            out += ']';
            return;
        }
        case ElementType::OBJECT: {
            out += '{';
            bool first = true;
            const auto members = taken<simdjson::dom::object>(element);
            for (const auto member : members) {
                if (!std::exchange(first, false)) out += ',';
                append_json_string(out, member.key);
                out += ':';
                append_json(out, member.value);
            }
            out += '}';
            return;
        }
        case ElementType::INT64: return append_number(out, taken<std::int64_t>(element));
        case ElementType::UINT64: return append_number(out, taken<std::uint64_t>(element));
        case ElementType::DOUBLE: return append_number(out, taken<double>(element));
        case ElementType::STRING: return append_json_string(out, taken<std::string_view>(element));
        case ElementType::BOOL: out += taken<bool>(element) ? "true" : "false"; return;
        case ElementType::NULL_VALUE: out += "null"; return;
    }
}

namespace {

void append_merged_object(std::string& out, std::optional<Element> target,
                          simdjson::dom::object changes);

void append_merged(std::string& out, std::optional<Element> target, Element patch) {
    simdjson::dom::object changes;
    if (patch.get_object().get(changes) != simdjson::SUCCESS) return append_json(out, patch);
    append_merged_object(out, target, changes);
}

void append_merged_object(std::string& out, std::optional<Element> target,
                          simdjson::dom::object changes) {
    simdjson::dom::object base;
    const bool has_base = target && target->get_object().get(base) == simdjson::SUCCESS;
    out += '{';
    bool first = true;
    const auto put_key = [&](std::string_view key) {
        if (!std::exchange(first, false)) out += ',';
        append_json_string(out, key);
        out += ':';
    };
    if (has_base) {
        for (const auto member : base) {
            Element change;
            if (changes.at_key(member.key).get(change) != simdjson::SUCCESS) {
                put_key(member.key);
                append_json(out, member.value);
            } else if (!change.is_null()) {
                put_key(member.key);
                append_merged(out, member.value, change);
            }
        }
    }
    for (const auto member : changes) {
        Element ignored;
        if (member.value.is_null() ||
            (has_base && base.at_key(member.key).get(ignored) == simdjson::SUCCESS))
            continue;
        put_key(member.key);
        append_merged(out, std::nullopt, member.value);
    }
    out += '}';
}

}  // namespace

Result<std::string> json_merge_patch(std::string_view target, std::string_view patch) {
    JsonDocument target_document, patch_document;
    auto base = target_document.parse(target, "document");
    if (!base) return fail(std::move(base.error()));
    auto changes = patch_document.parse_object(patch);
    if (!changes) return fail(std::move(changes.error()));
    std::string out;
    append_merged_object(out, *base, changes->dom());
    return out;
}

}  // namespace millrace::core
