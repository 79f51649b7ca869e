// What: takes a plan's fields out of a text that is known to be valid JSON, reading no further than
//       it must: tokens are found for the beginning of the text first and for all of it only when
//       the fields lie deeper; objects no path leads into are passed by counting brackets; reading
//       stops when every name of the plan that can still come has come.
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

private:
    // Tokens are looked for in so much of the text first.
    static constexpr std::size_t kBeginningMax = 256;
    enum class Step : std::uint8_t {
        kOn,        // go on behind the value
        kFinished,  // everything was found
        kCut,       // the tokens end here
    };
    struct Place {
        const FieldPlan::Node* node;
        std::uint32_t element;
        std::uint32_t member_element;
        bool passing;
        bool is_last;  // nothing outside of this value is wanted any more
    };
    Step read_beginning(std::string_view text, std::size_t bytes);
    void note_needed();
    Step read(std::string_view text);
    Step value(const Place& place);
    Step object(const Place& place);
    Step array(const Place& place);
    Step scalar(const Place& place, char c);
    bool skip_value();
    bool skip_to_close();
    bool string(std::string_view& text);

    const char* base_ = nullptr;
    const std::uint32_t* token_ = nullptr;
    const std::uint32_t* end_ = nullptr;
    bool has_backslash_ = false;
    const FieldPlan* plan_ = nullptr;
    FieldTable* fields_ = nullptr;
    JsonTokens tokens_;
    TextArena arena_;
    unsigned cut_ = 0;  // how often lately the beginning was not enough
    // Of the beginning: so much is looked at, as much as the last round of events needed.
    std::size_t beginning_ = kBeginningMax;
    std::size_t needed_ = 0;
    unsigned noted_ = 0;
};

}  // namespace millrace::core
