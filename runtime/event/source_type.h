// What: the types that an event's source may have.
// Threads: pure. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::string_view kSourceTypes = "workflow, task, integration or external";

// Of a query: empty is any.
inline bool is_source_type(std::string_view type) {
    static constexpr std::array<std::string_view, 5> kKnown{"", "workflow", "task", "integration",
                                                            "external"};
    return std::find(kKnown.begin(), kKnown.end(), type) != kKnown.end();
}

}  // namespace millrace::runtime
