// What: what the registry knows of keys and tenants, made into the table that every shard asks; and
//       the other way, when a key was used last.
// Threads: the conductor's, and before the threads start.
// Lifetime: borrows registry, database, ring and clock.
// Limits: when keys were used is written every kWriteUs, in one commit of at most kWritesMax rows.
// Failure: of start() an Error; what can not be written later is a warning, and tried again.
#pragma once

#include "core/clock.h"
#include "core/log.h"
#include "core/result.h"
#include "runtime/identity/key_table.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/registry/registry.h"
#include "store/database.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace millrace::runtime {

class KeyDirectory {
public:
    struct Deps {
        const core::Clock* clock = nullptr;
        core::Log* log = nullptr;
        store::Database* database = nullptr;
        Registry* registry = nullptr;
        identity::KeyRing* ring = nullptr;
        identity::TrustedFront* front = nullptr;  // null: no cluster's
    };
    explicit KeyDirectory(Deps deps) : deps_(deps) {}

    core::Status start();
    void follow(const RegistryChange& change);
    // A chore, and the last thing before the store is closed: keeps when keys were used.
    enum class When : std::uint8_t { kInTime, kNow };
    std::size_t write_uses(When when = When::kInTime);
    std::shared_ptr<identity::TenantHolder> holder_of(core::TenantId tenant) const;

private:
    static constexpr std::int64_t kWriteUs = 10'000'000;
    static constexpr std::size_t kWritesMax = 10'000;

    void follow_key(const DocumentChange<ApiKey>& change);
    void follow_tenant(const DocumentChange<Tenant>& change);
    void settle_tenant(const Tenant& tenant);
    void tell_front() const;
    using KeyEntries = std::vector<identity::KeyTable::Entry>;
    // All that lead to this key.
    void append_entries(KeyEntries& out, const ApiKey& key) const;
    void put(identity::KeyTable& table, const ApiKey& key) const;
    static void erase(identity::KeyTable& table, const ApiKey& key);
    void publish(std::shared_ptr<identity::KeyTable> next);
    core::Status restore_uses();

    const Deps deps_;
    std::shared_ptr<const identity::KeyTable> table_ = std::make_shared<identity::KeyTable>();
    // Of `default`, as long as it has no document.
    std::shared_ptr<identity::TenantHolder> default_holder_ =
        std::make_shared<identity::TenantHolder>();
    std::int64_t written_us_ = 0;
};

}  // namespace millrace::runtime
