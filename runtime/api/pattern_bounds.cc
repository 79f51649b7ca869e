#include "runtime/api/pattern_bounds.h"

#include "core/json_reader.h"
#include "matcher/filter/wildcard.h"
#include "matcher/subscription_spec.h"
#include "runtime/entity/names.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::api {
namespace {

constexpr std::string_view kKindPlace = "{kind}";

core::Status hold(const identity::Principal& by, std::string_view member,
                  const std::string& wildcard) {
    const auto& own = by.key->patterns;
    if (std::any_of(own.begin(), own.end(), [&](const matcher::Wildcard& wider) {
            return matcher::covers(wider, wildcard);
        }))
        return {};
    return core::fail(core::Error(core::ErrorCode::kForbidden,
                                  std::string(member) + ": this key's patterns do not include " +
                                      wildcard.substr(0, 128))
                          .in(std::string(member)));
}

std::string literal(std::string_view text) {
    return matcher::wildcard_text({.pieces = {std::string(text)}});
}

// With anything in this place.
std::string filled(std::string_view pattern, std::string_view place) {
    const std::size_t first = pattern.find(place);
    if (first == std::string_view::npos) return literal(pattern);
    const std::size_t behind = pattern.rfind(place) + place.size();
    return literal(pattern.substr(0, first)) + "*" + literal(pattern.substr(behind));
}

std::string wildcard_of(const matcher::PatternPredicate& pattern) {
    using Kind = matcher::PatternPredicate::Kind;
    switch (pattern.kind) {
        case Kind::kExact: return literal(pattern.value);
        case Kind::kPrefix: return literal(pattern.value) + "*";
        case Kind::kSuffix: return "*" + literal(pattern.value);
        case Kind::kWildcard: return pattern.value;
        case Kind::kAny:
        case Kind::kRegex: break;
    }
    return "*";
}

}  // namespace

core::Status within_patterns(const identity::Principal& by, const Subscription& subscription) {
    if (!by.is_bounded()) return {};
    return hold(by, "pattern",
                subscription.spec ? wildcard_of(subscription.spec->pattern) : std::string("*"));
}

// One with an executor says what only that executor hears.
core::Status within_patterns(const identity::Principal& by, const Schedule& schedule) {
    if (!by.is_bounded() || schedule.event.empty()) return {};
    core::JsonDocument document;
    std::string_view pattern;
    core::JsonElement member;
    const auto event = document.parse(schedule.event);
    if (!event || !event->find("pattern", member) || !member.get(pattern))
        return hold(by, "event", "*");
    return hold(by, "event", literal(pattern));
}

core::Status within_patterns(const identity::Principal& by, const Source& source) {
    if (!by.is_bounded()) return {};
    std::string pattern = source.pattern;
    // Of one that has no id yet nobody knows the name that it will have.
    if (pattern.empty())
        pattern = "webhook." + (source.id.empty() ? "" : source.id + ".") + std::string(kKindPlace);
    return hold(by, "pattern", filled(pattern, kKindPlace));
}

// What comes as whole events may say anything. A sink gets what a subscription hears, but for a
// stream, which hears by itself.
core::Status within_patterns(const identity::Principal& by, const Link& link) {
    if (!by.is_bounded()) return {};
    if (is_stream(link)) {
        const auto choice = link_choice(link.config);
        return hold(by, "config.pattern", choice ? wildcard_of(choice->pattern) : std::string("*"));
    }
    if (link.direction != LinkDirection::kIn) return {};
    const bool whole = link.config.format == LinkFormat::kEnvelope;
    return hold(by, "config.pattern",
                whole ? std::string("*") : filled(link.config.pattern, kLinkSubjectPlace));
}

// Before a change, and after it.
core::Status within_patterns(const identity::Principal& by, const Hook& hook) {
    if (!by.is_bounded()) return {};
    return hold(by, "entity", literal(entity_pattern(hook.entity, hook.on.verb)));
}

// Whoever has an edge's token sends whatever the edge is told to.
core::Status within_patterns(const identity::Principal& by, const EdgeNode&) {
    if (!by.is_bounded()) return {};
    return hold(by, "node", "*");
}

std::vector<std::string> patterns_of(const identity::Principal& by) {
    std::vector<std::string> out;
    if (!by.is_bounded()) return out;
    for (const matcher::Wildcard& pattern : by.key->patterns)
        out.push_back(matcher::wildcard_text(pattern));
    return out;
}

}  // namespace millrace::runtime::api
