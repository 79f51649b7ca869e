// Fuzzes what partitions of a cluster send each other: events on their way, and pages of what is
// registered. What is taken comes out the same when it is written again.
#include "core/assert.h"
#include "runtime/crossing/crossing_event.h"
#include "runtime/registry/spread_rows.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    using namespace millrace::runtime;
    const std::string_view text(reinterpret_cast<const char*>(data), bytes);
    if (const auto events = crossing::read_crossing(text)) {
        std::string again;
        for (const crossing::CrossingEvent& event : *events)
            crossing::append_crossing(again, event);
        const auto read = crossing::read_crossing(again);
        MR_ASSERT(read && *read == *events);
    }
    if (const auto page = parse_spread_page(text)) {
        const auto read = parse_spread_page(spread_page_text(*page));
        MR_ASSERT(read && *read == *page);
    }
    return 0;
}
