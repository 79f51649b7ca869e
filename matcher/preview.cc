#include "matcher/preview.h"

#include "core/json_writer.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace millrace::matcher {
namespace {

// Only what a pattern's condition looks at.
JsonValue pattern_tree(const core::Envelope& event) {
    JsonMember member;
    member.name = "pattern";
    member.value.type = JsonValue::Type::kString;
    member.value.text = event.pattern;
    JsonValue tree;
    tree.type = JsonValue::Type::kObject;
    tree.members.push_back(std::move(member));
    return tree;
}

}  // namespace

core::Result<Preview::Side> Preview::compile(const SubscriptionSpec& spec) {
    SubscriptionSpec pattern_only;
    pattern_only.pattern = spec.pattern;
    auto pattern = ReferenceMatcher::compile(pattern_only);
    if (!pattern) return core::fail(std::move(pattern.error()));
    auto whole = ReferenceMatcher::compile(spec);
    if (!whole) return core::fail(std::move(whole.error()));
    return Side{std::move(*pattern), std::move(*whole)};
}

core::Result<Preview> Preview::create(const SubscriptionSpec& spec,
                                      const std::optional<SubscriptionSpec>& existing) {
    auto now = compile(spec);
    if (!now) return core::fail(std::move(now.error()));
    Preview preview(std::move(*now));
    if (existing) {
        auto before = compile(*existing);
        if (!before) return core::fail(std::move(before.error()));
        preview.before_ = std::move(*before);
        preview.result_.compared = true;
    }
    return preview;
}

void Preview::add(const core::Envelope& event) {
    ++result_.scanned;
    const JsonValue pattern = pattern_tree(event);
    const bool maybe_now = now_.pattern.matches(pattern);
    const bool maybe_before = before_ && before_->pattern.matches(pattern);
    if (!maybe_now && !maybe_before) return;
    const auto tree = event_tree(event);
    if (!tree) {
        ++result_.unreadable;
        return;
    }
    const bool matches = maybe_now && now_.whole.matches(*tree);
    const bool matched = maybe_before && before_->whole.matches(*tree);
    if (matches) count(event.pattern);
    if (before_ && matches && !matched) ++result_.gained;
    if (before_ && matched && !matches) ++result_.lost;
}

void Preview::count(std::string_view pattern) {
    ++result_.matched;
    const auto found = result_.by_pattern.find(pattern);
    if (found != result_.by_pattern.end()) {
        ++found->second;
    } else if (result_.by_pattern.size() < kPreviewPatternsMax) {
        result_.by_pattern.emplace(pattern, 1);
    } else {
        ++result_.other_patterns;
    }
}

void Preview::run(const std::function<const core::Envelope*()>& source) {
    while (const core::Envelope* event = source()) add(*event);
}

std::string to_json(const PreviewResult& result) {
    std::vector<std::pair<std::string_view, std::uint64_t>> patterns(result.by_pattern.begin(),
                                                                     result.by_pattern.end());
    std::stable_sort(patterns.begin(), patterns.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    std::string out;
    core::JsonWriter json(out);
    json.begin_object()
        .field("scanned", result.scanned)
        .field("unreadable", result.unreadable)
        .field("matched", result.matched);
    json.key("byPattern").begin_array();
    for (const auto& [pattern, count] : patterns) {
        json.begin_object().field("pattern", pattern).field("count", count).end_object();
    }
    json.end_array().field("otherPatterns", result.other_patterns);
    if (result.compared) json.field("gained", result.gained).field("lost", result.lost);
    json.end_object();
    return out;
}

}  // namespace millrace::matcher
