// What: takes a plan's fields out of a text that is known to be valid JSON, reading no further than
//       it must: tokens are found a few members at a time; objects no path leads into are passed by
//       counting brackets; reading stops when every name of the plan that can still come has come.
// Threads: one owner. Lifetime: views into the text, or into the arena for strings with escapes.
// Limits: plans of names only (plain_names()); others are read the full way.
// Failure: extract() says no when the text is cut off or no JSON object; what else is wrong in a
//       text that
//          was not checked before may pass unseen.
#pragma once

#include "core/field_plan.h"
#include "core/field_table.h"
#include "core/json_tokens.h"
#include "core/text_arena.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::core {

class LazyExtractor {
public:
    bool extract(std::string_view padded_text, const FieldPlan& plan, FieldTable& fields);
    // Where the value of the member "payload" begins in the text of the last extract(), if a path
    // of the plan led there; else 0.
    std::uint32_t payload_at() const { return payload_at_; }
    void forget() { payload_at_ = 0; }

private:
    enum class Step : std::uint8_t {
        kOn,        // go on behind the value
        kFinished,  // everything was found
        kCut,       // the text ends here
    };
    struct Place {
        const FieldPlan::Node* node;
        std::uint32_t element;
        std::uint32_t member_element;
        bool passing;
        bool is_last;  // nothing outside of this value is wanted any more
    };
    // Are there so many more tokens? They are found if need be.
    bool reach(std::ptrdiff_t count) { return end_ - token_ >= count || reach_slow(count); }
    bool reach_slow(std::ptrdiff_t count);
    Step value(const Place& place);
    Step object(const Place& place);
    Step array(const Place& place);
    Step scalar(const Place& place, char c);
    bool skip_value();
    bool skip_to_close();
    bool pass_others(const FieldPlan::Node& node);
    bool string(std::string_view& text);

    const char* base_ = nullptr;
    const std::uint32_t* token_ = nullptr;
    const std::uint32_t* end_ = nullptr;
    const FieldPlan* plan_ = nullptr;
    FieldTable* fields_ = nullptr;
    std::uint32_t payload_node_ = kNoNode;
    std::uint32_t payload_at_ = 0;
    JsonTokens tokens_;
    TextArena arena_;
};

}  // namespace millrace::core
