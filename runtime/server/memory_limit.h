// What: how much memory this process may take: what the configuration says, and what the control
//       group that it runs in allows (version 2 or 1, the least of it and those around it).
// Threads: main's, at the start. Lifetime: values.
// Limits: a control group that allows as much as the machine has is no limit.
// Failure: what can't be read says nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

struct MemoryLimit {
    std::uint64_t bytes = 0;  // 0: none
    std::string_view from;    // "memory.max", "control group", "none"
};

// Pure, but for the files below `root`: `groups` is what /proc/self/cgroup holds. 0: no limit.
std::uint64_t control_group_limit(std::string_view groups, const std::string& root);

// The lesser of both, where there are both.
MemoryLimit choose_memory_limit(std::int64_t configured, std::uint64_t group,
                                std::uint64_t machine);

MemoryLimit memory_limit_of_process(std::int64_t configured);

}  // namespace millrace::runtime
