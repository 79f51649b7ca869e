// What: where the registry keeps its documents, as it needs it: load all of a kind, change a few
//       rows atomically and durably. Production is a store::Database, a test keeps a map.
// Threads: the registry's owner. Lifetime: outlives the registry; StoreRegistryRows borrows.
// Limits: none of its own. Failure: Errors of the store; after one nothing was changed.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "runtime/registry/audit_chain.h"
#include "runtime/registry/set_aside.h"
#include "store/rows/row_batch.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::store {
class Database;
}

namespace millrace::runtime {

struct RegistryRow {
    std::string kind;
    std::string id;
    std::uint64_t version = 0;
    std::int64_t updated_at_us = 0;
    std::string json;
};

struct RegistryRowName {
    std::string kind;
    std::string id;
};

class RegistryRows {
public:
    virtual ~RegistryRows() = default;
    // In the order of ids.
    virtual core::Result<std::vector<RegistryRow>> load_all(std::string_view kind) = 0;
    // The same one by one, without holding all of them. `visit` changes nothing here.
    using VisitRow = std::function<void(const RegistryRow&)>;
    virtual core::Status each(std::string_view kind, const VisitRow& visit);
    // All or nothing, durable on return. `audit` is one JSON object for the audit log.
    virtual core::Status commit(std::span<const RegistryRow> puts,
                                std::span<const RegistryRowName> erases, std::int64_t at_us,
                                core::TenantId tenant, std::string_view audit) = 0;
    // From begin_many() on commits are written to the system, in their order; end_many() syncs them
    // all. Where that fails nobody knows what of them is durable.
    virtual void begin_many() {}
    virtual core::Status end_many() { return {}; }
    // From begin_one() on commits are gathered; end_one() makes one of them. Where that fails none
    // of them is there.
    virtual void begin_one() {}
    virtual core::Status end_one() { return {}; }
    // How many commits there have been, over all openings of the folder.
    virtual std::uint64_t revision() const { return 0; }
    // A row that is kept and can not be read: whoever looks after the folder is told.
    virtual void set_aside(std::string_view kind, std::string_view id, const core::Error& why) = 0;
};

class StoreRegistryRows final : public RegistryRows {
public:
    StoreRegistryRows(store::Database& database, SetAside& aside);
    core::Result<std::vector<RegistryRow>> load_all(std::string_view kind) override;
    core::Status each(std::string_view kind, const VisitRow& visit) override;
    core::Status commit(std::span<const RegistryRow> puts, std::span<const RegistryRowName> erases,
                        std::int64_t at_us, core::TenantId tenant, std::string_view audit) override;
    void begin_many() override { many_ = true; }
    core::Status end_many() override;
    void begin_one() override;
    core::Status end_one() override;
    std::uint64_t revision() const override { return revision_; }
    void set_aside(std::string_view kind, std::string_view id, const core::Error& why) override {
        aside_.add(kind, id, why);
    }

private:
    core::Status write(const store::RowBatch& batch);

    store::Database& database_;
    SetAside& aside_;
    std::uint64_t revision_ = 0;
    bool many_ = false;
    std::optional<store::RowBatch> one_;  // what has been gathered since begin_one()
    std::uint64_t revision_before_ = 0;   // it
    AuditChain chain_;
};

}  // namespace millrace::runtime
