// What: the scripts and subscriptions of this data folder. Reads the bodies of the outside
//       contract, checks them, writes them to the store's registry rows (through RegistryRows) and
//       publishes immutable snapshots.
// Threads: one owner (the conductor) for everything but snapshot(), which any thread may call.
// Lifetime: borrows rows, clock and random. Snapshots outlive the registry if somebody holds them.
// Limits: runtime/registry/registry_types.h.
// Failure: bad bodies are kValidation errors that name the field; a taken id and a script in use
//       are kConflict; nothing is published that was not written durably first.
#pragma once

#include "core/clock.h"
#include "core/random.h"
#include "core/result.h"
#include "runtime/registry/registry_rows.h"
#include "runtime/registry/registry_snapshot.h"
#include "runtime/registry/registry_types.h"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {

using ScriptRef = std::shared_ptr<const Script>;
using SubscriptionRef = std::shared_ptr<const Subscription>;
using LogEnds = std::vector<core::LogOffset>;  // by shard: the offset the next event will get

// What a change means to those who follow: exactly one of the members is set.
struct RegistryChange {
    SubscriptionRef subscription_put = {};  // new or changed; look at ->active
    SubscriptionRef subscription_removed = {};
    ScriptRef script_put = {};
    ScriptRef script_removed = {};
};

class Registry {
public:
    struct Options {
        RetryPolicy retry_default;
        std::int64_t script_timeout_ms_default = 30'000;
        std::int64_t script_memory_bytes_default = 64LL << 20;
        // Compiles a script's source; a syntax error is a kValidation error with the line in its
        // text.
        std::function<core::Status(const std::string& name, const std::string& source)>
            check_script;
        // Refuses what the matcher can not take (a regex Hyperscan does not compile).
        std::function<core::Status(const matcher::SubscriptionSpec&)> check_spec;
    };

    // Loads every row. A row that does not read is an error: nothing is skipped silently.
    static core::Result<std::unique_ptr<Registry>> open(RegistryRows& rows,
                                                        const core::Clock& clock,
                                                        core::Random& random, Options options);
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;
    ~Registry();

    // Whom the audit log names for the changes that follow.
    void act_as(std::string actor) { actor_ = std::move(actor); }

    // Any thread. Never null.
    RegistrySnapshotRef snapshot() const;
    // Any thread: the version of the newest snapshot, to see cheaply whether it has changed.
    std::uint64_t version() const {
        return version_.load(std::memory_order_acquire);
    }  // pairs with publish()

    // The owner's calls from here on. `body` is the JSON text of the request.
    core::Result<ScriptRef> create_script(core::TenantId tenant, std::string_view body);
    core::Result<ScriptRef> update_script(core::TenantId tenant, std::string_view id,
                                          std::string_view body);
    core::Result<ScriptRef> remove_script(core::TenantId tenant, std::string_view id);
    ScriptRef find_script(core::TenantId tenant, std::string_view id) const;
    // The newest kScriptVersionsMax versions, oldest first, the current one last.
    std::span<const ScriptRef> script_versions(core::TenantId tenant, std::string_view id) const;

    core::Result<SubscriptionRef> create_subscription(core::TenantId tenant, std::string_view body,
                                                      LogEnds ends);
    // JSON merge patch (RFC 7386) on the document.
    core::Result<SubscriptionRef> patch_subscription(core::TenantId tenant, std::string_view id,
                                                     std::string_view patch, const LogEnds& ends);
    // Puts back what patch_subscription replaced, for a change that the matcher refused.
    core::Status restore_subscription(const SubscriptionRef& old);
    core::Result<SubscriptionRef> remove_subscription(core::TenantId tenant, std::string_view id);
    SubscriptionRef find_subscription(core::TenantId tenant, std::string_view id) const;
    // Checks a body as create_subscription would, without keeping it.
    core::Result<SubscriptionRef> check_subscription(core::TenantId tenant,
                                                     std::string_view body) const;

    // In the order of ids, those behind `after` ("" = from the first); stops when visit says false.
    void list_scripts(core::TenantId tenant, std::string_view after,
                      const std::function<bool(const ScriptRef&)>& visit) const;
    void list_subscriptions(core::TenantId tenant, std::string_view after,
                            const std::function<bool(const SubscriptionRef&)>& visit) const;

private:
    using Key = std::pair<std::uint32_t, std::string>;  // tenant, id

    Registry(RegistryRows& rows, const core::Clock& clock, core::Random& random, Options options);
    core::Status load();
    void publish(const RegistryChange& change);
    core::Status check_script(const Script& script) const;
    core::Result<ScriptRef> keep_script(Script&& script, std::string_view action);
    core::Status resolve_executor(Subscription& subscription) const;
    core::Status read_subscription(Subscription& subscription, std::string_view body) const;
    core::Result<SubscriptionRef> keep_subscription(Subscription&& subscription,
                                                    std::string_view body, std::string_view action);

    std::string audit_entry(std::string_view action, std::string_view kind, std::string_view id,
                            std::uint32_t version, std::string_view document = {}) const;

    RegistryRows& rows_;
    const core::Clock& clock_;
    core::Random& random_;
    const Options options_;
    std::string actor_ = "millrace";
    std::map<Key, ScriptRef> scripts_;
    std::map<Key, std::vector<ScriptRef>> versions_;
    std::map<Key, SubscriptionRef> subscriptions_;
    std::uint32_t script_number_next_ = 1;
    std::uint32_t subscription_number_next_ = 1;

    mutable std::mutex snapshot_mutex_;  // held for a pointer copy only
    RegistrySnapshotRef snapshot_;
    std::atomic<std::uint64_t> version_{0};
};

}  // namespace millrace::runtime
