#include "runtime/schema/assertion.h"

#include "core/json_number.h"
#include "matcher/filter/leaf_test.h"
#include "matcher/reference_matcher.h"
#include "matcher/subscription_spec.h"

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace millrace::runtime::schema {
namespace {

using core::EnvelopeField;
using core::JsonElement;
using core::JsonType;
using matcher::Leaf;
using matcher::Path;
using matcher::PathComparison;
using matcher::PathStep;
using matcher::Predicate;

constexpr std::size_t kScalarsMax = 10'000;

// What can not be said of one value at a time is asked of the whole event.
enum class Verdict : std::uint8_t { kNo, kYes, kAsk };

Verdict verdict(bool holds) { return holds ? Verdict::kYes : Verdict::kNo; }

struct TextMember {
    std::string_view name;
    EnvelopeField field;
    std::string_view core::Envelope::*text;
};
constexpr std::array<TextMember, 6> kTextMembers = {
    {{"pattern", EnvelopeField::kPattern, &core::Envelope::pattern},
     {"eventId", EnvelopeField::kEventId, &core::Envelope::event_id},
     {"version", EnvelopeField::kVersion, &core::Envelope::version},
     {"timestamp", EnvelopeField::kTimestamp, &core::Envelope::timestamp},
     {"tenantId", EnvelopeField::kTenantId, &core::Envelope::tenant_id},
     {"partitionKey", EnvelopeField::kPartitionKey, &core::Envelope::partition_key}}};

const TextMember* text_member(const Path& path) {
    if (path.steps.size() != 1) return nullptr;
    const auto found = std::find_if(
        kTextMembers.begin(), kTextMembers.end(),
        [&](const TextMember& member) { return member.name == path.steps.front().name; });
    return found == kTextMembers.end() ? nullptr : &*found;
}

bool is_of_payload(const Path& path) { return path.steps.front().name == "payload"; }

EventScalar scalar_of(JsonElement element) {
    EventScalar out{element.type(), {}};
    if (out.type == JsonType::kNumber)
        out.text = element.raw();
    else
        (void)element.get(out.text);
    return out;
}

bool is_scalar(JsonElement element) { return !element.is_array() && !element.is_object(); }

bool step_into(JsonElement from, const PathStep& step, JsonElement& out) {
    if (step.kind == PathStep::Kind::kName) return from.is_object() && from.find(step.name, out);
    core::JsonArray array;
    if (step.kind != PathStep::Kind::kIndex || !from.get(array)) return false;
    const auto size = static_cast<std::int64_t>(array.size());
    std::int64_t left = step.index < 0 ? size + step.index : step.index;
    if (left < 0 || left >= size) return false;
    for (const JsonElement element : array) {
        if (left-- != 0) continue;
        out = element;
        return true;
    }
    return false;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the event, which its parser bounded
void collect(JsonElement from, const Path& path, std::size_t step, std::vector<EventScalar>& out) {
    if (out.size() >= kScalarsMax) return;
    const bool ends = step == path.steps.size();
    if (ends && is_scalar(from)) return out.push_back(scalar_of(from));
    const auto kind = ends ? PathStep::Kind::kName : path.steps[step].kind;
    if (from.is_array() && kind == PathStep::Kind::kName) {
        for (const JsonElement element : core::JsonArray(from)) collect(element, path, step, out);
    } else if (!ends && kind == PathStep::Kind::kWildcard) {
        if (from.is_array()) {
            for (const JsonElement element : core::JsonArray(from))
                collect(element, path, step + 1, out);
        } else if (from.is_object()) {
            for (const core::JsonMember member : core::JsonMembers(from))
                collect(member.value, path, step + 1, out);
        }
    } else if (JsonElement next; !ends && step_into(from, path.steps[step], next)) {
        collect(next, path, step + 1, out);
    }
}

std::optional<std::strong_ordering> order_of(const EventScalar& a, const EventScalar& b) {
    if (a.type == JsonType::kNumber && b.type == JsonType::kNumber) {
        matcher::NumberView left, right;
        matcher::parse_number(a.text, left);
        matcher::parse_number(b.text, right);
        return matcher::compare(left, right);
    }
    if (a.type == JsonType::kString && b.type == JsonType::kString)
        return a.text.compare(b.text) <=> 0;
    return std::nullopt;
}

bool fits(const EventScalar& a, std::string_view sign, const EventScalar& b) {
    const auto order = order_of(a, b);
    const bool equal = order ? *order == 0 : a.type == b.type;
    if (sign == "==") return equal;
    if (sign == "!=") return !equal;
    if (!order) return false;
    if (*order == 0) return sign.size() == 2;
    return (*order < 0) == (sign[0] == '<');
}

EventScalar scalar_of(const matcher::Scalar& operand) {
    using Type = matcher::Scalar::Type;
    const JsonType type = operand.type == Type::kNumber   ? JsonType::kNumber
                          : operand.type == Type::kString ? JsonType::kString
                          : operand.type == Type::kTrue   ? JsonType::kTrue
                          : operand.type == Type::kFalse  ? JsonType::kFalse
                                                          : JsonType::kNull;
    return {type, operand.text};
}

bool in_range(const Leaf& leaf, const EventScalar& value) {
    const auto within = [&](const matcher::Scalar& bound, const char* strict, const char* loose,
                            bool inclusive) {
        if (bound.type == matcher::Scalar::Type::kNull) return true;
        return fits(value, inclusive ? loose : strict, scalar_of(bound));
    };
    return within(leaf.operands[0], ">", ">=", leaf.lower_inclusive) &&
           within(leaf.operands[1], "<", "<=", leaf.upper_inclusive);
}

matcher::JsonValue as_value(const EventScalar& scalar) {
    using Type = matcher::JsonValue::Type;
    matcher::JsonValue value;
    value.type = scalar.type == JsonType::kNumber   ? Type::kNumber
                 : scalar.type == JsonType::kString ? Type::kString
                 : scalar.type == JsonType::kTrue   ? Type::kTrue
                 : scalar.type == JsonType::kFalse  ? Type::kFalse
                                                    : Type::kNull;
    value.text = scalar.text;
    return value;
}

}  // namespace

bool is_plain_path(const Path& path) { return is_of_payload(path) || text_member(path) != nullptr; }

void collect_scalars(const core::Envelope& envelope, JsonElement payload, const Path& path,
                     std::vector<EventScalar>& out) {
    if (is_of_payload(path)) return collect(payload, path, 1, out);
    const TextMember* member = text_member(path);
    if (member && envelope.has(member->field))
        out.push_back({JsonType::kString, envelope.*(member->text)});
}

namespace {

bool has_escape(const core::JsonPlace& payload, std::string_view text) {
    return !payload.is_plain && text.find('\\') != std::string_view::npos;
}

// `token`: at an object; then at the member's value.
ScalarFound find_member(const core::JsonPlace& payload, std::string_view name,
                        const std::uint32_t*& token) {
    const char* const base = payload.base;
    if (base[*++token] == '}') return ScalarFound::kNothing;
    do {
        const std::string_view text = core::text_at(base, token);
        if (has_escape(payload, text)) return ScalarFound::kAsk;
        token += 2;  // it, and the ':'
        if (text == name) return ScalarFound::kThere;
        token = core::behind_value(base, token);
    } while (base[*token++] == ',');
    return ScalarFound::kNothing;
}

}  // namespace

ScalarFound find_scalar(const core::Envelope& envelope, const core::JsonPlace& payload,
                        const Path& path, EventScalar& out) {
    if (!is_of_payload(path)) {
        const TextMember* member = text_member(path);
        if (!member || !envelope.has(member->field)) return ScalarFound::kNothing;
        out = {JsonType::kString, envelope.*(member->text)};
        return ScalarFound::kThere;
    }
    const std::uint32_t* token = payload.token;
    for (std::size_t i = 1; i < path.steps.size(); ++i) {
        if (path.steps[i].kind != PathStep::Kind::kName || payload.base[*token] == '[')
            return ScalarFound::kAsk;
        if (payload.base[*token] != '{') return ScalarFound::kNothing;
        const ScalarFound found = find_member(payload, path.steps[i].name, token);
        if (found != ScalarFound::kThere) return found;
    }
    const char* const at = payload.base + *token;
    switch (*at) {
        case '{':
        case '[': return ScalarFound::kAsk;
        case '"': {
            const std::string_view text = core::text_at(payload.base, token);
            if (has_escape(payload, text)) return ScalarFound::kAsk;
            out = {JsonType::kString, text};
            break;
        }
        case 't': out = {JsonType::kTrue, {}}; break;
        case 'f': out = {JsonType::kFalse, {}}; break;
        case 'n': out = {JsonType::kNull, {}}; break;
        default: {
            const char* const end = core::scan_number(at);
            if (!end) return ScalarFound::kAsk;
            out = {JsonType::kNumber, {at, static_cast<std::size_t>(end - at)}};
        }
    }
    return ScalarFound::kThere;
}

struct Assertion::Impl {
    struct Node {
        Predicate::Kind kind = Predicate::Kind::kTrue;
        std::vector<Node> children;
        std::optional<matcher::LeafTest> test;     // kLeaf
        std::optional<PathComparison> comparison;  // kLeaf, instead
    };
    Node root;
    bool compares = false;
    mutable std::mutex turn;                         // of what may hold a regular expression
    std::optional<matcher::ReferenceMatcher> whole;  // unless it compares

    core::Status build(const Predicate& predicate, const std::vector<PathComparison>& comparisons,
                       Node& out) const;
    Verdict ask(const Node& node, const core::Envelope& envelope, JsonElement payload) const;
    Verdict ask_leaf(const Node& node, const core::Envelope& envelope, JsonElement payload) const;
    bool test(const matcher::LeafTest& test, const EventScalar& value) const;
};

// NOLINTNEXTLINE(misc-no-recursion): as deep as the predicate, which its parser bounded
core::Status Assertion::Impl::build(const Predicate& predicate,
                                    const std::vector<PathComparison>& comparisons,
                                    Node& out) const {
    out.kind = predicate.kind;
    if (predicate.kind == Predicate::Kind::kLeaf) {
        if (const auto index = matcher::comparison_index(predicate.leaf)) {
            out.comparison = comparisons[*index];
            return {};
        }
        auto test = matcher::LeafTest::compile(predicate.leaf);
        if (!test) return core::fail(std::move(test.error()));
        out.test = std::move(*test);
        return {};
    }
    for (const Predicate& child : predicate.children) {
        if (auto built = build(child, comparisons, out.children.emplace_back()); !built)
            return built;
    }
    return {};
}

bool Assertion::Impl::test(const matcher::LeafTest& test, const EventScalar& value) const {
    const Leaf& leaf = test.leaf();
    switch (leaf.op) {
        case matcher::Op::kExists:
        case matcher::Op::kExistsLeaf: return true;
        case matcher::Op::kEquals:
            return std::any_of(leaf.operands.begin(), leaf.operands.end(),
                               [&](const matcher::Scalar& operand) {
                                   return fits(value, "==", scalar_of(operand));
                               }) != leaf.negated;
        case matcher::Op::kRange: return in_range(leaf, value) != leaf.negated;
        case matcher::Op::kRegex: {
            const std::lock_guard lock(turn);
            return test.holds_for(as_value(value));
        }
        default: return test.holds_for(as_value(value));
    }
}

Verdict Assertion::Impl::ask_leaf(const Node& node, const core::Envelope& envelope,
                                  JsonElement payload) const {
    if (node.comparison) {
        std::vector<EventScalar> left, right;
        collect_scalars(envelope, payload, node.comparison->left, left);
        collect_scalars(envelope, payload, node.comparison->right, right);
        return verdict(std::any_of(left.begin(), left.end(), [&](const EventScalar& a) {
            return std::any_of(right.begin(), right.end(), [&](const EventScalar& b) {
                return fits(a, node.comparison->sign, b);
            });
        }));
    }
    const Path& path = node.test->leaf().path;
    if (!is_plain_path(path)) return Verdict::kAsk;
    if (!is_of_payload(path)) {
        const TextMember* member = text_member(path);
        return verdict(envelope.has(member->field) &&
                       test(*node.test, {JsonType::kString, envelope.*(member->text)}));
    }
    if (compares) {
        std::vector<EventScalar> found;
        collect_scalars(envelope, payload, path, found);
        return verdict(std::any_of(found.begin(), found.end(), [&](const EventScalar& value) {
            return test(*node.test, value);
        }));
    }
    JsonElement at = payload;
    for (std::size_t i = 1; i < path.steps.size(); ++i) {
        const PathStep::Kind kind = path.steps[i].kind;
        // Conditions on an array's elements belong together.
        if (kind == PathStep::Kind::kWildcard || (at.is_array() && kind == PathStep::Kind::kName))
            return Verdict::kAsk;
        if (!step_into(at, path.steps[i], at)) return Verdict::kNo;
    }
    if (node.test->leaf().op == matcher::Op::kExists) return Verdict::kYes;
    if (at.is_array()) return Verdict::kAsk;
    return verdict(is_scalar(at) && test(*node.test, scalar_of(at)));
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the predicate, which its parser bounded
Verdict Assertion::Impl::ask(const Node& node, const core::Envelope& envelope,
                             JsonElement payload) const {
    const bool all = node.kind == Predicate::Kind::kAnd;
    switch (node.kind) {
        case Predicate::Kind::kTrue: return Verdict::kYes;
        case Predicate::Kind::kFalse: return Verdict::kNo;
        case Predicate::Kind::kLeaf: return ask_leaf(node, envelope, payload);
        case Predicate::Kind::kNot: {
            const Verdict inner = ask(node.children.front(), envelope, payload);
            return inner == Verdict::kAsk ? inner : verdict(inner == Verdict::kNo);
        }
        case Predicate::Kind::kAnd:
        case Predicate::Kind::kOr: break;
    }
    Verdict so_far = verdict(all);
    for (const Node& child : node.children) {
        const Verdict one = ask(child, envelope, payload);
        if (one == verdict(!all)) return one;
        if (one == Verdict::kAsk) so_far = one;
    }
    return so_far;
}

Assertion::Assertion(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Assertion::Assertion(Assertion&&) noexcept = default;
Assertion& Assertion::operator=(Assertion&&) noexcept = default;
Assertion::~Assertion() = default;

core::Result<Assertion> Assertion::compile(std::string_view expression) {
    std::vector<PathComparison> comparisons;
    auto predicate = matcher::parse_expression(expression, "", &comparisons);
    if (!predicate) return core::fail(std::move(predicate.error()));
    if (auto within = matcher::check_limits(*predicate, {}); !within)
        return core::fail(std::move(within.error()));
    if (comparisons.size() > kComparisonsMax) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "more than 16 comparisons of two members")
                .bound(kComparisonsMax));
    }
    for (const PathComparison& one : comparisons) {
        for (const Path* path : {&one.left, &one.right}) {
            if (is_plain_path(*path)) continue;
            return core::fail(core::ErrorCode::kValidation,
                              matcher::to_text(*path) +
                                  " can not be compared with another member; those of the payload "
                                  "can, and pattern, eventId, version, timestamp, tenantId and "
                                  "partitionKey");
        }
    }
    auto impl = std::make_unique<Impl>();
    impl->compares = !comparisons.empty();
    if (auto built = impl->build(*predicate, comparisons, impl->root); !built)
        return core::fail(std::move(built.error()));
    if (!impl->compares) {
        auto whole = matcher::ReferenceMatcher::compile({{}, std::move(*predicate), 0});
        if (!whole) return core::fail(std::move(whole.error()));
        impl->whole = std::move(*whole);
    }
    return Assertion(std::move(impl));
}

bool Assertion::holds(const core::Envelope& envelope, JsonElement payload) const {
    const Verdict quick = impl_->ask(impl_->root, envelope, payload);
    if (quick != Verdict::kAsk) return quick == Verdict::kYes;
    if (!impl_->whole) return false;  // no leaf of one that compares asks
    const auto event = matcher::event_tree(envelope);
    if (!event) return false;
    const std::lock_guard lock(impl_->turn);
    return impl_->whole->matches(*event);
}

}  // namespace millrace::runtime::schema
