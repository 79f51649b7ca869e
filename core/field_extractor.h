// What: takes the values at a FieldPlan's paths out of one JSON value while it is being checked. A
//       value that several branches of the plan want (items[0] and items[*]) is read once for each.
// Threads: one owner. Lifetime: per event; borrows everything.
// Limits: recursion is bounded by kJsonDepthMax. Failure: as the walker's.
#pragma once

#include "core/field_plan.h"
#include "core/field_table.h"
#include "core/json_walker.h"

namespace millrace::core {

class FieldExtractor {
public:
    FieldExtractor(JsonWalker& walker, const FieldPlan& plan, FieldTable& fields, TextArena& arena)
        : walker_(walker), plan_(plan), fields_(fields), arena_(arena) {}

    // Checks the value at the walker's token, extracts what the plan has from `node` down.
    bool value(std::uint32_t node) {
        return value({&plan_.node(node), kNoElement, kNoElement, false});
    }

private:
    struct Place {
        const FieldPlan::Node* node;
        std::uint32_t element;         // binds scalars at the node's own slot
        std::uint32_t member_element;  // binds what is found below by name
        bool passing;                  // inside an array that stands at the node's path
    };
    bool value(const Place& place);
    bool object(const Place& place);
    bool member(const Place& place, std::uint32_t child, std::uint32_t container,
                std::uint32_t index);
    bool array(const Place& place);
    bool element(const Place& place, std::uint32_t container, std::uint32_t index,
                 std::int64_t from_end);
    bool count_elements(std::uint32_t& count);
    void read_again(const std::uint32_t* start) {
        walker_.rewind(start);
        fields_.set_read_again();
    }
    FieldValue& add(const Place& place, FieldType type) {
        return fields_.add(place.node->slot, type, place.element);
    }

    JsonWalker& walker_;
    const FieldPlan& plan_;
    FieldTable& fields_;
    TextArena& arena_;
};

}  // namespace millrace::core
