// What: what a caller may be allowed to do, as resource:verb, and a set of such rights. Every route
//       names the one it asks for (runtime/api/routes.h).
// Threads: values. Lifetime: none. Limits: 64 scopes.
// Failure: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::runtime::identity {

// enumerator, text
#define MILLRACE_SCOPES(X)                                                    \
    X(kActionsCall, "actions:call")                                           \
    X(kActionsRead, "actions:read")                                           \
    X(kActionsWrite, "actions:write")                                         \
    X(kApiRead, "api:read")                                                   \
    X(kAuditRead, "audit:read")                                               \
    X(kBackupsWrite, "backups:write")                                         \
    X(kDeadLettersRead, "dlq:read")                                           \
    X(kDeadLettersReplay, "dlq:replay")                                       \
    X(kDeadLettersWrite, "dlq:write")                                         \
    X(kEndpointsRead, "endpoints:read")                                       \
    X(kEndpointsWrite, "endpoints:write")                                     \
    X(kEntitiesRead, "entities:read")                                         \
    X(kEntitiesWrite, "entities:write")                                       \
    X(kEventsRead, "events:read")                                             \
    X(kEventsWrite, "events:write")                                           \
    X(kExecutionsRead, "executions:read")                                     \
    X(kHooksRead, "hooks:read")                                               \
    X(kHooksWrite, "hooks:write")                                             \
    X(kKeysRead, "keys:read")                                                 \
    X(kKeysWrite, "keys:write")                                               \
    X(kKvRead, "kv:read")                                                     \
    X(kLinksRead, "links:read")                                               \
    X(kLinksWrite, "links:write")                                             \
    X(kMetricsRead, "metrics:read")                                           \
    X(kReplaysRead, "replays:read")                                           \
    X(kReplaysWrite, "replays:write")                                         \
    X(kSchedulesRead, "schedules:read")                                       \
    X(kSchedulesWrite, "schedules:write")                                     \
    X(kSchemasRead, "schemas:read")                                           \
    X(kSchemasWrite, "schemas:write")                                         \
    X(kScriptsRead, "scripts:read")                                           \
    X(kScriptsRun, "scripts:run")                                             \
    X(kScriptsWrite, "scripts:write")                                         \
    X(kSecretsRead, "secrets:read")                                           \
    X(kSecretsWrite, "secrets:write")                                         \
    X(kSourcesRead, "sources:read")                                           \
    X(kSourcesWrite, "sources:write")                                         \
    X(kStatsRead, "stats:read")                                               \
    X(kSubscriptionsRead, "subscriptions:read")                               \
    X(kSubscriptionsWrite, "subscriptions:write")                             \
    X(kTenantsRead, "tenants:read")                                           \
    X(kTenantsWrite, "tenants:write")                                         \
    X(kWorkflowsRead, "workflows:read")                                       \
    X(kWorkflowsRun, "workflows:run")                                         \
    X(kWorkflowsWrite, "workflows:write")                                     \
    /* Probes of load balancers and supervisors: nobody has to be anybody. */ \
    X(kPublic, "public")

enum class Scope : std::uint8_t {
#define X(enumerator, text) enumerator,
    MILLRACE_SCOPES(X)
#undef X
};

inline constexpr std::string_view kScopeTexts[] = {
#define X(enumerator, text) text,
    MILLRACE_SCOPES(X)
#undef X
};
inline constexpr std::size_t kScopeCount = sizeof kScopeTexts / sizeof kScopeTexts[0];
static_assert(kScopeCount <= 64);

constexpr std::string_view scope_text(Scope scope) {
    return kScopeTexts[static_cast<std::size_t>(scope)];
}

class ScopeSet {
public:
    constexpr ScopeSet() = default;
    static constexpr ScopeSet all() {
        ScopeSet set;
        set.bits_ = ~std::uint64_t{0};
        return set;
    }
    constexpr ScopeSet& add(Scope scope) {
        bits_ |= bit(scope);
        return *this;
    }
    constexpr ScopeSet& add(const ScopeSet& other) {
        bits_ |= other.bits_;
        return *this;
    }
    constexpr ScopeSet& remove(const ScopeSet& other) {
        bits_ &= ~other.bits_;
        return *this;
    }
    constexpr bool contains(const ScopeSet& other) const { return (other.bits_ & ~bits_) == 0; }
    // Every right, those that later versions will know too.
    constexpr bool is_all() const { return bits_ == ~std::uint64_t{0}; }
    constexpr bool has(Scope scope) const {
        return scope == Scope::kPublic || (bits_ & bit(scope)) != 0;
    }
    bool operator==(const ScopeSet&) const = default;

private:
    static constexpr std::uint64_t bit(Scope scope) {
        return std::uint64_t{1} << static_cast<unsigned>(scope);
    }
    std::uint64_t bits_ = 0;
};

}  // namespace millrace::runtime::identity
