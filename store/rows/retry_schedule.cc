#include "store/rows/retry_schedule.h"

#include "store/engine.h"
#include "store/rows/keys.h"
#include "store/rows/page_cursor.h"
#include "store/rows/row_codec.h"

#include <algorithm>

namespace millrace::store {
namespace {

// False: it was set aside.
bool reads(Engine& engine, const rocksdb::Iterator& rows, std::string_view value, RetryRow& out) {
    if (decode_retry(view(rows.key()), value, out)) return true;
    engine.quarantine.set_aside(ColumnFamily::kRetry, view(rows.key()), "it does not read");
    return false;
}

// The key alone. False: it was set aside.
bool key_reads(Engine& engine, const rocksdb::Iterator& rows, RetryRow& out) {
    if (decode_retry_key(view(rows.key()), out)) return true;
    engine.quarantine.set_aside(ColumnFamily::kRetry, view(rows.key()), "its key does not read");
    return false;
}

core::Status end_of(const rocksdb::Iterator& rows) {
    return rows.status().ok() ? core::Status{}
                              : core::fail(rocks_error("read retries", rows.status()));
}

// The earliest key that a row due at this time may have.
std::string due_key(std::int64_t due_at_us) {
    std::string key;
    put_be(key, due_at_us);
    return key;
}

}  // namespace

core::Status RetrySchedule::visit_due(std::int64_t now_us,
                                      const std::function<bool(const RetryRow&)>& visit) {
    const ScanFloor::Scan scan = floor_.begin();
    const auto rows = engine_.iterate(ColumnFamily::kRetry);
    rows->Seek(due_key(scan.from));
    std::int64_t live = scan.from;
    if (rows->Valid()) live = std::min(KeyReader(view(rows->key())).be<std::int64_t>(), now_us);
    floor_.end(scan, live);
    for (; rows->Valid(); rows->Next()) {
        RetryRow row;
        if (!reads(engine_, *rows, view(rows->value()), row)) continue;
        if (row.due_at_us > now_us || row.due_at_us >= kHeldDueUs || !visit(row)) break;
    }
    return end_of(*rows);
}

core::Result<std::int64_t> RetrySchedule::next_due_us() {
    const auto rows = engine_.iterate(ColumnFamily::kRetry);
    rows->Seek(due_key(floor_.get()));
    if (!rows->status().ok()) return core::fail(rocks_error("read retries", rows->status()));
    if (!rows->Valid()) return kParkedDueUs;
    const auto due_us = KeyReader(view(rows->key())).be<std::int64_t>();
    return due_us < kHeldDueUs ? due_us : kParkedDueUs;
}

core::Status RetrySchedule::visit_held(core::SubscriptionId subscription,
                                       const std::function<bool(const RetryRow&)>& visit) {
    const std::string prefix = held_prefix(subscription);
    const auto rows = engine_.iterate(ColumnFamily::kRetry);
    for (rows->Seek(prefix); rows->Valid() && view(rows->key()).starts_with(prefix); rows->Next()) {
        RetryRow row;
        if (!reads(engine_, *rows, view(rows->value()), row)) continue;
        if (!visit(row)) break;
    }
    return end_of(*rows);
}

core::Status RetrySchedule::visit_held_subscriptions(
    const std::function<void(core::SubscriptionId)>& visit) {
    const auto rows = engine_.iterate(ColumnFamily::kRetry);
    rows->Seek(due_key(kHeldDueUs));
    while (rows->Valid()) {
        RetryRow row;
        if (!key_reads(engine_, *rows, row)) {
            rows->Next();
            continue;
        }
        if (!row.held()) break;
        visit(row.delivery.subscription);
        rows->Seek(held_prefix(core::SubscriptionId{row.delivery.subscription.value + 1}));
    }
    return end_of(*rows);
}

core::Status RetrySchedule::visit_all(const std::function<bool(const RetryRow&)>& visit) {
    const auto rows = engine_.iterate(ColumnFamily::kRetry);
    for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
        RetryRow row;
        if (reads(engine_, *rows, view(rows->value()), row) && !visit(row)) break;
    }
    return end_of(*rows);
}

core::Result<bool> RetrySchedule::visit_parked(core::SubscriptionId subscription,
                                               std::uint32_t key_hash, core::LogPosition from,
                                               const std::function<bool(const RetryRow&)>& visit) {
    const auto rows = engine_.iterate(ColumnFamily::kRetry);
    rows->Seek(parked_key(key_hash, {from, subscription}));
    for (; rows->Valid(); rows->Next()) {
        RetryRow row;
        if (!reads(engine_, *rows, view(rows->value()), row)) continue;
        if (row.delivery.subscription != subscription || row.key_hash != key_hash) break;
        if (!visit(row)) return false;
    }
    if (!rows->status().ok()) return core::fail(rocks_error("read retries", rows->status()));
    return true;
}

core::Status RetrySchedule::visit_parked_keys(
    const std::function<void(core::SubscriptionId, std::uint32_t key_hash)>& visit) {
    const auto rows = engine_.iterate(ColumnFamily::kRetry);
    rows->Seek(due_key(kParkedDueUs));
    while (rows->Valid()) {
        RetryRow row;
        // The key alone counts here: behind a row that does not read others of its key wait.
        if (!key_reads(engine_, *rows, row)) {
            rows->Next();
            continue;
        }
        visit(row.delivery.subscription, row.key_hash);
        std::string last = parked_prefix(row.delivery.subscription, row.key_hash);
        last.append(sizeof(std::uint16_t) + sizeof(std::uint64_t) + 1, '\xff');
        rows->Seek(last);
    }
    return end_of(*rows);
}

core::Result<RetrySchedule::Page> RetrySchedule::list(
    std::string_view cursor, std::size_t limit,
    const std::function<bool(const RetryRow&)>& accept) {
    std::string from;
    if (!cursor.empty() && !decode_cursor_key(cursor, from)) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "cursor is not one that this list gave")
                .in("cursor"));
    }
    Page page;
    const auto rows = engine_.iterate(ColumnFamily::kRetry);
    for (rows->Seek(from); rows->Valid(); rows->Next()) {
        OwnedRetry owned;
        const std::string_view value = view(rows->value());
        owned.bytes.assign(value.begin(), value.end());
        if (!reads(engine_, *rows, {owned.bytes.data(), owned.bytes.size()}, owned.row)) continue;
        if (accept && !accept(owned.row)) continue;
        if (page.rows.size() == limit) {
            page.next = encode_cursor_key(view(rows->key()));
            break;
        }
        page.rows.push_back(std::move(owned));
    }
    if (!rows->status().ok()) return core::fail(rocks_error("read retries", rows->status()));
    return page;
}

std::uint64_t RetrySchedule::count() const {
    return static_cast<std::uint64_t>(
        std::max<std::int64_t>(0, engine_.retry_count.load(std::memory_order_relaxed)));
}

}  // namespace millrace::store
