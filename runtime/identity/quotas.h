// What: how much a tenant or a key may have: a list of names that tenants' documents, the settings
//       quota.* and the answers of 429 share.
// Threads: values. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::runtime::identity {

// enumerator, name in documents
#define MILLRACE_QUOTAS(X)                            \
    X(kEvents, "eventsPerSecond")                     \
    X(kBytes, "bytesPerSecond")                       \
    X(kConnections, "connections")                    \
    X(kEntities, "entities")                          \
    X(kLinks, "links")                                \
    X(kReplays, "replays")                            \
    X(kRuns, "runningExecutions")                     \
    X(kSchedules, "schedules")                        \
    X(kScripts, "scripts")                            \
    X(kStored, "storedBytes")                         \
    X(kStreams, "streams")                            \
    X(kSubscriptions, "subscriptions")                \
    X(kScriptSubscriptions, "subscriptionsPerScript") \
    X(kWorkflows, "workflows")

enum class Quota : std::uint8_t {
#define X(enumerator, text) enumerator,
    MILLRACE_QUOTAS(X)
#undef X
};

inline constexpr std::string_view kQuotaNames[] = {
#define X(enumerator, text) text,
    MILLRACE_QUOTAS(X)
#undef X
};
inline constexpr std::size_t kQuotaCount = sizeof kQuotaNames / sizeof kQuotaNames[0];

constexpr std::string_view quota_name(Quota quota) {
    return kQuotaNames[static_cast<std::size_t>(quota)];
}

// 0: as much as one likes.
class Quotas {
public:
    constexpr std::int64_t of(Quota quota) const { return most_[static_cast<std::size_t>(quota)]; }
    constexpr void set(Quota quota, std::int64_t most) {
        most_[static_cast<std::size_t>(quota)] = most;
    }
    // What is not said here is as `other` says.
    constexpr Quotas over(const Quotas& other) const {
        Quotas both = *this;
        for (std::size_t i = 0; i < kQuotaCount; ++i) {
            if (both.most_[i] == 0) both.most_[i] = other.most_[i];
        }
        return both;
    }
    bool operator==(const Quotas&) const = default;

private:
    std::array<std::int64_t, kQuotaCount> most_{};
};

}  // namespace millrace::runtime::identity
