#include "core/json_reader.h"

#include "core/json_writer.h"
#include "core/timestamp.h"

#include <algorithm>
#include <cmath>

namespace millrace::core {

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

std::optional<JsonElement> JsonObject::any(std::string_view name, Presence presence) {
    known_.push_back(name);
    JsonElement element;
    if (object_.find(name, element)) return element;
    if (presence == Presence::kRequired) refuse(name, "is required");
    return std::nullopt;
}

bool JsonObject::text(std::string_view name, std::string& out, TextRules rules) {
    const auto element = any(name, rules.presence);
    if (!element) return false;
    std::string_view value;
    if (!element->get(value)) {
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
    if (!element->get(value)) {
        // 5.0 is the same number as 5.
        double real = 0;
        const bool whole = element->get(real) && real >= -9e15 && real <= 9e15 &&
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

namespace {

// 100000, where the shortest form is 1e+05.
std::string plain_number(double value) {
    std::string out;
    constexpr double kWholeMax = 1e15;
    const bool whole = std::abs(value) <= kWholeMax && value == std::floor(value);
    whole ? append_number(out, static_cast<std::int64_t>(value)) : append_number(out, value);
    return out;
}

}  // namespace

bool JsonObject::number(std::string_view name, double& out, double min, double max) {
    const auto element = any(name);
    if (!element) return false;
    double value = 0;
    const bool is_number = element->get(value);
    if (!is_number || !(value >= min && value <= max)) {
        std::string what;
        if (is_number) {
            append_json(what.assign("is "), *element);  // as it was written
            what += "; it ";
        }
        what += "must be a number between " + plain_number(min) + " and " + plain_number(max);
        refuse(name, what);
        return false;
    }
    out = value;
    return true;
}

bool JsonObject::boolean(std::string_view name, bool& out) {
    const auto element = any(name);
    if (!element) return false;
    if (element->get(out)) return true;
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
    JsonArray array;
    if (!element->get(array)) {
        refuse(name, "must be an array of strings, not " + std::string(json_type_text(*element)));
        return false;
    }
    std::vector<std::string> items;
    for (const JsonElement item : array) {
        std::string_view value;
        if (!item.get(value)) {
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
    JsonMembers inner;
    if (!element->get(inner)) {
        refuse(name, "must be an object, not " + std::string(json_type_text(*element)));
        return std::nullopt;
    }
    return JsonObject(inner, full_name(name));
}

Status JsonObject::finish() {
    if (error_) return fail(*error_);
    std::vector<std::string_view> seen;
    for (const JsonMember member : object_) {
        if (std::find(known_.begin(), known_.end(), member.key) == known_.end()) {
            refuse(member.key.substr(0, 128), "is not a known member");
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

Result<JsonElement> JsonDocument::parse(std::string_view text, std::string_view what) {
    if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        return fail(ErrorCode::kValidation, std::string(what) + " is empty; expected JSON");
    }
    JsonDom::Options options;
    options.duplicates = DuplicateKeys::kRefuse;
    auto root = dom_.parse(text, options);
    if (root) return root;
    Error error = std::move(root.error());
    constexpr std::string_view kLead = "invalid JSON: ";
    if (error.message.starts_with(kLead)) error.message.erase(0, kLead.size());
    error.message.insert(0, std::string(what) + " is not valid JSON: ");
    return fail(std::move(error));
}

Result<JsonObject> JsonDocument::parse_object(std::string_view text, std::string_view what) {
    auto root = parse(text, what);
    if (!root) return fail(std::move(root.error()));
    JsonMembers object;
    if (!root->get(object)) {
        return fail(ErrorCode::kValidation, std::string(what) + " must be a JSON object, not " +
                                                std::string(json_type_text(*root)));
    }
    return JsonObject(object, "");
}

namespace {

// NOLINTNEXTLINE(misc-no-recursion): bounded by the documents' depth
void append_merged(std::string& out, const JsonElement* target, JsonElement patch) {
    JsonMembers changes;
    if (!patch.get(changes)) return append_json(out, patch);
    JsonMembers base;
    const bool has_base = target && target->get(base);
    out += '{';
    bool first = true;
    const auto put_key = [&](std::string_view raw_key) {
        if (!std::exchange(first, false)) out += ',';
        out += raw_key;
        out += ':';
    };
    if (has_base) {
        for (const JsonMember member : base) {
            JsonElement change;
            if (!changes.find(member.key, change)) {
                put_key(member.raw_key);
                append_json(out, member.value);
            } else if (!change.is_null()) {
                put_key(member.raw_key);
                append_merged(out, &member.value, change);
            }
        }
    }
    for (const JsonMember member : changes) {
        JsonElement ignored;
        if (member.value.is_null() || (has_base && base.find(member.key, ignored))) continue;
        put_key(member.raw_key);
        append_merged(out, nullptr, member.value);
    }
    out += '}';
}

}  // namespace

Result<std::string> json_merge_patch(std::string_view target, std::string_view patch) {
    JsonDocument target_document;
    JsonDocument patch_document;
    auto base = target_document.parse(target, "document");
    if (!base) return fail(std::move(base.error()));
    auto changes = patch_document.parse(patch);
    if (!changes) return fail(std::move(changes.error()));
    if (!changes->is_object()) {
        return fail(ErrorCode::kValidation,
                    "body must be a JSON object, not " + std::string(json_type_text(*changes)));
    }
    std::string out;
    append_merged(out, &*base, *changes);
    return out;
}

}  // namespace millrace::core
