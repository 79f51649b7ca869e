#include "store/rows/old_keys.h"

#include "store/rows/keys.h"
#include "store/rows/varint.h"

#include <optional>

namespace millrace::store {
namespace {

DeliveryKey read_delivery(KeyReader& reader) {
    DeliveryKey delivery;
    delivery.position = read_log_key(reader);
    delivery.subscription = core::SubscriptionId{reader.be<std::uint32_t>()};
    return delivery;
}

std::optional<std::string> retry(std::string_view old_key, std::string_view value) {
    RecordReader record(value);
    (void)record.le<std::uint8_t>();  // version
    const core::TenantId tenant{record.varint32()};
    KeyReader reader(old_key);
    const auto due_at_us = reader.be<std::int64_t>();
    std::string key;
    if (due_at_us == kParkedDueUs) {
        const core::SubscriptionId subscription{reader.be<std::uint32_t>()};
        const auto key_hash = reader.be<std::uint32_t>();
        key = parked_key(key_hash, tenant, {read_log_key(reader), subscription});
    } else if (due_at_us == kHeldDueUs) {
        const core::SubscriptionId subscription{reader.be<std::uint32_t>()};
        const auto held_due_at_us = reader.be<std::int64_t>();
        key = held_key(held_due_at_us, tenant, {read_log_key(reader), subscription});
    } else {
        key = retry_key(due_at_us, tenant, read_delivery(reader));
    }
    return reader.ok() && reader.rest().empty() ? std::optional(key) : std::nullopt;
}

std::optional<std::string> dead_letter(std::string_view old_key) {
    KeyReader reader(old_key);
    DeadLetterKey id;
    id.tenant = core::TenantId{reader.be<std::uint32_t>()};
    id.created_at_us = reader.be<std::int64_t>();
    id.delivery = read_delivery(reader);
    return reader.ok() && reader.rest().empty() ? std::optional(dead_letter_key(id)) : std::nullopt;
}

std::optional<std::string> cursor(std::string_view old_key) {
    KeyReader reader(old_key);
    const std::string_view name = reader.text();
    const core::ShardId shard{reader.be<std::uint16_t>()};
    return reader.ok() && reader.rest().empty() ? std::optional(cursor_key(name, shard))
                                                : std::nullopt;
}

}  // namespace

bool has_partition(ColumnFamily family) {
    switch (family) {
        case ColumnFamily::kCursor:
        case ColumnFamily::kRetry:
        case ColumnFamily::kDlq:
        case ColumnFamily::kKv:
        case ColumnFamily::kKvHistory: return true;
        default: return false;
    }
}

std::string key_with_partition(ColumnFamily family, std::string_view old_key,
                               std::string_view value) {
    std::optional<std::string> key;
    switch (family) {
        case ColumnFamily::kCursor: key = cursor(old_key); break;
        case ColumnFamily::kRetry: key = retry(old_key, value); break;
        case ColumnFamily::kDlq: key = dead_letter(old_key); break;
        default: key = partition_key(kKvPartition).append(old_key); break;
    }
    return key ? *key : partition_key(kUnreadPartition).append(old_key);
}

std::string old_cursor_key(std::string_view name, core::ShardId shard) {
    std::string key = named_key(name, {});
    put_be(key, shard.value);
    return key;
}

}  // namespace millrace::store
