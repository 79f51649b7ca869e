#include "runtime/orchestrator/wait_index.h"

#include "core/json_dom.h"

#include <algorithm>
#include <span>

namespace millrace::runtime {
namespace {

using matcher::JsonValue;
using matcher::PathStep;
using matcher::Predicate;
using matcher::Scalar;

bool is_anchor(const matcher::Leaf& leaf) {
    return leaf.op == matcher::Op::kEquals && !leaf.negated && leaf.operands.size() == 1 &&
           (leaf.operands[0].is_string() || leaf.operands[0].is_number()) &&
           std::all_of(leaf.path.steps.begin(), leaf.path.steps.end(),
                       [](const PathStep& step) { return step.kind == PathStep::Kind::kName; });
}

// Every scalar that a condition at this path may look at: arrays are passed through.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the event, which its parser bounded
void gather(const JsonValue& value, std::span<const PathStep> steps, std::size_t most,
            std::vector<std::uint64_t>& out) {
    if (out.size() > most) return;
    if (value.is_array()) {
        for (const JsonValue& element : value.elements) gather(element, steps, most, out);
    } else if (!steps.empty()) {
        if (const JsonValue* const child = value.find(steps[0].name))
            gather(*child, steps.subspan(1), most, out);
    } else if (value.is_string()) {
        out.push_back(matcher::hash_of(Scalar::string(value.text)));
    } else if (value.is_number()) {
        out.push_back(matcher::hash_of(Scalar::number(value.text)));
    }
}

}  // namespace

// ---- events

const JsonValue* SeenEvent::tree() {
    if (!std::exchange(read_, true)) {
        auto read = matcher::parse_json(event_.raw);
        if (read) tree_ = std::move(*read);
    }
    return tree_ ? &*tree_ : nullptr;
}

const std::string& SeenEvent::payload() {
    if (!payload_.empty()) return payload_;
    core::JsonDom dom;
    core::JsonElement root;
    core::JsonElement member;
    if (dom.read(event_.raw, root) && root.find("payload", member))
        core::append_json(payload_, member);
    if (payload_.empty()) payload_ = "{}";
    return payload_;
}

// ---- filters

std::optional<WaitAnchor> anchor_of(const Predicate& predicate) {
    if (predicate.kind == Predicate::Kind::kLeaf && is_anchor(predicate.leaf))
        return WaitAnchor{predicate.leaf.path, predicate.leaf.operands[0]};
    if (predicate.kind != Predicate::Kind::kAnd) return std::nullopt;
    for (const Predicate& child : predicate.children) {
        if (child.kind == Predicate::Kind::kLeaf && is_anchor(child.leaf))
            return WaitAnchor{child.leaf.path, child.leaf.operands[0]};
    }
    return std::nullopt;
}

// ---- who waits

WaitIndex::Place WaitIndex::place_of(const std::string& pattern,
                                     const std::optional<WaitAnchor>& anchor) {
    Place place;
    place.pattern = pattern;
    place.wild = matcher::has_star(pattern);
    place.anchored = anchor.has_value();
    if (anchor) {
        place.path = matcher::hash_of(anchor->path);
        place.value = matcher::hash_of(anchor->value);
    }
    return place;
}

core::Status WaitIndex::put(const WaitKey& key, const Place& place,
                            const std::optional<WaitAnchor>& anchor) {
    matcher::Wildcard wildcard;
    if (place.wild) {
        auto parsed = matcher::parse_wildcard(place.pattern);
        if (!parsed) return core::fail(std::move(parsed.error()));
        wildcard = std::move(*parsed);
    }
    OfTenant& of = tenants_[key.first.tenant.value];
    const auto [at, fresh] = (place.wild ? of.wild : of.exact).try_emplace(place.pattern);
    Listeners& listeners = at->second;
    if (fresh) listeners.wildcard = std::move(wildcard);
    if (!anchor) {
        listeners.others.insert(&key);
        return {};
    }
    Anchored& anchored = listeners.anchored[place.path];
    if (anchored.by_value.empty()) anchored.path = anchor->path;
    anchored.by_value[place.value].push_back(&key);
    return {};
}

void WaitIndex::take(const WaitKey& key, const Place& place) {
    const auto tenant = tenants_.find(key.first.tenant.value);
    if (tenant == tenants_.end()) return;
    auto& by_pattern = place.wild ? tenant->second.wild : tenant->second.exact;
    const auto at = by_pattern.find(place.pattern);
    if (at == by_pattern.end()) return;
    Listeners& listeners = at->second;
    if (!place.anchored) {
        listeners.others.erase(&key);
    } else if (const auto path = listeners.anchored.find(place.path);
               path != listeners.anchored.end()) {
        auto& by_value = path->second.by_value;
        if (const auto value = by_value.find(place.value); value != by_value.end()) {
            std::erase(value->second, &key);
            if (value->second.empty()) by_value.erase(value);
        }
        if (by_value.empty()) listeners.anchored.erase(path);
    }
    if (!listeners.empty()) return;
    by_pattern.erase(at);
    if (tenant->second.empty()) tenants_.erase(tenant);
}

// ---- what comes

void WaitIndex::find_in(const Listeners& listeners, SeenEvent& event, Keys& out) {
    out.insert(out.end(), listeners.others.begin(), listeners.others.end());
    if (listeners.anchored.empty()) return;
    const JsonValue* const tree = event.tree();
    if (!tree) return;
    std::vector<std::uint64_t> values;
    for (const auto& [hash, anchored] : listeners.anchored) {
        values.clear();
        gather(*tree, anchored.path.steps, kAnchorValuesMax, values);
        if (values.size() > kAnchorValuesMax) {
            for (const auto& [value, keys] : anchored.by_value)
                out.insert(out.end(), keys.begin(), keys.end());
            continue;
        }
        std::sort(values.begin(), values.end());
        values.erase(std::unique(values.begin(), values.end()), values.end());
        for (const std::uint64_t value : values) {
            const auto keys = anchored.by_value.find(value);
            if (keys != anchored.by_value.end())
                out.insert(out.end(), keys->second.begin(), keys->second.end());
        }
    }
}

void WaitIndex::find(SeenEvent& event, std::vector<const WaitKey*>& out) const {
    const auto tenant = tenants_.find(event.tenant().value);
    if (tenant == tenants_.end()) return;
    const OfTenant& of = tenant->second;
    if (const auto at = of.exact.find(event.pattern()); at != of.exact.end())
        find_in(at->second, event, out);
    for (const auto& [pattern, listeners] : of.wild) {
        if (listeners.wildcard.matches(event.pattern())) find_in(listeners, event, out);
    }
}

}  // namespace millrace::runtime
