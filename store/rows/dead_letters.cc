#include "store/rows/dead_letters.h"

#include "store/engine.h"
#include "store/rows/keys.h"
#include "store/rows/page_cursor.h"
#include "store/rows/partition_scan.h"
#include "store/rows/row_codec.h"

#include <algorithm>

namespace millrace::store {
namespace {

bool wanted(const DeadLetterQuery& query, const DeadLetter& row) {
    if (query.tenant && row.key.tenant != *query.tenant) return false;
    if (!query.subscription_id.empty() && row.subscription_id != query.subscription_id)
        return false;
    if (!query.script_id.empty() && row.script_id != query.script_id) return false;
    if (!query.pattern.empty() && row.pattern != query.pattern) return false;
    if (row.key.created_at_us < query.from_us || row.key.created_at_us >= query.to_us) return false;
    return !query.accept || query.accept(row);
}

}  // namespace

core::Result<DeadLetters::Page> DeadLetters::list(const DeadLetterQuery& query) {
    std::string from;
    if (!query.cursor.empty() && !decode_cursor_key(query.cursor, from)) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "cursor is not one that this list gave")
                .in("cursor"));
    }
    PartitionScan rows(engine_, ColumnFamily::kDlq, PartitionScan::Order::kBackward);
    if (!rows.seek_place(from)) {
        // Newest first: from the end of the tenant's rows (of its time range) backwards.
        DeadLetterKey last;
        last.tenant = query.tenant.value_or(core::TenantId{~std::uint32_t{0}});
        last.created_at_us = query.tenant ? query.to_us : std::numeric_limits<std::int64_t>::max();
        rows.seek(std::string(without_partition(dead_letter_key(last))) + '\xff');
    }
    Page page;
    for (; rows.valid(); rows.next()) {
        DeadLetter row;
        if (!decode_dead_letter(rows.key(), rows.value(), row)) {
            engine_.quarantine.set_aside(ColumnFamily::kDlq, rows.key(), "it does not read");
            continue;
        }
        if (query.tenant &&
            (row.key.tenant < *query.tenant || row.key.created_at_us < query.from_us))
            break;
        if (!wanted(query, row)) continue;
        if (page.rows.size() == query.limit) {
            page.next = encode_cursor_key(rows.place());
            break;
        }
        OwnedDeadLetter& owned = page.rows.emplace_back();
        const std::string_view value = rows.value();
        owned.bytes.assign(value.begin(), value.end());
        decode_dead_letter(rows.key(), {owned.bytes.data(), owned.bytes.size()}, owned.row);
    }
    if (auto status = rows.status("read dead letters"); !status)
        return core::fail(std::move(status.error()));
    return page;
}

std::string DeadLetters::cursor_at(const DeadLetterKey& key) {
    return encode_cursor_key(PartitionScan::place_of(dead_letter_key(key)));
}

core::Result<std::optional<OwnedDeadLetter>> DeadLetters::get(const DeadLetterKey& key) {
    rocksdb::PinnableSlice value;
    const std::string bytes = dead_letter_key(key);
    auto there = engine_.get(ColumnFamily::kDlq, bytes, value);
    if (!there) return core::fail(std::move(there.error()));
    if (!*there) return std::nullopt;
    std::optional<OwnedDeadLetter> out(std::in_place);
    out->bytes.assign(value.data(), value.data() + value.size());
    if (!decode_dead_letter(bytes, {out->bytes.data(), out->bytes.size()}, out->row)) {
        engine_.quarantine.set_aside(ColumnFamily::kDlq, bytes, "it does not read");
        return std::nullopt;
    }
    return out;
}

std::uint64_t DeadLetters::count() const {
    return static_cast<std::uint64_t>(
        std::max<std::int64_t>(0, engine_.dead_letter_count.load(std::memory_order_relaxed)));
}

}  // namespace millrace::store
