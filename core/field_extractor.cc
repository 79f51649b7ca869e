#include "core/field_extractor.h"

namespace millrace::core {

// NOLINTBEGIN(misc-no-recursion): one frame a level of the text, kJsonDepthMax at most.

bool FieldExtractor::value(const Place& place) {
    const char c = walker_.peek();
    if (c == '{') return object(place);
    if (c == '[') return array(place);
    if (place.node->slot == kNoSlot) return walker_.skip_value();
    if (c == '"') {
        std::string_view text;
        if (!walker_.string(text)) return false;
        if (walker_.has_escapes(text)) text = JsonWalker::resolve(text, arena_);
        FieldValue& value = add(place, FieldType::kString);
        value.data = text.data();
        value.bytes = static_cast<std::uint32_t>(text.size());
        return true;
    }
    if (is_digit(c) || c == '-') {
        std::string_view text;
        if (!walker_.number(text)) return false;
        FieldValue& value = add(place, FieldType::kNumber);
        value.data = text.data();
        value.bytes = static_cast<std::uint32_t>(text.size());
        JsonNumber number;
        read_number(text.data(), number);  // of what the walker has accepted
        value.number_approx = number.approx;
        value.number_is_short = number.is_short;
        return true;
    }
    const char* text = walker_.base() + walker_.position();
    if (!walker_.skip_value()) return false;
    FieldValue& value = add(place, c == 't'   ? FieldType::kTrue
                                   : c == 'f' ? FieldType::kFalse
                                              : FieldType::kNull);
    value.data = text;
    value.bytes = c == 'f' ? 5 : 4;
    return true;
}

bool FieldExtractor::object(const Place& place) {
    const FieldPlan::Node& node = *place.node;
    if (node.slot != kNoSlot && !place.passing) add(place, FieldType::kObject);
    const bool any = node.any_child != kNoNode && !place.passing;
    if (node.names == 0 && !any) return walker_.skip_value();
    if (!walker_.enter_object()) return false;
    if (walker_.object_is_empty()) return true;
    const std::uint32_t container = any ? walker_.last_position() + 1 : 0;
    bool more = true;
    for (std::uint32_t index = 0; more; ++index) {
        std::string_view name;
        std::uint64_t hash = 0;
        if (!walker_.key(name, hash)) return false;
        if (!member(place, plan_.child(node, name, hash), container, index)) return false;
        if (!walker_.more_members(more)) return false;
    }
    return true;
}

bool FieldExtractor::member(const Place& place, std::uint32_t child, std::uint32_t container,
                            std::uint32_t index) {
    const std::uint32_t* start = walker_.token();
    bool read = false;
    if (child != kNoNode) {
        if (!value({&plan_.node(child), place.member_element, place.member_element, false}))
            return false;
        read = true;
    }
    if (container != 0) {
        if (read) read_again(start);
        const std::uint32_t bound =
            fields_.new_element(place.member_element, container, index, walker_.position());
        if (!value({&plan_.node(place.node->any_child), place.member_element, bound, false}))
            return false;
        fields_.end_element(bound, walker_.last_position() + 1);
        read = true;
    }
    return read || walker_.skip_value();
}

bool FieldExtractor::array(const Place& place) {
    const FieldPlan::Node& node = *place.node;
    if (node.slot != kNoSlot && !place.passing) add(place, FieldType::kArray);
    if (node.slot == kNoSlot && (place.passing ? node.names == 0 : !node.has_children)) {
        return walker_.skip_value();
    }
    std::uint32_t count = 0;
    if (node.has_negative_index && !place.passing) {
        const std::uint32_t* start = walker_.token();
        if (!count_elements(count)) return false;
        walker_.rewind(start);
    }
    if (!walker_.enter_array()) return false;
    if (walker_.array_is_empty()) return true;
    const std::uint32_t container = node.has_children ? walker_.last_position() + 1 : 0;
    bool more = true;
    for (std::uint32_t index = 0; more; ++index) {
        const std::int64_t from_end = static_cast<std::int64_t>(index) - count;
        if (!element(place, container, index, from_end)) return false;
        if (!walker_.more_elements(more)) return false;
    }
    return true;
}

// One element of an array at the node's path: passed through for members below and for the slot's
// own scalars, and, on the first level, taken by subscript.
bool FieldExtractor::element(const Place& place, std::uint32_t container, std::uint32_t index,
                             std::int64_t from_end) {
    const FieldPlan::Node& node = *place.node;
    const std::uint32_t* start = walker_.token();
    std::uint32_t bound = kNoElement;
    if (container != 0 && (node.names != 0 || (node.any_child != kNoNode && !place.passing))) {
        const char c = walker_.peek();
        if (c == '{' || c == '[' || node.any_child != kNoNode) {
            bound = fields_.new_element(place.member_element, container, index, walker_.position());
        }
    }
    if (!value({&node, place.element, bound, true})) return false;
    if (bound != kNoElement) fields_.end_element(bound, walker_.last_position() + 1);
    if (place.passing) return true;
    for (auto entry = plan_.index_begin(node); entry != plan_.index_end(node); ++entry) {
        const std::int64_t at = entry->index < 0 ? from_end : static_cast<std::int64_t>(index);
        if (entry->index != at) continue;
        read_again(start);
        const Place below{&plan_.node(entry->child), place.member_element, place.member_element,
                          false};
        if (!value(below)) return false;
    }
    if (node.any_child != kNoNode) {
        read_again(start);
        // A wildcard at the end of a path binds nothing; what follows below it is bound.
        if (!value({&plan_.node(node.any_child), place.member_element, bound, false})) return false;
    }
    return true;
}

bool FieldExtractor::count_elements(std::uint32_t& count) {
    if (!walker_.enter_array()) return false;
    if (walker_.array_is_empty()) return true;
    bool more = true;
    for (; more; ++count) {
        if (!walker_.skip_value() || !walker_.more_elements(more)) return false;
    }
    return true;
}

// NOLINTEND(misc-no-recursion)

}  // namespace millrace::core
