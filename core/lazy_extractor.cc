#include "core/lazy_extractor.h"

#include "core/json_chars.h"
#include "core/json_number.h"
#include "core/json_string.h"
#include "core/key_hash.h"

#include <array>
#include <cstring>

namespace millrace::core {

namespace {

constexpr std::size_t kFetchAheadBytes = 256;

// +1 for an opening bracket, -1 for a closing one.
constexpr std::array<std::int8_t, 256> kNesting = [] {
    std::array<std::int8_t, 256> table{};
    table['{'] = table['['] = 1;
    table['}'] = table[']'] = -1;
    return table;
}();

int nesting(char c) { return kNesting[static_cast<unsigned char>(c)]; }

}  // namespace

bool LazyExtractor::extract(std::string_view padded_text, const FieldPlan& plan,
                            FieldTable& fields) {
    // Events mostly lie one behind the other: the beginning of the next one comes into the cache
    // while this one is read and matched.
    const char* behind = padded_text.data() + padded_text.size();
    for (std::size_t i = 0; i < kFetchAheadBytes; i += 64) __builtin_prefetch(behind + i);
    plan_ = &plan;
    fields_ = &fields;
    fields.reset(plan);
    arena_.clear();
    payload_node_ = plan.envelope_child(EnvelopeMember::kPayload);
    payload_at_ = 0;
    if (!tokens_.start_lazily(padded_text.data(), padded_text.size())) return false;
    base_ = padded_text.data();
    token_ = tokens_.begin();
    end_ = tokens_.end();
    if (!reach(1) || base_[*token_] != '{') return false;
    return object({&plan_->node(FieldPlan::root()), kNoElement, kNoElement, false, true}) !=
           Step::kCut;
}

bool LazyExtractor::reach_slow(std::ptrdiff_t count) {
    while (end_ - token_ < count) {
        if (!tokens_.more()) return false;
        end_ = tokens_.end();
    }
    return true;
}

// Behind the matching bracket of the container that was entered last.
bool LazyExtractor::skip_to_close() {
    int depth = 1;
    do {
        while (token_ < end_) {
            depth += nesting(base_[*token_++]);
            if (depth == 0) return true;
        }
    } while (reach(1));
    return false;
}

bool LazyExtractor::skip_value() {
    if (!reach(1)) return false;
    if (nesting(base_[*token_++]) <= 0) return true;
    return skip_to_close();
}

// Steps over members whose names no path goes on with: most members of most events. What is left
// is for object() to judge.
bool LazyExtractor::pass_others(const FieldPlan::Node& node) {
    const std::uint32_t* token = token_;
    while (!tokens_.has_backslash()) {
        if (end_ - token < 4) {
            token_ = token;
            if (!reach(4)) return true;
            continue;
        }
        const char first = base_[*token];
        const std::uint32_t* name = token + (first == ',');
        if (first == '}' || FieldPlan::may_have_child(node, base_ + *name + 1)) break;
        token = name + 3;  // behind the name, the colon and where the value begins
        if (nesting(base_[name[2]]) <= 0) continue;
        token_ = token;
        if (!skip_to_close()) return false;
        token = token_;
    }
    token_ = token;
    return true;
}

bool LazyExtractor::string(std::string_view& text) {
    if (!reach(2)) return false;  // its end is found from the token behind it
    const std::uint32_t open = *token_++;
    std::uint32_t close = *token_ - 1;
    while (close > open && is_json_space(base_[close])) --close;
    text = {base_ + open + 1, close - open - (close > open ? 1 : 0)};
    if (!tokens_.has_backslash() || std::memchr(text.data(), '\\', text.size()) == nullptr)
        return true;
    char* out = arena_.reserve(text.size());
    const std::size_t bytes = unescape(text.data(), text.data() + text.size(), out);
    arena_.keep(bytes);
    text = {out, bytes};
    return true;
}

LazyExtractor::Step LazyExtractor::scalar(const Place& place, char c) {
    if (place.node->slot == kNoSlot) return skip_value() ? Step::kOn : Step::kCut;
    if (c == '"') {
        std::string_view text;
        if (!string(text)) return Step::kCut;
        FieldValue& value = fields_->add(place.node->slot, FieldType::kString, place.element);
        value.data = text.data();
        value.bytes = static_cast<std::uint32_t>(text.size());
        return Step::kOn;
    }
    if (!reach(2)) return Step::kCut;  // valid text has something behind it
    const char* begin = base_ + *token_++;
    if (is_digit(c) || c == '-') {
        JsonNumber number;
        const char* end = read_number(begin, number);
        if (!end) return Step::kCut;
        FieldValue& value = fields_->add(place.node->slot, FieldType::kNumber, place.element);
        value.data = begin;
        value.bytes = static_cast<std::uint32_t>(end - begin);
        value.number_approx = number.approx;
        value.number_is_short = number.is_short;
        return Step::kOn;
    }
    FieldValue& value = fields_->add(place.node->slot,
                                     c == 't'   ? FieldType::kTrue
                                     : c == 'f' ? FieldType::kFalse
                                                : FieldType::kNull,
                                     place.element);
    value.data = begin;
    value.bytes = c == 'f' ? 5 : 4;
    return Step::kOn;
}

// NOLINTBEGIN(misc-no-recursion): valid text is at most kJsonDepthMax deep, and the plan ends
// sooner.

LazyExtractor::Step LazyExtractor::value(const Place& place) {
    if (!reach(1)) return Step::kCut;
    const char c = base_[*token_];
    Step step = Step::kOn;
    if (c == '{') {
        step = object(place);
    } else if (c == '[') {
        step = array(place);
    } else {
        step = scalar(place, c);
    }
    return step == Step::kOn && place.is_last ? Step::kFinished : step;
}

LazyExtractor::Step LazyExtractor::object(const Place& place) {
    const FieldPlan::Node& node = *place.node;
    if (node.slot != kNoSlot && !place.passing)
        fields_->add(node.slot, FieldType::kObject, place.element);
    if (node.names == 0) return skip_value() ? Step::kOn : Step::kCut;
    ++token_;
    std::uint32_t wanted = node.names;
    for (;;) {
        if (!pass_others(node) || !reach(1)) return Step::kCut;
        if (base_[*token_] == '}') {
            ++token_;
            return Step::kOn;
        }
        if (!reach(4)) return Step::kCut;  // the comma, the name, the colon, the value
        token_ += base_[*token_] == ',';
        std::uint32_t child = kNoNode;
        const char* key = base_ + *token_ + 1;
        if (!tokens_.has_backslash() && (node.short_names || !plan_->may_have_child(node, key))) {
            if (node.short_names && plan_->may_have_child(node, key))
                child = plan_->child_at(node, key);
            token_ += 2;  // the name, the colon
        } else {
            std::string_view name;
            if (!string(name)) return Step::kCut;
            ++token_;  // the colon
            child = plan_->child(node, name);
        }
        if (child == kNoNode) {
            if (!skip_value()) return Step::kCut;
            continue;
        }
        if (child == payload_node_) payload_at_ = *token_;
        --wanted;
        const Step step = value({&plan_->node(child), place.member_element, place.member_element,
                                 false, place.is_last && wanted == 0});
        if (step != Step::kOn) return step;
        if (wanted == 0) return skip_to_close() ? Step::kOn : Step::kCut;
    }
}

LazyExtractor::Step LazyExtractor::array(const Place& place) {
    const FieldPlan::Node& node = *place.node;
    if (node.slot != kNoSlot && !place.passing)
        fields_->add(node.slot, FieldType::kArray, place.element);
    if (node.slot == kNoSlot && node.names == 0) return skip_value() ? Step::kOn : Step::kCut;
    const std::uint32_t container = *token_++ + 1;
    for (std::uint32_t index = 0;; ++index) {
        if (!reach(1)) return Step::kCut;
        char c = base_[*token_];
        if (c == ']') {
            ++token_;
            return Step::kOn;
        }
        if (c == ',') {
            ++token_;
            if (!reach(1)) return Step::kCut;
            c = base_[*token_];
        }
        const bool holds_more = node.names != 0 && (c == '{' || c == '[');
        const std::uint32_t bound =
            holds_more ? fields_->new_element(place.member_element, container, index) : kNoElement;
        const Step step = value({&node, place.element, bound, true, false});
        if (step != Step::kOn) return step;
    }
}

// NOLINTEND(misc-no-recursion)

}  // namespace millrace::core
