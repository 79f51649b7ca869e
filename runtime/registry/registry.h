// What: everything that people have registered in this data folder, by kind: one DocumentTable
//       each, whose changes are published together as immutable snapshots.
// Threads: one owner (the conductor) for everything but snapshot() and version(), which any thread
//       may call.
// Lifetime: borrows rows, clock and random. Snapshots outlive the registry if somebody holds them.
// Limits: those of the kinds (document_kinds.h).
// Failure: bad bodies are kValidation errors that name the field; nothing is published that was not
//       written durably first; a row that can't be read is set aside (document_table.h).
#pragma once

#include "core/clock.h"
#include "core/random.h"
#include "core/result.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/document_table.h"
#include "runtime/registry/promised_audit.h"
#include "runtime/registry/registry_rows.h"
#include "runtime/registry/registry_snapshot.h"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::runtime {

class Registry final : private DocumentHost {
public:
    struct Options {
        RetryPolicy retry_default;
        std::int64_t script_timeout_ms_default = 30'000;
        std::int64_t script_memory_bytes_default = 64LL << 20;
        identity::Quotas quota_defaults;  // of tenants whose documents do not say
        SchemaMode schema_mode_default = SchemaMode::kReject;
        // Compiles a script's source; a syntax error is a kValidation error with the line in its
        // text.
        std::function<core::Status(const std::string& name, const std::string& source)>
            check_script;
        // Refuses links that this server would not follow: a file that is not listed.
        std::function<core::Status(const Link&)> check_link;
        // Refuses what the matcher can not take (a regex Hyperscan does not compile).
        std::function<core::Status(const matcher::SubscriptionSpec&)> check_spec;
        // Refuses what this server has no place for.
        std::function<core::Status(const EventSchema&)> check_schema;
        // Numbers of new documents: `number_at` and each number_step from there on.
        std::uint32_t number_step = 1;
        std::uint32_t number_at = 0;
    };

    // Loads every row.
    static core::Result<std::unique_ptr<Registry>> open(RegistryRows& rows,
                                                        const core::Clock& clock,
                                                        core::Random& random, Options options);
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;
    ~Registry() override;

    // Whom the audit log names for the changes that follow.
    void act_as(std::string actor, std::string members = {}) {
        actor_ = std::move(actor);
        actor_members_ = std::move(members);
    }
    // A line of the audit log for a change that has no document.
    core::Status write_audit(std::int64_t at_us, core::TenantId tenant, std::string_view entry) {
        return rows_.commit({}, {}, at_us, tenant, entry);
    }
    // One that was promised with the change itself.
    core::Status write_promised_audit(std::int64_t at_us, core::TenantId tenant,
                                      std::string_view entry, const std::string& row_id) {
        return keep_promised_audit(rows_, at_us, tenant, entry, row_id);
    }

    // A row that is no document, with its line of the audit log in one commit.
    core::Status write_row(const RegistryRow& row, std::int64_t at_us, core::TenantId tenant,
                           std::string_view entry) {
        return rows_.commit({&row, 1}, {}, at_us, tenant, entry);
    }
    core::Status erase_row(const RegistryRowName& row, std::int64_t at_us, core::TenantId tenant,
                           std::string_view entry) {
        return rows_.commit({}, {&row, 1}, at_us, tenant, entry);
    }

    // Changes in between are durable when end_many() says so, all with one sync.
    void begin_many() { rows_.begin_many(); }
    core::Status end_many() { return rows_.end_many(); }
    // Changes in between are one commit, written when end_one() says so. Where that fails the store
    // has failed, and what is shown of them is never on the disk.
    void begin_one() { rows_.begin_one(); }
    core::Status end_one() { return rows_.end_one(); }

    // Any thread. Never null.
    RegistrySnapshotRef snapshot() const;
    // Any thread: the version of the newest snapshot, to see cheaply whether it has changed.
    std::uint64_t version() const {
        return version_.load(std::memory_order_acquire);
    }  // pairs with publish()

    // The owner's calls from here on.
    template <typename T>
    DocumentTable<T>& table();
    template <typename T>
    const DocumentTable<T>& table() const;

    // Null: it has no document.
    TenantRef document_of(core::TenantId tenant) const;
    const identity::Quotas& quota_defaults() const { return quota_defaults_; }
    // What its document says, over the settings.
    identity::Quotas quotas_of(core::TenantId tenant) const override;

    // Short ways to what is asked for most. `body` is the JSON text of the request.
    core::Result<ScriptRef> create_script(core::TenantId tenant, std::string_view body);
    core::Result<ScriptRef> update_script(core::TenantId tenant, std::string_view id,
                                          std::string_view body);
    core::Result<ScriptRef> remove_script(core::TenantId tenant, std::string_view id);
    ScriptRef find_script(core::TenantId tenant, std::string_view id) const {
        return scripts_.find(tenant, id);
    }
    std::span<const ScriptRef> script_versions(core::TenantId tenant, std::string_view id) const {
        return scripts_.versions(tenant, id);
    }

    core::Result<SubscriptionRef> create_subscription(core::TenantId tenant, std::string_view body,
                                                      LogEnds ends);
    core::Result<SubscriptionRef> patch_subscription(core::TenantId tenant, std::string_view id,
                                                     std::string_view patch, const LogEnds& ends);
    core::Result<SubscriptionRef> remove_subscription(core::TenantId tenant, std::string_view id);
    SubscriptionRef find_subscription(core::TenantId tenant, std::string_view id) const {
        return subscriptions_.find(tenant, id);
    }
    // In the order of ids, those behind `after` ("" = from the first); stops when visit says false.
    void list_subscriptions(core::TenantId tenant, std::string_view after,
                            const std::function<bool(const SubscriptionRef&)>& visit) const {
        subscriptions_.list(tenant, after, visit);
    }

private:
    Registry(RegistryRows& rows, const core::Clock& clock, core::Random& random, Options options);
    core::Status load();
    void tell_set_aside(RegistrySnapshot& snapshot) const;
    core::Status check_route(const Endpoint& endpoint) const;
    core::Status check_script_share(const Subscription& subscription) const;
    core::Status check_is_sink(const Subscription& subscription) const;

    // DocumentHost
    RegistryRows& rows() override { return rows_; }
    const core::Clock& clock() const override { return clock_; }
    core::Random& random() override { return random_; }
    std::string_view actor() const override { return actor_; }
    std::string_view actor_members() const override { return actor_members_; }
    std::uint32_t number_of(std::string_view kind, core::TenantId tenant,
                            std::string_view id) const override;
    void users_of(std::string_view kind, std::uint32_t number,
                  const VisitUser& visit) const override;
    void publish(const RegistryChange& change) override;
    std::uint32_t next_number(std::uint32_t from) const override {
        return from + (number_at_ + number_step_ - from % number_step_) % number_step_;
    }
    void set_aside(std::string_view kind, std::string_view row_id, const core::Error& why) override;

    RegistryRows& rows_;
    const core::Clock& clock_;
    core::Random& random_;
    const identity::Quotas quota_defaults_;
    const std::uint32_t number_step_;
    const std::uint32_t number_at_;  // less than number_step_
    std::string actor_ = "millrace";
    std::string actor_members_;
#define X(Type, table) DocumentTable<Type> table##_;
    MILLRACE_DOCUMENT_KINDS(X)
#undef X

    mutable std::mutex snapshot_mutex_;  // held for a pointer copy only
    RegistrySnapshotRef snapshot_;
    std::atomic<std::uint64_t> version_{0};
};

#define X(Type, name)                                                 \
    template <>                                                       \
    inline DocumentTable<Type>& Registry::table<Type>() {             \
        return name##_;                                               \
    }                                                                 \
    template <>                                                       \
    inline const DocumentTable<Type>& Registry::table<Type>() const { \
        return name##_;                                               \
    }
MILLRACE_DOCUMENT_KINDS(X)
#undef X

}  // namespace millrace::runtime
