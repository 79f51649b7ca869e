#include "store/rows/retry_schedule.h"

#include "store/engine.h"
#include "store/rows/keys.h"
#include "store/rows/page_cursor.h"
#include "store/rows/partition_scan.h"
#include "store/rows/row_codec.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

namespace millrace::store {
namespace {

// False: it was set aside.
bool reads(Engine& engine, std::string_view key, std::string_view value, RetryRow& out) {
    if (decode_retry(key, value, out)) return true;
    engine.quarantine.set_aside(ColumnFamily::kRetry, key, "it does not read");
    return false;
}

// The key alone. False: it was set aside.
bool key_reads(Engine& engine, std::string_view key, RetryRow& out) {
    if (decode_retry_key(key, out)) return true;
    engine.quarantine.set_aside(ColumnFamily::kRetry, key, "its key does not read");
    return false;
}

// Due times are what stands behind the partition.
std::string rest_from(std::int64_t due_at_us) {
    std::string rest;
    put_be(rest, due_at_us);
    return rest;
}

}  // namespace

core::Status RetrySchedule::visit_due(std::int64_t now_us,
                                      const std::function<DueVisit(const RetryRow&)>& visit) {
    std::vector<core::TenantId> tenants;
    std::vector<std::pair<core::TenantId, DueKey>> left;
    rocksdb::PinnableSlice value;
    core::Status status;
    bool stopped = false;
    std::size_t looks = 0;
    // True: the tenant may have another one.
    const auto turn = [&](core::TenantId tenant) {
        auto key = engine_.due_turns.take(tenant, now_us);
        if (!key) {
            status = read_more(tenant, now_us);
            key = engine_.due_turns.take(tenant, now_us);
        }
        if (!key) return false;
        const std::string name = retry_key(key->due_at_us, tenant, key->delivery());
        const auto there = engine_.get(ColumnFamily::kRetry, name, value);
        if (!there) {
            status = core::fail(there.error());
            left.emplace_back(tenant, *key);
            return false;
        }
        RetryRow row;
        if (!*there || !reads(engine_, name, view(value), row)) return true;
        const DueVisit said = visit(row);
        if (said == DueVisit::kTaken)
            engine_.due_turns.served(tenant);
        else if (said == DueVisit::kLater)
            look_later(row);
        else
            left.emplace_back(tenant, *key);
        stopped = said == DueVisit::kStop;
        return said != DueVisit::kStop && said != DueVisit::kTenantFull;
    };
    engine_.due_turns.bring_later(now_us, engine_.options.clock->monotonic_ns());
    engine_.due_turns.due(now_us, tenants);
    while (!tenants.empty() && !stopped && status && looks < kLooksMax) {
        std::erase_if(tenants, [&](core::TenantId tenant) {
            return stopped || !status || ++looks > kLooksMax || !turn(tenant);
        });
    }
    for (const auto& [tenant, key] : left) engine_.due_turns.put(tenant, key);
    return status;
}

// Past other tenants' rows: each is passed once by each tenant that has more than are known of it.
core::Status RetrySchedule::read_more(core::TenantId tenant, std::int64_t now_us) {
    const auto from = engine_.due_turns.begin_reading(tenant, now_us);
    if (!from) return {};
    PartitionScan rows(engine_, ColumnFamily::kRetry, PartitionScan::Order::kForward);
    rows.seek(without_partition(retry_key(from->due_at_us, tenant, from->delivery())));
    std::vector<DueKey> found;
    std::optional<DueKey> behind;
    for (std::size_t looks = 0; rows.valid(); rows.next(), ++looks) {
        RetryRow row;
        if (!key_reads(engine_, rows.key(), row)) continue;
        if (row.due_at_us >= kHeldDueUs) break;
        DueKey key = DueKey::of(row);
        if (looks >= kScanRows || found.size() == kScanKeys) {
            // Rows of one place, time and subscription stand by tenant, then by partition. Those of
            // this tenant have all been seen where the next one's is behind it.
            if (row.tenant != tenant)
                key.shard = row.tenant < tenant ? 0 : std::numeric_limits<std::uint16_t>::max();
            behind = key;
            break;
        }
        if (row.tenant == tenant && key >= *from) found.push_back(key);
    }
    auto status = rows.status("read retries");
    if (!status) {
        found.clear();
        behind = from;
    }
    engine_.due_turns.end_reading(tenant, found, behind);
    return status;
}

void RetrySchedule::look_again(const RetryRow& row) {
    engine_.due_turns.put(row.tenant, DueKey::of(row));
}

void RetrySchedule::look_later(const RetryRow& row, std::int64_t in_ns) {
    engine_.due_turns.put_later(row.tenant, DueKey::of(row),
                                engine_.options.clock->monotonic_ns() + in_ns);
}

std::int64_t RetrySchedule::next_due_us() { return engine_.due_turns.next_us(); }

core::Status RetrySchedule::visit_held(core::SubscriptionId subscription,
                                       const std::function<bool(const RetryRow&)>& visit) {
    const std::string any = held_prefix({}, subscription);
    const std::string_view prefix = without_partition(any);
    PartitionScan rows(engine_, ColumnFamily::kRetry, PartitionScan::Order::kForward);
    rows.seek(prefix);
    for (; rows.valid() && without_partition(rows.key()).starts_with(prefix); rows.next()) {
        RetryRow row;
        if (!reads(engine_, rows.key(), rows.value(), row)) continue;
        if (!visit(row)) break;
    }
    return rows.status("read retries");
}

core::Status RetrySchedule::visit_held_subscriptions(
    const std::function<void(core::SubscriptionId)>& visit) {
    PartitionScan rows(engine_, ColumnFamily::kRetry, PartitionScan::Order::kForward);
    rows.seek(rest_from(kHeldDueUs));
    while (rows.valid()) {
        RetryRow row;
        if (!key_reads(engine_, rows.key(), row)) {
            rows.next();
            continue;
        }
        if (!row.held()) break;
        visit(row.delivery.subscription);
        const core::SubscriptionId behind{row.delivery.subscription.value + 1};
        rows.skip_to(without_partition(held_prefix({}, behind)));
    }
    return rows.status("read retries");
}

core::Status RetrySchedule::visit_all(const std::function<bool(const RetryRow&)>& visit) {
    PartitionScan rows(engine_, ColumnFamily::kRetry, PartitionScan::Order::kForward);
    for (rows.seek({}); rows.valid(); rows.next()) {
        RetryRow row;
        if (reads(engine_, rows.key(), rows.value(), row) && !visit(row)) break;
    }
    return rows.status("read retries");
}

core::Result<bool> RetrySchedule::visit_parked(core::SubscriptionId subscription,
                                               std::uint32_t key_hash, core::LogPosition from,
                                               const std::function<bool(const RetryRow&)>& visit) {
    const auto rows = engine_.iterate(ColumnFamily::kRetry);
    // A key lives in one partition, but two keys of one hash may live in two.
    for (std::size_t i = from.shard.value; i < engine_.options.shards; ++i) {
        const core::ShardId partition{static_cast<std::uint16_t>(i)};
        const std::string prefix = parked_prefix(partition, subscription, key_hash);
        rows->Seek(partition == from.shard ? parked_from(key_hash, {from, subscription}) : prefix);
        for (; rows->Valid() && view(rows->key()).starts_with(prefix); rows->Next()) {
            RetryRow row;
            if (!reads(engine_, view(rows->key()), view(rows->value()), row)) continue;
            if (!visit(row)) return false;
        }
        if (!rows->status().ok()) return core::fail(rocks_error("read retries", rows->status()));
    }
    return true;
}

core::Status RetrySchedule::visit_parked_keys(
    const std::function<void(core::SubscriptionId, std::uint32_t key_hash)>& visit) {
    PartitionScan rows(engine_, ColumnFamily::kRetry, PartitionScan::Order::kForward);
    rows.seek(rest_from(kParkedDueUs));
    while (rows.valid()) {
        RetryRow row;
        // The key alone counts here: behind a row that does not read others of its key wait.
        if (!key_reads(engine_, rows.key(), row)) {
            rows.next();
            continue;
        }
        visit(row.delivery.subscription, row.key_hash);
        const std::string prefix = parked_prefix({}, row.delivery.subscription, row.key_hash);
        std::string behind(without_partition(prefix));
        behind.append(sizeof(std::uint64_t) + sizeof(std::uint32_t) + 1, '\xff');
        rows.skip_to(behind);
    }
    return rows.status("read retries");
}

core::Result<bool> RetrySchedule::has(const RetryRow& row) {
    rocksdb::PinnableSlice value;
    return engine_.get(ColumnFamily::kRetry, waiting_key(row), value);
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
    PartitionScan rows(engine_, ColumnFamily::kRetry, PartitionScan::Order::kForward);
    if (!rows.seek_place(from)) rows.seek({});
    for (; rows.valid(); rows.next()) {
        OwnedRetry owned;
        const std::string_view value = rows.value();
        owned.bytes.assign(value.begin(), value.end());
        if (!reads(engine_, rows.key(), {owned.bytes.data(), owned.bytes.size()}, owned.row))
            continue;
        if (accept && !accept(owned.row)) continue;
        if (page.rows.size() == limit) {
            page.next = encode_cursor_key(rows.place());
            break;
        }
        page.rows.push_back(std::move(owned));
    }
    if (auto status = rows.status("read retries"); !status)
        return core::fail(std::move(status.error()));
    return page;
}

std::string RetrySchedule::cursor_at(const RetryRow& row) {
    return encode_cursor_key(PartitionScan::place_of(waiting_key(row)));
}

std::uint64_t RetrySchedule::count_unparked() const {
    const std::int64_t parked = engine_.parked_count.load(std::memory_order_relaxed);
    return static_cast<std::uint64_t>(std::max<std::int64_t>(
        0,
        engine_.retry_count.load(std::memory_order_relaxed) - std::max<std::int64_t>(0, parked)));
}

std::uint64_t RetrySchedule::count() const {
    return static_cast<std::uint64_t>(
        std::max<std::int64_t>(0, engine_.retry_count.load(std::memory_order_relaxed)));
}

}  // namespace millrace::store
