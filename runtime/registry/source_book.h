// What: sources by the id that stands in a webhook's URL, over all tenants, with the last
//       deliveries of each: senders have no key that would say whose they are; the signature does.
// Threads: any; a lock is held for a look-up.
// Lifetime: entries are shared and stay usable when the source is gone.
// Limits: kSourcesMax a tenant. Failure: none.
#pragma once

#include "runtime/inbound/delivery_ring.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/registry_snapshot.h"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class SourceBook {
public:
    struct Entry {
        SourceRef source;
        std::shared_ptr<inbound::DeliveryRing> ring;
    };

    // Before anybody else calls.
    void load(const NumberedTable<Source>& sources);
    void load(const NumberedTable<Tenant>& tenants);
    // Of `default`, as long as it has no document.
    void use_default_holder(std::shared_ptr<identity::TenantHolder> holder);
    void follow(const DocumentChange<Source>& change);
    void follow(const DocumentChange<Tenant>& change);

    // Those of all tenants, or of one; none of those that are suspended.
    std::vector<Entry> find(std::string_view id, std::optional<core::TenantId> tenant) const;

    // What a tenant's senders spend is the tenant's. Null: nothing bounds it.
    std::shared_ptr<identity::TenantHolder> holder_of(core::TenantId tenant) const;

private:
    mutable std::mutex mutex_;
    std::map<std::string, std::vector<Entry>, std::less<>> by_id_;
    std::set<std::uint32_t> suspended_;
    std::map<std::uint32_t, std::shared_ptr<identity::TenantHolder>> holders_;
};

}  // namespace millrace::runtime
