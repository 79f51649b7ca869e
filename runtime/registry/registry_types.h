// What: scripts and subscriptions as the engine uses them: typed, checked, immutable. A change
//       makes a new object with a new version.
// Threads: immutable after the registry has published them; read anywhere.
// Lifetime: held by shared_ptr in snapshots; whoever holds a snapshot may keep raw pointers.
// Limits: kScript..., kSubscription... below, checked by the kinds.
// Failure: none here.
#pragma once

#include "core/ids.h"
#include "runtime/registry/retry_policy.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::matcher {
struct SubscriptionSpec;
}

namespace millrace::runtime {

struct WebhookSpec;
struct WebhookSecrets;
struct CommandSpec;

// A script's number in this data folder; 0 is no script; never used again.
using ScriptNumber = core::StrongInt<struct ScriptNumberTag, std::uint32_t>;
using WorkflowNumber = core::StrongInt<struct WorkflowNumberTag, std::uint32_t>;
using LinkNumber = core::StrongInt<struct LinkNumberTag, std::uint32_t>;

inline constexpr std::size_t kResourceIdBytesMax = 128;
inline constexpr std::size_t kResourceNameBytesMax = 256;
inline constexpr std::size_t kScriptsMax = 100'000;          // of a tenant
inline constexpr std::size_t kSubscriptionsMax = 4'000'000;  // of a tenant
inline constexpr std::size_t kScriptSourceBytesMax = 1u << 20;
inline constexpr std::size_t kScriptAllowMax = 100;    // keys, and roles
inline constexpr std::size_t kScriptVersionsMax = 50;  // older ones are forgotten
inline constexpr std::int64_t kScriptTimeoutMsMax = 300'000;
inline constexpr std::int64_t kScriptMemoryBytesMin = 1LL << 20;
inline constexpr std::int64_t kScriptMemoryBytesMax = 1LL << 30;

enum class ScriptType : std::uint8_t { kEvent, kScheduled, kEndpoint, kApi, kHook, kWorkflow };

// Bits of Script::permissions.
enum class Permission : std::uint8_t { kHttp = 1, kKv = 2, kEmit = 4, kSecrets = 8 };
inline constexpr std::uint8_t kPermissionsAll = 15;

struct Script {
    ScriptNumber number;
    core::TenantId tenant;
    std::uint32_t version = 1;  // grows by one with each PUT
    std::string id;
    std::string name;
    ScriptType type = ScriptType::kEvent;
    std::string source;
    bool enabled = true;
    std::int64_t timeout_ms = 30'000;
    std::int64_t memory_bytes = 64LL << 20;
    std::uint8_t permissions = kPermissionsAll;
    bool record_calls = false;  // its executions keep what its calls were answered with
    // Who may run it over the API: ids of keys, names of roles. Both empty: everybody who may run.
    std::vector<std::string> allow_keys;
    std::vector<std::string> allow_roles;
    std::uint64_t hash = 0;  // XXH3 of the source: key of compiled-chunk caches
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;

    bool may_be_run_by(std::string_view key_id, std::string_view role) const;
    bool may(Permission permission) const {
        return (permissions & static_cast<std::uint8_t>(permission)) != 0;
    }
};

enum class ExecutorType : std::uint8_t { kScript, kWebhook, kCommand, kWorkflow, kLink };
inline constexpr std::size_t kExecutorTypes = 5;

struct ExecutorSpec {
    ExecutorType type = ExecutorType::kScript;
    ScriptNumber script;                            // kScript; kWorkflow of one that is a script
    WorkflowNumber workflow;                        // kWorkflow of one that is a definition
    std::string script_id;                          // kScript, kWorkflow: whose id it is
    LinkNumber link;                                // kLink
    std::string link_id;                            // kLink
    ScriptNumber transform;                         // kWebhook: what reshapes it; 0: nothing
    std::shared_ptr<const WebhookSpec> webhook;     // kWebhook
    std::shared_ptr<const WebhookSecrets> secrets;  // kWebhook
    std::shared_ptr<const CommandSpec> command;     // kCommand
    std::string document;                           // the executor's JSON object as it is shown
};

// What a waiting retry means for later events of the same partition key.
enum class Ordering : std::uint8_t {
    kKey,   // they wait behind it
    kNone,  // they do not
};

// What becomes of what waits for a subscription that was removed.
enum class Closing : std::uint8_t { kNo, kDeadLetter, kDiscard };

// A subscription was switched off from one place of the log to another: what came in between it
// does not get. One entry a shard; a shard beyond a list begins at 0. While it is off, `to` is
// empty.
struct OffPeriod {
    std::vector<core::LogOffset> from;
    std::vector<core::LogOffset> to;

    bool holds(core::LogPosition position) const;
};
inline constexpr std::size_t kOffPeriodsMax = 32;

struct Subscription {
    core::SubscriptionId number;
    core::TenantId tenant;
    std::uint32_t version = 1;  // grows by one with each PATCH
    std::string id;
    std::string name;
    std::shared_ptr<const matcher::SubscriptionSpec> spec;
    ExecutorSpec executor;
    std::int32_t priority = 0;  // higher first
    RetryPolicy retry;
    Ordering ordering = Ordering::kKey;
    // Off: it matches nothing, and what waits for it waits on.
    bool active = true;
    // It keeps its place in the log: what comes meanwhile is delivered when it is resumed.
    bool paused = false;
    // What it wants is asked of edges too (runtime/hub): with such, they send nothing else.
    bool of_edges = false;
    // It was removed, and what waits for it is being cleared away: nobody sees it any more.
    Closing closing = Closing::kNo;
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;
    // Only events at or behind these offsets are delivered, one entry a shard: the ends of the log
    // when the subscription was made. A shard beyond the list starts at 0.
    std::vector<core::LogOffset> effective_from;
    std::vector<OffPeriod> off_periods;  // since then, oldest first
    std::string document;                // the body as API clients see it: one JSON object

    bool is_effective_at(core::LogPosition position) const;
    // Deliveries wait: none is begun. Its script and its tenant may be other reasons
    // (RegistrySnapshot::holds(), held_because()).
    bool held() const { return !active || paused; }
};

// Why deliveries of a subscription wait, in words; empty: they do not.
std::string_view held_because(const Subscription& subscription, const Script* script);

std::string_view script_type_text(ScriptType type);
std::string_view executor_type_text(ExecutorType type);

}  // namespace millrace::runtime
