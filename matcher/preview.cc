#include "matcher/preview.h"

#include "core/json_writer.h"
#include "matcher/explain.h"
#include "matcher/matcher.h"

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

void keep(PreviewSamples& samples, const PreviewSample& sample) {
    if (samples.size() < kPreviewSamplesMax) samples.push_back(sample);
}

void write(core::JsonWriter& json, std::string_view name, const PreviewSamples& samples) {
    json.key(name).begin_array();
    for (const PreviewSample& sample : samples) {
        json.begin_object()
            .field("eventId", sample.event_id)
            .field("pattern", sample.pattern)
            .end_object();
    }
    json.end_array();
}

}  // namespace

Preview::Preview(Side side, const SubscriptionSpec& spec) : now_(std::move(side)), spec_(spec) {
    const Predicate any_pattern;
    for (const Predicate* one : conjuncts_of(any_pattern, spec.predicate)) {
        conditions_.push_back({.predicate = *one});
        result_.near_misses.push_back({.condition = to_text(*one)});
    }
}

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
    Preview preview(std::move(*now), spec);
    if (existing) {
        auto before = compile(*existing);
        if (!before) return core::fail(std::move(before.error()));
        preview.before_ = std::move(*before);
        preview.result_.compared = true;
    }
    return preview;
}

void Preview::add(const core::Envelope& event, std::string_view event_id) {
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
    const PreviewSample sample{std::string(event_id), std::string(event.pattern)};
    if (matches) {
        count(event.pattern);
        keep(result_.samples, sample);
    } else if (maybe_now) {
        note_near_miss(*tree, sample);
    }
    if (before_ && matches && !matched) {
        ++result_.gained;
        keep(result_.gained_samples, sample);
    }
    if (before_ && matched && !matches) {
        ++result_.lost;
        keep(result_.lost_samples, sample);
    }
}

void Preview::note_near_miss(const JsonValue& tree, const PreviewSample& sample) {
    constexpr std::size_t kNone = static_cast<std::size_t>(-1);
    std::size_t failed = kNone;
    for (std::size_t i = 0; i < conditions_.size(); ++i) {
        Condition& condition = conditions_[i];
        if (!condition.holds && !condition.refused) {
            SubscriptionSpec alone;
            alone.predicate = condition.predicate;
            auto made = ReferenceMatcher::compile(alone);
            condition.refused = !made;
            if (made) condition.holds = std::move(*made);
        }
        if (condition.refused) return;  // nothing can be said then
        if (condition.holds->matches(tree)) continue;
        if (failed != kNone) return;
        failed = i;
    }
    if (failed == kNone) return;  // they hold, but in different elements of an array
    ++result_.near_misses[failed].count;
    keep(result_.near_misses[failed].samples, sample);
}

void Preview::judge_cost() {
    Matcher alone(Matcher::Options{.background_thread = false, .samples = false});
    if (!alone.add(core::SubscriptionId(1), core::TenantId(0), spec_)) return;
    alone.publish();
    // Of one without a filter there is nothing to look at; ranges have an index when there are
    // many.
    result_.indexed = spec_.predicate.kind == Predicate::Kind::kTrue ||
                      alone.stats().unpivoted_clauses == 0 ||
                      std::any_of(conditions_.begin(), conditions_.end(), [](const Condition& one) {
                          const Leaf& leaf = one.predicate.leaf;
                          return one.predicate.kind == Predicate::Kind::kLeaf && !leaf.negated &&
                                 leaf.op == Op::kRange;
                      });
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
    write(json, "samples", result.samples);
    json.key("nearMisses").begin_array();
    for (const PreviewNearMiss& miss : result.near_misses) {
        if (miss.count == 0) continue;
        json.begin_object().field("condition", miss.condition).field("count", miss.count);
        write(json, "samples", miss.samples);
        json.end_object();
    }
    json.end_array();
    if (result.compared) {
        json.field("gained", result.gained).field("lost", result.lost);
        write(json, "gainedSamples", result.gained_samples);
        write(json, "lostSamples", result.lost_samples);
    }
    if (result.indexed) json.field("indexed", *result.indexed);
    json.end_object();
    return out;
}

}  // namespace millrace::matcher
