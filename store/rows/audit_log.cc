#include "store/rows/audit_log.h"

#include "store/engine.h"
#include "store/rows/keys.h"
#include "store/rows/page_cursor.h"
#include "store/rows/row_codec.h"

namespace millrace::store {

core::Result<AuditLog::Page> AuditLog::list(const Query& query) {
    std::string from;
    if (!query.cursor.empty() && !decode_cursor_key(query.cursor, from)) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "cursor is not one that this list gave")
                .in("cursor"));
    }
    const auto rows = engine_.iterate(ColumnFamily::kAudit);
    if (from.empty()) put_be(from, query.to_us);
    rows->SeekForPrev(from);
    Page page;
    for (; rows->Valid(); rows->Prev()) {
        AuditRow row;
        if (!decode_audit(view(rows->value()), row)) {
            engine_.quarantine.set_aside(ColumnFamily::kAudit, view(rows->key()),
                                         "its value does not read");
            continue;
        }
        KeyReader reader(view(rows->key()));
        const std::int64_t at_us = reader.be<std::int64_t>();
        if (at_us < query.from_us) break;
        if (query.tenant && row.tenant != *query.tenant) continue;
        AuditEntry entry{at_us, row.tenant, std::string(row.json)};
        if (query.accept && !query.accept(entry)) continue;
        if (page.entries.size() == query.limit) {
            page.next = encode_cursor_key(view(rows->key()));
            break;
        }
        page.entries.push_back(std::move(entry));
    }
    if (!rows->status().ok()) return core::fail(rocks_error("read audit log", rows->status()));
    return page;
}

core::Result<std::vector<AuditLog::Old>> AuditLog::before(std::int64_t to_us, std::size_t limit) {
    std::vector<Old> out;
    const auto rows = engine_.iterate(ColumnFamily::kAudit);
    for (rows->SeekToFirst(); rows->Valid() && out.size() < limit; rows->Next()) {
        KeyReader reader(view(rows->key()));
        const std::int64_t at_us = reader.be<std::int64_t>();
        if (at_us >= to_us) break;
        AuditRow row;
        // What does not read stays: list() tells of it.
        if (!decode_audit(view(rows->value()), row)) continue;
        out.push_back({std::string(view(rows->key())), {at_us, row.tenant, std::string(row.json)}});
    }
    if (!rows->status().ok()) return core::fail(rocks_error("read audit log", rows->status()));
    return out;
}

}  // namespace millrace::store
