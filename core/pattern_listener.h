// What: who is told the pattern of an event as soon as it has been read, while the rest of the
//       event is still to be parsed: what will be looked up by it can be fetched from memory
//       meanwhile.
// Threads: called on the parser's thread. Lifetime: `self` outlives the parser's use of it; the
//       text is the event's. Limits, failure: none; an event whose pattern was told may still turn
//       out to be bad.
#pragma once

#include <string_view>

namespace millrace::core {

struct PatternListener {
    void (*heard)(void* self, std::string_view pattern) = nullptr;  // null: nobody listens
    void* self = nullptr;

    void tell(std::string_view pattern) const {
        if (heard) heard(self, pattern);
    }
};

}  // namespace millrace::core
