#include "runtime/registry/registry_rows.h"

#include "core/fault.h"
#include "store/database.h"
#include "store/rows/registry_store.h"
#include "store/rows/row_batch.h"

#include <optional>
#include <utility>

namespace millrace::runtime {
namespace {
// One row of its own: its version is the number of commits.
constexpr std::string_view kRevisionKind = "registry_revision";
}  // namespace

core::Status RegistryRows::each(std::string_view kind, const VisitRow& visit) {
    const auto rows = load_all(kind);
    if (!rows) return core::fail(rows.error());
    for (const RegistryRow& row : *rows) visit(row);
    return {};
}

StoreRegistryRows::StoreRegistryRows(store::Database& database, SetAside& aside)
    : database_(database), aside_(aside), chain_(database) {
    // One that does not read is set aside like any row: a revision that begins again harms nobody.
    if (const auto row = database_.registry().get(kRevisionKind, {}); row && *row)
        revision_ = (*row)->version;
}

core::Result<std::vector<RegistryRow>> StoreRegistryRows::load_all(std::string_view kind) {
    auto documents = database_.registry().load_all(kind);
    if (!documents) return core::fail(std::move(documents.error()));
    std::vector<RegistryRow> rows;
    rows.reserve(documents->size());
    for (store::RegistryDocument& document : *documents) {
        rows.push_back({std::string(kind), std::move(document.id), document.version,
                        document.updated_at_us, std::move(document.json)});
    }
    return rows;
}

core::Status StoreRegistryRows::each(std::string_view kind, const VisitRow& visit) {
    RegistryRow row;
    row.kind = kind;
    return database_.registry().each(kind, [&](const store::RegistryDocumentView& document) {
        row.id.assign(document.id);
        row.version = document.version;
        row.updated_at_us = document.updated_at_us;
        row.json.assign(document.json);
        visit(row);
    });
}

core::Status StoreRegistryRows::commit(std::span<const RegistryRow> puts,
                                       std::span<const RegistryRowName> erases, std::int64_t at_us,
                                       core::TenantId tenant, std::string_view audit) {
    store::RowBatch batch;
    for (const RegistryRow& row : puts)
        batch.put_registry(row.kind, row.id, row.version, row.updated_at_us, row.json);
    for (const RegistryRowName& name : erases) batch.erase_registry(name.kind, name.id);
    std::optional<AuditChain::Link> link;
    if (!audit.empty()) {
        auto next = chain_.link(tenant, at_us, audit);
        if (!next) return core::fail(std::move(next.error()));
        link = std::move(*next);
        batch.put_audit(link->head.at_us, tenant, link->row);
        batch.put_registry(kAuditHeadKind, std::to_string(tenant.value), link->head.number,
                           link->head.at_us, audit_head_document(link->head));
    }
    batch.put_registry(kRevisionKind, {}, revision_ + 1, at_us, "{}");
    if (one_) {
        one_->append(batch);
    } else if (auto written = write(batch); !written) {
        return written;
    }
    ++revision_;
    if (link) chain_.took(*link);
    return {};
}

core::Status StoreRegistryRows::write(const store::RowBatch& batch) {
    auto written =
        database_.write_now(batch, many_ ? store::Durability::kOs : store::Durability::kFsync);
    if (written) core::pass_fault_point(core::FaultPoint::kDocumentsWritten);
    return written;
}

void StoreRegistryRows::begin_one() {
    one_.emplace();
    revision_before_ = revision_;
}

core::Status StoreRegistryRows::end_one() {
    const store::RowBatch batch = std::move(*std::exchange(one_, std::nullopt));
    if (batch.empty()) return {};
    auto written = write(batch);
    if (!written) {
        revision_ = revision_before_;
        chain_.forget();
    }
    return written;
}

// One sync covers all that was written before it.
core::Status StoreRegistryRows::end_many() {
    many_ = false;
    store::RowBatch batch;
    batch.put_registry(kRevisionKind, {}, revision_, 0, "{}");
    return database_.write_now(batch);
}

}  // namespace millrace::runtime
