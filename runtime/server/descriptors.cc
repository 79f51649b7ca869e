#include "runtime/server/descriptors.h"

#include <algorithm>
#include <string>

#include <sys/resource.h>

namespace millrace::runtime {

namespace {

// Standard streams, the lock, the mark, the ballast, ring and wake socket of each shard, a listener
// of each face, the WAL and its own descriptors, identity runs.
constexpr std::uint64_t kProcessFiles = 48;
constexpr std::uint64_t kFilesPerShard = 8;
constexpr std::uint64_t kReserveMax = 4096;
constexpr std::uint64_t kStoreFilesMin = 24;

}  // namespace

std::uint64_t raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kDescriptorsMin;
    const rlim_t wanted = std::min<rlim_t>(limit.rlim_max, kDescriptorsWanted);
    if (limit.rlim_cur < wanted) {
        const rlimit raised{wanted, limit.rlim_max};
        if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit.rlim_cur = wanted;
    }
    return limit.rlim_cur;
}

core::Result<DescriptorPlan> plan_descriptors(std::uint64_t limit, std::size_t shards,
                                              const core::HttpConfig& http) {
    const std::uint64_t process = kProcessFiles + kFilesPerShard * shards;
    DescriptorPlan plan;
    plan.limit = limit;
    plan.reserve = std::clamp(limit / 4, process + kStoreFilesMin, kReserveMax);
    // Both faces of each shard get at least one connection.
    if (limit < kDescriptorsMin || limit < plan.reserve + 2 * shards) {
        return core::fail(core::ErrorCode::kUnavailable,
                          "at most " + std::to_string(limit) + " open files are allowed, and " +
                              std::to_string(shards) + " shards need " +
                              std::to_string(std::max(kDescriptorsMin, plan.reserve + 2 * shards)) +
                              "; raise the limit (ulimit -n, LimitNOFILE=)");
    }
    if (limit < kDescriptorsPlenty) plan.store_files_max = static_cast<int>(plan.reserve - process);
    plan.connections_room = limit - plan.reserve;
    const std::uint64_t each = std::max<std::uint64_t>(1, plan.connections_room / (2 * shards));
    const auto configured = static_cast<std::uint64_t>(http.connections_max);
    plan.connections_capped = each < configured;
    plan.connections_max = static_cast<std::size_t>(std::min(each, configured));
    return plan;
}

}  // namespace millrace::runtime
