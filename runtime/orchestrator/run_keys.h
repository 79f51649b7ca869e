// What: the keys of tenants, which wrap the keys that journals of runs are sealed with. A run has a
//       key of its own, made for it and never used elsewhere; it stands in the run's head, wrapped.
//       What wraps it is made of the tenant's key for this run alone, so that the tenant's key is
//       never used up. A rotation makes a new version, which wraps from then on; older ones open
//       what they have wrapped until nothing is wrapped with them any more (run_upkeep.h).
// Nonces: each sealing draws 96 random bits. A counter would be the entry's number, and a number is
//       written twice with two contents when a process dies before its commit is durable: the one
//       mistake that AES-GCM does not forgive. With a key a run, and at most some ten thousands of
//       entries under it, two draws are alike once in 10^20 runs.
// Threads: make(), unwrap() and wrap_anew() any; the others the registry's owner.
// Lifetime: borrows the rows. Limits: none of its own.
// Failure: what does not open is an Error that says which version wrapped it. A key that does not
//       open itself is set aside, and its row never written over.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "runtime/orchestrator/run_rows.h"
#include "runtime/registry/registry_rows.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {

class RunKeys {
public:
    // Null rows: nothing is sealed (the simulator, which has no folder).
    explicit RunKeys(RegistryRows* rows) : rows_(rows) {}
    core::Status load();
    // There is one of this tenant, made durable if it is new.
    core::Status ensure(core::TenantId tenant, std::int64_t now_us);
    // The new version, durable. `audit`: its line in the audit log, in the same commit.
    core::Result<std::uint32_t> rotate(core::TenantId tenant, std::int64_t now_us,
                                       std::string_view audit);
    // Nothing is wrapped with versions below this one any more.
    core::Status drop_below(core::TenantId tenant, std::uint32_t version, std::int64_t now_us);

    struct Version {
        std::uint32_t number = 0;
        std::int64_t created_at_us = 0;
    };
    std::vector<Version> versions(core::TenantId tenant) const;
    // The tenants that have more than one.
    std::vector<core::TenantId> rotating() const;
    // 0: it has none.
    std::uint32_t newest(core::TenantId tenant) const;
    // Nothing of it could be sealed: no run may begin.
    bool is_missing(core::TenantId tenant) const { return rows_ && newest(tenant) == 0; }

    // A key for a run, and the same wrapped. Both empty: nothing is sealed.
    std::pair<std::string, std::string> make(const RunName& run, std::string_view workflow) const;
    core::Result<std::string> unwrap(const RunHead& head) const;
    // The run's key wrapped by the newest version; nothing: it is.
    core::Result<std::optional<std::string>> wrap_anew(const RunHead& head) const;

    // Which version wrapped it; 0: none.
    static std::uint32_t version_of(std::string_view wrapped);

private:
    struct Key {
        std::string bytes;
        std::int64_t created_at_us = 0;
    };
    core::Status add(core::TenantId tenant, std::uint32_t version, std::int64_t now_us,
                     std::string_view audit);

    std::uint32_t next_version(core::TenantId tenant) const;

    RegistryRows* const rows_;
    std::map<std::uint32_t, std::uint32_t> set_aside_;  // by tenant, the last of its versions
    mutable std::mutex mutex_;
    std::map<std::uint32_t, std::map<std::uint32_t, Key>> keys_;  // tenant, version
};

}  // namespace millrace::runtime
