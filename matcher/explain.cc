#include "matcher/explain.h"

#include "core/json_writer.h"
#include "matcher/explain_hint.h"
#include "matcher/reference_matcher.h"

#include <algorithm>
#include <utility>

namespace millrace::matcher {
namespace {

// Parts of parts that are shown apart. Each takes two levels of the writer's depth.
constexpr unsigned kExplainDepthMax = 16;
static_assert(2 * kExplainDepthMax + 8 < core::kJsonWriterDepthMax);

// NOLINTNEXTLINE(misc-no-recursion): as deep as the event, which its parser bounded
void flatten(const JsonValue& value, std::vector<const JsonValue*>& out) {
    if (value.is_scalar()) out.push_back(&value);
    for (const JsonValue& element : value.elements) flatten(element, out);
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the event, which its parser bounded
void descend(const JsonValue& value, const Path& path, std::size_t at,
             std::vector<const JsonValue*>& nodes) {
    if (at == path.steps.size()) {
        nodes.push_back(&value);
        return;
    }
    const PathStep& step = path.steps[at];
    if (step.kind == PathStep::Kind::kName) {
        for (const JsonValue& element : value.elements) descend(element, path, at, nodes);
        if (const JsonValue* child = value.find(step.name)) descend(*child, path, at + 1, nodes);
    } else if (step.kind == PathStep::Kind::kIndex) {
        const auto size = static_cast<std::int64_t>(value.elements.size());
        const std::int64_t index = step.index < 0 ? size + step.index : step.index;
        if (index < 0 || index >= size) return;
        descend(value.elements[static_cast<std::size_t>(index)], path, at + 1, nodes);
    } else {
        for (const JsonValue& element : value.elements) descend(element, path, at + 1, nodes);
        for (const JsonMember& member : value.members) descend(member.value, path, at + 1, nodes);
    }
}

core::Result<bool> holds_alone(const Predicate& predicate, const JsonValue& event) {
    SubscriptionSpec spec;
    spec.predicate = predicate;
    auto matcher = ReferenceMatcher::compile(spec);
    if (!matcher) return core::fail(std::move(matcher.error()));
    return matcher->matches(event);
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the predicate, which its parser bounded
bool has_regex(const Predicate& predicate) {
    if (predicate.kind == Predicate::Kind::kLeaf) return predicate.leaf.op == Op::kRegex;
    return std::any_of(predicate.children.begin(), predicate.children.end(), has_regex);
}

std::string shortened(const JsonValue& value) {
    if (value.text.size() <= kSeenBytesMax) {
        std::string text = to_json(value);
        if (text.size() <= kSeenBytesMax || value.is_scalar()) return text;
        return value.is_array() ? "[]" : "{}";
    }
    JsonValue head;
    head.type = JsonValue::Type::kString;
    // The writer replaces a character that the cut broke.
    head.text = value.text.substr(0, kSeenBytesMax) + "...";
    return to_json(head);
}

void report_leaf(const Leaf& leaf, const JsonValue& event, ConditionReport& report) {
    report.path = to_text(leaf.path);
    std::vector<const JsonValue*> nodes;
    std::vector<const JsonValue*> values = values_at(leaf.path, event, &nodes);
    if (values.empty()) {
        for (const JsonValue* node : nodes) {
            if (report.seen.size() < kSeenValuesMax) report.seen.push_back(shortened(*node));
        }
    }
    for (const JsonValue* value : values) {
        if (report.seen.size() < kSeenValuesMax) report.seen.push_back(shortened(*value));
    }
    report.seen_count = values.empty() ? nodes.size() : values.size();
    if (!report.holds) report.hint = hint_for(leaf, event, nodes, values);
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the predicate, which its parser bounded
core::Result<ConditionReport> report_on(const Predicate& predicate, const JsonValue& event,
                                        unsigned depth) {
    ConditionReport report;
    report.condition = to_text(predicate);
    auto holds = holds_alone(predicate, event);
    if (!holds) return core::fail(std::move(holds.error()));
    report.holds = *holds;
    if (predicate.kind == Predicate::Kind::kLeaf) {
        report_leaf(predicate.leaf, event, report);
        return report;
    }
    if (depth == kExplainDepthMax) return report;
    for (const Predicate& child : predicate.children) {
        auto part = report_on(child, event, depth + 1);
        if (!part) return part;
        // Inside a `not` a condition that fails is what is wanted.
        if (predicate.kind == Predicate::Kind::kNot) part->hint.clear();
        report.parts.push_back(std::move(*part));
    }
    if (!report.holds && predicate.kind == Predicate::Kind::kNot) {
        report.hint = "the condition inside holds";
    }
    return report;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the predicate
void write(const ConditionReport& report, core::JsonWriter& json) {
    json.begin_object().field("condition", report.condition);
    if (!report.path.empty()) {
        json.field("path", report.path).key("seen").begin_array();
        for (const std::string& value : report.seen) json.raw(value);
        json.end_array();
        if (report.seen_count > report.seen.size()) {
            json.field("seenCount", static_cast<std::uint64_t>(report.seen_count));
        }
    }
    json.field("holds", report.holds);
    if (!report.hint.empty()) json.field("hint", report.hint);
    if (!report.parts.empty()) {
        json.key("parts").begin_array();
        for (const ConditionReport& part : report.parts) write(part, json);
        json.end_array();
    }
    json.end_object();
}

}  // namespace

std::vector<const Predicate*> conjuncts_of(const Predicate& pattern, const Predicate& predicate) {
    std::vector<const Predicate*> out;
    if (pattern.kind != Predicate::Kind::kTrue) out.push_back(&pattern);
    if (predicate.kind == Predicate::Kind::kAnd) {
        for (const Predicate& child : predicate.children) out.push_back(&child);
    } else if (predicate.kind != Predicate::Kind::kTrue) {
        out.push_back(&predicate);
    }
    return out;
}

std::vector<const JsonValue*> values_at(const Path& path, const JsonValue& event,
                                        std::vector<const JsonValue*>* nodes) {
    std::vector<const JsonValue*> places;
    descend(event, path, 0, places);
    std::vector<const JsonValue*> values;
    for (const JsonValue* place : places) flatten(*place, values);
    if (nodes != nullptr) *nodes = std::move(places);
    return values;
}

core::Result<bool> is_near_miss(const SubscriptionSpec& spec, const JsonValue& event) {
    const Predicate pattern = pattern_condition(spec.pattern);
    std::vector<const Predicate*> conjuncts = conjuncts_of(pattern, spec.predicate);
    std::stable_partition(conjuncts.begin(), conjuncts.end(),
                          [](const Predicate* conjunct) { return !has_regex(*conjunct); });
    std::size_t failed = 0;
    for (const Predicate* conjunct : conjuncts) {
        auto holds = holds_alone(*conjunct, event);
        if (!holds) return core::fail(std::move(holds.error()));
        failed += *holds ? 0 : 1;
        if (failed > 1) return false;
    }
    if (failed == 1) return true;
    auto matcher = ReferenceMatcher::compile(spec);
    if (!matcher) return core::fail(std::move(matcher.error()));
    return !matcher->matches(event);
}

core::Result<Explanation> explain(const SubscriptionSpec& spec, const JsonValue& event) {
    Explanation out;
    const Predicate pattern = pattern_condition(spec.pattern);
    for (const Predicate* conjunct : conjuncts_of(pattern, spec.predicate)) {
        auto report = report_on(*conjunct, event, 0);
        if (!report) return core::fail(std::move(report.error()));
        out.failed += report->holds ? 0 : 1;
        out.conditions.push_back(std::move(*report));
    }
    auto matcher = ReferenceMatcher::compile(spec);
    if (!matcher) return core::fail(std::move(matcher.error()));
    out.matches = matcher->matches(event);
    out.only_in_different_elements = !out.matches && out.failed == 0;
    return out;
}

std::string to_json(const Explanation& explanation) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object()
        .field("matches", explanation.matches)
        .field("nearMiss", explanation.near_miss())
        .field("failed", static_cast<std::uint64_t>(explanation.failed));
    json.key("conditions").begin_array();
    for (const ConditionReport& report : explanation.conditions) write(report, json);
    json.end_array();
    if (explanation.only_in_different_elements) {
        json.field("hint", "every condition holds, but in different elements of an array");
    }
    json.end_object();
    return out;
}

}  // namespace millrace::matcher
