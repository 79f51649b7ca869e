// What: the schemas that are in force, by pattern, for those who take events in, with the last
//       events that did not fit each.
// Threads: any. A set is immutable; version() says cheaply whether there is a newer one.
// Lifetime: sets are shared.
// Limits: kSchemasMax a tenant; kViolationsKept of each. Failure: none.
#pragma once

#include "matcher/filter/wildcard.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/registry_snapshot.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {

inline constexpr std::size_t kViolationsKept = 100;

struct SchemaViolation {
    std::uint64_t number = 0;
    std::int64_t at_us = 0;
    std::string_view outcome;  // a constant: warned, rejected, dead-lettered
    std::string event_id;
    std::string pattern;
    std::string errors;  // JSON array
};

class ViolationRing {
public:
    void add(SchemaViolation violation);
    // The newest first, those before `before` (0: all).
    std::vector<SchemaViolation> list(std::uint64_t before, std::size_t limit) const;

private:
    mutable std::mutex mutex_;
    std::deque<SchemaViolation> kept_;
    std::uint64_t count_ = 0;
};

class SchemaSet {
public:
    struct Entry {
        EventSchemaRef schema;
        std::shared_ptr<ViolationRing> ring;
    };
    void add(const Entry& entry);

    // Those that an event of this pattern must fit.
    template <typename Visit>
    void for_each(core::TenantId tenant, std::string_view pattern, Visit&& visit) const {
        const auto of = tenants_.find(tenant.value);
        if (of == tenants_.end()) return;
        if (const auto exact = of->second.exact.find(pattern); exact != of->second.exact.end()) {
            for (const Entry& entry : exact->second) visit(entry);
        }
        for (const auto& [wildcard, entry] : of->second.wild) {
            if (wildcard.matches(pattern)) visit(entry);
        }
    }

    // Whether one of them refuses what does not fit.
    bool rejects(core::TenantId tenant, std::string_view pattern) const {
        bool found = false;
        for_each(tenant, pattern, [&found](const Entry& entry) {
            found |= entry.schema->mode == SchemaMode::kReject;
        });
        return found;
    }

private:
    struct OfTenant {
        std::map<std::string, std::vector<Entry>, std::less<>> exact;
        std::vector<std::pair<matcher::Wildcard, Entry>> wild;
    };
    std::map<std::uint32_t, OfTenant> tenants_;
};

class SchemaBook {
public:
    // Before anybody else calls.
    void load(const NumberedTable<EventSchema>& schemas);
    void follow(const DocumentChange<EventSchema>& change);

    std::uint64_t version() const {
        return version_.load(std::memory_order_acquire);  // pairs with publish()
    }
    // Null: none is in force.
    std::shared_ptr<const SchemaSet> current() const;
    std::shared_ptr<const ViolationRing> violations(SchemaNumber number) const;

private:
    void put(const DocumentChange<EventSchema>& change);
    void publish();

    mutable std::mutex mutex_;
    std::map<std::uint32_t, SchemaSet::Entry> entries_;
    std::shared_ptr<const SchemaSet> current_;
    std::atomic<std::uint64_t> version_{0};
};

}  // namespace millrace::runtime
