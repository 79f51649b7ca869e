// What: the values one event has at the paths of a FieldPlan, as views into its text: per slot a
//       chain of values in document order (arrays give several), each with the array elements that
//       were passed on the way, so that fields of different elements are never combined.
// Threads: one owner. Lifetime: views live as long as the event's text and, for strings with
//       escapes, until the parser's next begin().
// Limits: as many values as the event's text holds.
// Failure: none. Nothing is allocated once the table has seen its largest event.
#pragma once

#include "core/field_plan.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace millrace::core {

enum class FieldType : std::uint8_t { kNull, kFalse, kTrue, kNumber, kString, kObject, kArray };

inline constexpr std::uint32_t kNoValue = 0xffffffffu;
inline constexpr std::uint32_t kNoElement = 0;  // the root: not inside any array

struct FieldValue {
    // String: unescaped. Number: its digits. Literals: their text. Object, array: empty.
    const char* data = nullptr;
    std::uint32_t bytes = 0;
    FieldType type = FieldType::kNull;
    // Number with at most 15 significant digits and a small exponent: equal exactly when doubles
    // are.
    bool number_is_short = false;
    double number_approx = 0;  // nearest double; infinite beyond their range; never -0.0
    std::uint32_t slot = 0;
    std::uint32_t element = kNoElement;
    std::uint32_t next = kNoValue;  // next value of the same slot

    std::string_view text() const { return {data, bytes}; }
    bool is_scalar() const { return type < FieldType::kObject; }
};

// One element of one array (or member of an object, under a wildcard) that was passed on the way.
// The chain of parents is what binds a value.
struct FieldElement {
    std::uint32_t parent = kNoElement;
    std::uint32_t container = 0;  // where the array begins in the text
    std::uint32_t index = 0;
    std::uint32_t begin = 0;  // of the element itself in the text; set by the walking extractor,
    std::uint32_t end = 0;    // which alone reads an array more than once
};

class FieldTable {
public:
    FieldTable() { elements_.emplace_back(); }

    // Empties the table for an event read with `plan`.
    void reset(const FieldPlan& plan) {
        values_.clear();
        elements_.resize(1);
        is_tree_ = true;
        touched_.clear();
        if (heads_.size() < plan.slot_count()) {
            heads_.resize(plan.slot_count());
            lasts_.resize(plan.slot_count());
        }
        if (++epoch_ == 0) {  // wrapped: old stamps could look fresh
            for (Head& head : heads_) head.epoch = 0;
            epoch_ = 1;
        }
    }

    // First value of a slot or nullptr, then the next one or nullptr.
    const FieldValue* first(std::uint32_t slot) const {
        return slot < heads_.size() && heads_[slot].epoch == epoch_ ? &values_[heads_[slot].first]
                                                                    : nullptr;
    }
    const FieldValue* next(const FieldValue& value) const {
        return value.next == kNoValue ? nullptr : &values_[value.next];
    }
    const std::vector<FieldValue>& values() const { return values_; }
    // Slots with at least one value, in document order of their first.
    const std::vector<std::uint32_t>& touched() const { return touched_; }
    const FieldElement& element(std::uint32_t id) const { return elements_[id]; }
    bool has_elements() const { return elements_.size() > 1; }
    // Numbers of elements are below this; 0 is none.
    std::uint32_t element_count() const { return static_cast<std::uint32_t>(elements_.size()); }
    // Each element of each array has one number: elements form a tree.
    bool is_tree() const { return is_tree_; }

    // May values with these elements be combined? Not when they sit in different elements of one
    // array.
    bool consistent(std::uint32_t a, std::uint32_t b) const {
        if (a == b || a == kNoElement || b == kNoElement) return true;
        return consistent_slow(a, b);
    }

    // For the parser.
    FieldValue& add(std::uint32_t slot, FieldType type, std::uint32_t element) {
        const auto id = static_cast<std::uint32_t>(values_.size());
        FieldValue& value = values_.emplace_back();
        value.type = type;
        value.slot = slot;
        value.element = element;
        Head& head = heads_[slot];
        if (head.epoch == epoch_) {
            values_[lasts_[slot]].next = id;
        } else {
            head = {epoch_, id};
            touched_.push_back(slot);
        }
        lasts_[slot] = id;
        return value;
    }
    // An array was read more than once, so that one element of it may have several numbers.
    void set_read_again() { is_tree_ = false; }
    std::uint32_t new_element(std::uint32_t parent, std::uint32_t container, std::uint32_t index,
                              std::uint32_t begin = 0) {
        elements_.push_back({parent, container, index, begin, begin});
        return static_cast<std::uint32_t>(elements_.size() - 1);
    }
    void end_element(std::uint32_t id, std::uint32_t end) { elements_[id].end = end; }

private:
    // Eight bytes: first() is asked for each field of each group, and indexes without a
    // multiplication.
    struct Head {
        std::uint32_t epoch = 0;
        std::uint32_t first = 0;
    };
    bool consistent_slow(std::uint32_t a, std::uint32_t b) const;

    std::vector<FieldValue> values_;
    std::vector<FieldElement> elements_;
    std::vector<Head> heads_;           // by slot
    std::vector<std::uint32_t> lasts_;  // by slot: its last value, where the head is of this event
    std::vector<std::uint32_t> touched_;
    std::uint32_t epoch_ = 0;
    bool is_tree_ = true;
};

}  // namespace millrace::core
