#include "core/lazy_extractor.h"

#include "core/json_chars.h"
#include "core/json_number.h"
#include "core/json_string.h"
#include "core/key_hash.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace millrace::core {

namespace {

// The first stage reads blocks of so many bytes, at about 8 instructions each.
constexpr std::size_t kBlockBytes = 64;
// After so many events the beginning is cut to what the longest of them needed.
constexpr unsigned kNotedMax = 256;
// When the beginning was not enough so often, the whole text is taken at once for a while.
constexpr unsigned kCutMax = 8;
constexpr unsigned kCutForget = 256;

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
    plan_ = &plan;
    fields_ = &fields;
    fields.reset(plan);
    arena_.clear();
    const bool try_beginning = padded_text.size() > kBeginningMax * 3 / 2 && cut_ < kCutMax;
    if (cut_ >= kCutMax && ++cut_ == kCutForget) cut_ = 0;
    if (try_beginning) {
        Step step = read_beginning(padded_text, beginning_);
        if (step != Step::kFinished && beginning_ < kBeginningMax) {
            beginning_ = kBeginningMax;
            needed_ = noted_ = 0;
            step = read_beginning(padded_text, beginning_);
        }
        if (step == Step::kFinished) {
            cut_ = 0;
            note_needed();
            return true;
        }
        ++cut_;
    }
    if (tokens_.run(padded_text.data(), padded_text.size()) != JsonFault::kNone) return false;
    return read(padded_text) != Step::kCut;
}

// Leaves the fields empty when they are not all there.
LazyExtractor::Step LazyExtractor::read_beginning(std::string_view text, std::size_t bytes) {
    if (!tokens_.run_beginning(text.data(), bytes)) return Step::kCut;
    const Step step = read(text.substr(0, bytes));
    if (step != Step::kFinished) fields_->reset(*plan_);
    return step;
}

void LazyExtractor::note_needed() {
    // The token behind the last value must be among those found; the last one may be cut off.
    const std::size_t reached = static_cast<std::size_t>(*token_) + 2;
    needed_ = std::max(needed_, (reached + kBlockBytes - 1) / kBlockBytes * kBlockBytes);
    if (++noted_ < kNotedMax) return;
    beginning_ = std::min(needed_, kBeginningMax);
    needed_ = noted_ = 0;
}

LazyExtractor::Step LazyExtractor::read(std::string_view text) {
    base_ = text.data();
    token_ = tokens_.begin();
    end_ = tokens_.end();
    has_backslash_ = std::memchr(text.data(), '\\', text.size()) != nullptr;
    if (token_ == end_ || base_[*token_] != '{') return Step::kCut;
    return object({&plan_->node(FieldPlan::root()), kNoElement, kNoElement, false, true});
}

// Behind the matching bracket of the container that was entered last.
bool LazyExtractor::skip_to_close() {
    for (int depth = 1; token_ < end_;) {
        depth += nesting(base_[*token_++]);
        if (depth == 0) return true;
    }
    return false;
}

bool LazyExtractor::skip_value() {
    if (token_ >= end_) return false;
    if (nesting(base_[*token_++]) <= 0) return true;
    return skip_to_close();
}

bool LazyExtractor::string(std::string_view& text) {
    if (token_ + 1 >= end_) return false;  // its end is found from the token behind it
    const std::uint32_t open = *token_++;
    std::uint32_t close = *token_ - 1;
    while (close > open && is_json_space(base_[close])) --close;
    text = {base_ + open + 1, close - open - (close > open ? 1 : 0)};
    if (!has_backslash_ || std::memchr(text.data(), '\\', text.size()) == nullptr) return true;
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
    if (token_ + 1 >= end_) return Step::kCut;  // it may be cut off itself
    const char* begin = base_ + *token_++;
    if (is_digit(c) || c == '-') {
        const char* end = scan_number(begin);
        if (!end) return Step::kCut;
        const JsonNumber number = decode_number(begin, end);
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
    if (token_ >= end_) return Step::kCut;
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
        if (token_ >= end_) return Step::kCut;
        if (base_[*token_] == '}') {
            ++token_;
            return Step::kOn;
        }
        if (base_[*token_] == ',') ++token_;
        std::string_view name;
        if (!string(name)) return Step::kCut;
        ++token_;  // the colon
        const std::uint32_t child = plan_->child(node, name);
        if (child == kNoNode) {
            if (!skip_value()) return Step::kCut;
            continue;
        }
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
        if (token_ >= end_) return Step::kCut;
        char c = base_[*token_];
        if (c == ']') {
            ++token_;
            return Step::kOn;
        }
        if (c == ',') {
            if (++token_ >= end_) return Step::kCut;
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
