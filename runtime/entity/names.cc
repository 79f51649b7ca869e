#include "runtime/entity/names.h"

#include <algorithm>

namespace millrace::runtime {
namespace {

constexpr std::string_view kVerbs[] = {"created", "updated", "deleted"};
constexpr std::string_view kPoints[] = {"beforeCreate", "beforeUpdate", "beforeDelete",
                                        "afterCreate",  "afterUpdate",  "afterDelete"};

bool is_word_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

}  // namespace

std::string_view entity_verb_text(EntityVerb verb) {
    return kVerbs[static_cast<std::size_t>(verb)];
}

std::string_view hook_point_text(HookPoint point) {
    const std::size_t at = point.time == HookTime::kBefore ? 0 : kEntityVerbs;
    return kPoints[at + static_cast<std::size_t>(point.verb)];
}

std::optional<HookPoint> parse_hook_point(std::string_view text) {
    for (std::size_t i = 0; i < std::size(kPoints); ++i) {
        if (kPoints[i] != text) continue;
        return HookPoint{i < kEntityVerbs ? HookTime::kBefore : HookTime::kAfter,
                         static_cast<EntityVerb>(i % kEntityVerbs)};
    }
    return std::nullopt;
}

bool is_entity_type(std::string_view type) {
    return !type.empty() && type.size() <= kEntityTypeBytesMax &&
           std::all_of(type.begin(), type.end(), is_word_byte);
}

bool is_entity_id(std::string_view id) {
    return !id.empty() && id.size() <= kEntityIdBytesMax && id != "." && id != ".." &&
           std::all_of(id.begin(), id.end(),
                       [](char c) { return is_word_byte(c) || c == '.' || c == ':' || c == '@'; });
}

std::string entity_pattern(std::string_view type, EntityVerb verb) {
    std::string out(kEntityPatternPrefix);
    out.append(type).append(".").append(entity_verb_text(verb));
    return out;
}

bool read_entity_pattern(std::string_view pattern, std::string_view& type, EntityVerb& verb) {
    if (!pattern.starts_with(kEntityPatternPrefix)) return false;
    pattern.remove_prefix(kEntityPatternPrefix.size());
    const std::size_t dot = pattern.find('.');
    if (dot == std::string_view::npos) return false;
    type = pattern.substr(0, dot);
    const std::string_view said = pattern.substr(dot + 1);
    for (std::size_t i = 0; i < kEntityVerbs; ++i) {
        if (kVerbs[i] != said) continue;
        verb = static_cast<EntityVerb>(i);
        return is_entity_type(type);
    }
    return false;
}

std::string hook_link(std::string_view hook_id, std::string_view type, std::string_view id) {
    std::string out(hook_id);
    out.append("@").append(type).append("/").append(id);
    return out;
}

}  // namespace millrace::runtime
