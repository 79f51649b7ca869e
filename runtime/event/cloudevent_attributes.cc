#include "runtime/event/cloudevent_attributes.h"

#include "core/base64.h"
#include "core/json_string.h"
#include "core/json_validate.h"
#include "core/timestamp.h"
#include "runtime/event/json_scan.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace millrace::runtime {
namespace {

using core::Error;
using core::ErrorCode;

// type "/" subtype, both tokens of RFC 2046.
bool is_media_type(std::string_view text) {
    const std::string_view type = media_type(text);
    const std::size_t slash = type.find('/');
    if (slash == 0 || slash == std::string_view::npos || slash + 1 == type.size()) return false;
    return type.find_first_of(" \t\"(),:;<=>?@[\\]{}", 0) == std::string_view::npos &&
           type.find('/', slash + 1) == std::string_view::npos;
}

bool is_string(std::string_view token) { return token.starts_with('"'); }

bool is_context_type(std::string_view type) {
    return type == "client" || type == "user" || type == "global";
}

// {"x-...":...}, sound: what an envelope may hold beside its own members.
bool is_object_of_x_members(std::string_view text) {
    bool good = true;
    if (!core::json_validate(text)) return false;
    const bool scanned = scan_members(text, [&](std::string_view key, std::string_view) {
        const std::string name = string_of(key);
        good = good && name.starts_with("x-") && name != "x-ce";
        return good;
    });
    return scanned && good;
}

}  // namespace

bool is_attribute_name(std::string_view name) {
    if (name.empty()) return false;
    return std::all_of(name.begin(), name.end(),
                       [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

bool is_known_attribute(std::string_view name) {
    const auto& names = CloudEventAttributes::kNames;
    return std::find(names.begin(), names.end(), name) != names.end();
}

std::string_view media_type(std::string_view content_type) {
    std::string_view type = content_type.substr(0, content_type.find(';'));
    while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
    return type;
}

std::string string_of(std::string_view token) {
    std::string text(token.substr(1, token.size() - 2));
    if (text.find('\\') == std::string::npos) return text;
    text.resize(core::unescape(token.data() + 1, token.data() + token.size() - 1, text.data()));
    return text;
}

bool is_int32(std::string_view token) {
    std::int32_t value = 0;
    const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
    return error == std::errc() && end == token.data() + token.size();
}

bool is_extension_value(std::string_view token) {
    return is_string(token) || token == "true" || token == "false" || is_int32(token);
}

std::string twin_name(std::string_view member) {
    std::string name;
    for (const char c : member) {
        if (c == '-' || c == '_' || c == '.') continue;
        name += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
    return is_attribute_name(name) && !is_known_attribute(name) ? name : std::string();
}

tl::unexpected<Error> CloudEventAttributes::refuse(std::string_view attribute,
                                                   std::string_view what,
                                                   std::string_view token) const {
    const bool inside = !token.empty() && token.data() >= text_.data() &&
                        token.data() < text_.data() + text_.size();
    const std::int64_t place = inside ? token.data() - text_.data() : Error::kNoPosition;
    std::string message = "CloudEvent attribute " + std::string(attribute.substr(0, 64));
    if (inside) message += " at byte " + std::to_string(place);
    message += " " + std::string(what);
    return core::fail(Error(ErrorCode::kValidation, std::move(message))
                          .in(std::string(attribute.substr(0, 64)))
                          .at(place));
}

core::Status CloudEventAttributes::take(std::string_view name, std::string_view token) {
    if (token == "null") return {};
    const auto known = std::find(kNames.begin(), kNames.end(), name);
    if (known == kNames.end()) {
        if (!is_attribute_name(name)) return refuse(name, "has a name beyond a-z and 0-9", token);
        if (!is_extension_value(token)) {
            return refuse(
                name, "is an extension and must be a string, a boolean or a 32-bit integer", token);
        }
        extensions_.push_back({std::string(name), token});
        return {};
    }
    const auto which = static_cast<std::size_t>(known - kNames.begin());
    if (!known_[which].empty()) return refuse(name, "stands there twice", token);
    // Extensions of ours may be somebody else's too: check() decides what they mean.
    const bool ours = which >= kContextType && which <= kXMembers;
    if (ours && !is_extension_value(token)) {
        return refuse(name, "is an extension and must be a string, a boolean or a 32-bit integer",
                      token);
    }
    if (which < kContextType) {
        if (!is_string(token)) return refuse(name, "must be a string", token);
        if (token == "\"\"") return refuse(name, "must not be empty", token);
    }
    known_[which] = token;
    return {};
}

// What is not ours after all is kept like any other extension.
void CloudEventAttributes::keep_as_extension(Known which) {
    if (known_[which].empty()) return;
    extensions_.push_back({std::string(kNames[which]), known_[which]});
    known_[which] = {};
}

core::Status CloudEventAttributes::check_base64() const {
    const std::string_view token = known_[kDataBase64];
    if (token.empty()) return {};
    if (!is_string(token)) return refuse("data_base64", "must be a string", token);
    if (!known_[kData].empty()) return refuse("data_base64", "and data exclude each other", token);
    const std::string text = string_of(token);
    const std::size_t bad = core::find_bad_base64(text);
    if (bad == std::string::npos) return {};
    // With escapes in it the place is that of the string.
    const bool plain = text.size() + 2 == token.size();
    return refuse("data_base64",
                  "is not base64: groups of four of A-Z a-z 0-9 + /, the last filled with =",
                  token.substr(plain ? std::min(bad + 1, token.size() - 1) : 0));
}

core::Status CloudEventAttributes::check() {
    for (const auto which : {kSpecVersion, kId, kSource, kType}) {
        if (known_[which].empty()) return refuse(kNames[which], "is required");
    }
    if (string_of(known_[kSpecVersion]) != "1.0") {
        return refuse(
            "specversion",
            "is " + std::string(known_[kSpecVersion].substr(0, 32)) + "; only \"1.0\" is known",
            known_[kSpecVersion]);
    }
    std::int64_t us = 0;
    if (const std::string_view time = known_[kTime];
        !time.empty() && !core::parse_timestamp(string_of(time), us)) {
        return refuse(
            "time", "is " + std::string(time.substr(0, 64)) + "; expected an RFC 3339 time", time);
    }
    if (const std::string_view type = known_[kDataContentType];
        !type.empty() && !is_media_type(string_of(type))) {
        return refuse(
            "datacontenttype",
            "is " + std::string(type.substr(0, 64)) + "; expected a media type such as text/plain",
            type);
    }
    if (!is_int32(known_[kPriority])) keep_as_extension(kPriority);
    if (const std::string_view at = known_[kScheduledAt];
        !is_string(at) || !core::parse_timestamp(string_of(at), us))
        keep_as_extension(kScheduledAt);
    const std::string_view context = known_[kContextType];
    if (!is_string(context) || !is_context_type(string_of(context)) ||
        !is_string(known_[kContextId]) || known_[kContextId] == "\"\"") {
        keep_as_extension(kContextType);
        keep_as_extension(kContextId);
    }
    if (const std::string_view members = known_[kXMembers];
        !is_string(members) || !is_object_of_x_members(string_of(members)))
        keep_as_extension(kXMembers);
    return check_base64();
}

}  // namespace millrace::runtime
