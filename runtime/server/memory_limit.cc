#include "runtime/server/memory_limit.h"

#include "core/listed.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#include <unistd.h>

namespace millrace::runtime {

namespace {

// Version 1 says "no limit" as a number of pages that nobody has.
constexpr std::uint64_t kNoLimitFrom = 1ULL << 60;

std::string group_first_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

// 0: none ("max"), or no such file.
std::uint64_t limit_in(const std::string& path) {
    const std::string text = group_first_line(path);
    std::uint64_t bytes = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
    if (error != std::errc{} || end != text.data() + text.size()) return 0;
    return bytes >= kNoLimitFrom ? 0 : bytes;
}

std::uint64_t lesser_limit(std::uint64_t a, std::uint64_t b) {
    if (a == 0 || b == 0) return std::max(a, b);
    return std::min(a, b);
}

// Of the group and of all around it. In a container the path may be the host's, which is not there:
// what is mounted is its own group then.
std::uint64_t least_along(const std::string& mount, std::string path, const char* file) {
    std::uint64_t least = 0;
    for (;;) {
        least = lesser_limit(least, limit_in(mount + path + file));
        const std::size_t slash = path.rfind('/');
        if (slash == std::string::npos) return least;
        path.resize(slash);
    }
}

// "4:cpu,memory:/a/b" names the controller.
bool names_memory(std::string_view controllers) {
    return !core::each_listed(controllers, [](std::string_view one) { return one != "memory"; });
}

}  // namespace

std::uint64_t control_group_limit(std::string_view groups, const std::string& root) {
    std::uint64_t least = 0;
    while (!groups.empty()) {
        const std::size_t end = std::min(groups.find('\n'), groups.size());
        const std::string_view line = groups.substr(0, end);
        groups.remove_prefix(std::min(end + 1, groups.size()));
        const std::size_t first = line.find(':');
        if (first == std::string_view::npos) continue;
        const std::size_t second = line.find(':', first + 1);
        if (second == std::string_view::npos) continue;
        const std::string_view controllers = line.substr(first + 1, second - first - 1);
        std::string path(line.substr(second + 1));
        if (path == "/") path.clear();
        if (controllers.empty()) {
            for (const char* mount : {"", "/unified"})
                least = lesser_limit(least, least_along(root + mount, path, "/memory.max"));
        } else if (names_memory(controllers)) {
            least =
                lesser_limit(least, least_along(root + "/memory", path, "/memory.limit_in_bytes"));
        }
    }
    return least;
}

MemoryLimit choose_memory_limit(std::int64_t configured, std::uint64_t group,
                                std::uint64_t machine) {
    if (machine != 0 && group >= machine) group = 0;
    const auto told = static_cast<std::uint64_t>(configured);
    if (told == 0 && group == 0) return {0, "none"};
    const std::uint64_t bytes = lesser_limit(told, group);
    return {bytes, bytes == told ? "memory.max" : "control group"};
}

MemoryLimit memory_limit_of_process(std::int64_t configured) {
    std::ifstream file("/proc/self/cgroup");
    const std::string groups{std::istreambuf_iterator<char>(file), {}};
    const auto machine = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return choose_memory_limit(configured, control_group_limit(groups, "/sys/fs/cgroup"), machine);
}

}  // namespace millrace::runtime
