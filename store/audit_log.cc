#include "store/audit_log.h"

#include "store/engine.h"
#include "store/keys.h"
#include "store/page_cursor.h"
#include "store/row_codec.h"

namespace millrace::store {

core::Result<AuditLog::Page> AuditLog::list(std::optional<core::TenantId> tenant,
                                            std::string_view cursor, std::size_t limit) {
    std::string from;
    if (!cursor.empty() && !decode_cursor_key(cursor, from)) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "cursor is not one that this list gave")
                .in("cursor"));
    }
    const auto rows = engine_.iterate(ColumnFamily::kAudit);
    if (from.empty()) {
        rows->SeekToLast();
    } else {
        rows->SeekForPrev(from);
    }
    Page page;
    for (; rows->Valid(); rows->Prev()) {
        AuditRow row;
        if (!decode_audit(view(rows->value()), row)) {
            return core::fail(core::ErrorCode::kInternal,
                              "store: read audit entry failed: its row is damaged");
        }
        if (tenant && row.tenant != *tenant) continue;
        if (page.entries.size() == limit) {
            page.next = encode_cursor_key(view(rows->key()));
            break;
        }
        KeyReader reader(view(rows->key()));
        page.entries.push_back({reader.be<std::int64_t>(), row.tenant, std::string(row.json)});
    }
    if (!rows->status().ok()) return core::fail(rocks_error("read audit log", rows->status()));
    return page;
}

}  // namespace millrace::store
