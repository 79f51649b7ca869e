// What: building and reading the big-endian keys of format.h.
// Threads: pure functions. Lifetime: none. Limits: none.
// Failure: KeyReader::ok() is false once a key was too short.
#pragma once

#include "core/ids.h"
#include "store/log/event_id.h"
#include "store/log/format.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace millrace::store {

template <typename Int>
void put_be(std::string& out, Int value) {
    auto bits = static_cast<std::make_unsigned_t<Int>>(value);
    // A signed time keeps its order when its sign bit is turned round.
    if constexpr (std::is_signed_v<Int>)
        bits ^= std::make_unsigned_t<Int>{1} << (sizeof(Int) * 8 - 1);
    for (int shift = static_cast<int>(sizeof(Int)) * 8 - 8; shift >= 0; shift -= 8) {
        out.push_back(static_cast<char>(static_cast<unsigned char>(bits >> shift)));
    }
}

// Little-endian plain values, for records.
template <typename T>
void put_le(std::string& out, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

class KeyReader {
public:
    explicit KeyReader(std::string_view key) : rest_(key) {}

    template <typename Int>
    Int be() {
        std::make_unsigned_t<Int> bits = 0;
        if (rest_.size() < sizeof(Int)) {
            ok_ = false;
            return 0;
        }
        for (std::size_t i = 0; i < sizeof(Int); ++i) {
            bits = static_cast<std::make_unsigned_t<Int>>((static_cast<std::uint64_t>(bits) << 8) |
                                                          static_cast<unsigned char>(rest_[i]));
        }
        if constexpr (std::is_signed_v<Int>)
            bits ^= std::make_unsigned_t<Int>{1} << (sizeof(Int) * 8 - 1);
        rest_.remove_prefix(sizeof(Int));
        return static_cast<Int>(bits);
    }
    // Text up to a 0x00, which is taken away too.
    std::string_view text() {
        const std::size_t end = rest_.find('\0');
        if (end == std::string_view::npos) {
            ok_ = false;
            return {};
        }
        const std::string_view out = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        return out;
    }
    std::string_view rest() const { return rest_; }
    bool ok() const { return ok_; }

private:
    std::string_view rest_;
    bool ok_ = true;
};

inline std::string log_key(core::LogPosition position) {
    std::string key;
    put_be(key, position.shard.value);
    put_be(key, position.offset.value);
    return key;
}
inline core::LogPosition read_log_key(KeyReader& reader) {
    core::LogPosition position;
    position.shard = core::ShardId{reader.be<std::uint16_t>()};
    position.offset = core::LogOffset{reader.be<std::uint64_t>()};
    return position;
}

// What stands first in the key of every row that belongs to a partition.
inline std::string partition_key(core::ShardId partition) {
    std::string key;
    put_be(key, partition.value);
    return key;
}
inline std::string_view without_partition(std::string_view key) {
    return key.substr(std::min(key.size(), sizeof(std::uint16_t)));
}

// The earliest key that a row of the partition with this due time may have.
inline std::string due_key(core::ShardId partition, std::int64_t due_at_us) {
    std::string key = partition_key(partition);
    put_be(key, due_at_us);
    return key;
}
inline std::string retry_key(std::int64_t due_at_us, core::TenantId tenant,
                             const DeliveryKey& delivery) {
    std::string key = due_key(delivery.position.shard, due_at_us);
    put_be(key, delivery.position.offset.value);
    put_be(key, delivery.subscription.value);
    put_be(key, tenant.value);
    return key;
}
// Behind all times: what waits for its turn in a partition key, a key's rows side by side.
inline std::string parked_prefix(core::ShardId partition, core::SubscriptionId subscription,
                                 std::uint32_t key_hash) {
    std::string key = due_key(partition, kParkedDueUs);
    put_be(key, subscription.value);
    put_be(key, key_hash);
    return key;
}
// The earliest key that a parked row from this place on may have.
inline std::string parked_from(std::uint32_t key_hash, const DeliveryKey& delivery) {
    std::string key = parked_prefix(delivery.position.shard, delivery.subscription, key_hash);
    put_be(key, delivery.position.offset.value);
    return key;
}
inline std::string parked_key(std::uint32_t key_hash, core::TenantId tenant,
                              const DeliveryKey& delivery) {
    std::string key = parked_from(key_hash, delivery);
    put_be(key, tenant.value);
    return key;
}

// Before those: what waits for its subscription, a subscription's rows side by side.
inline std::string held_prefix(core::ShardId partition, core::SubscriptionId subscription) {
    std::string key = due_key(partition, kHeldDueUs);
    put_be(key, subscription.value);
    return key;
}
inline std::string held_key(std::int64_t due_at_us, core::TenantId tenant,
                            const DeliveryKey& delivery) {
    std::string key = held_prefix(delivery.position.shard, delivery.subscription);
    put_be(key, due_at_us);
    put_be(key, delivery.position.offset.value);
    put_be(key, tenant.value);
    return key;
}

inline std::string dead_letter_key(const DeadLetterKey& id) {
    std::string key = partition_key(id.delivery.position.shard);
    put_be(key, id.tenant.value);
    put_be(key, id.created_at_us);
    put_be(key, id.delivery.position.offset.value);
    put_be(key, id.delivery.subscription.value);
    return key;
}
inline DeadLetterKey read_dead_letter_key(KeyReader& reader) {
    DeadLetterKey id;
    id.delivery.position.shard = core::ShardId{reader.be<std::uint16_t>()};
    id.tenant = core::TenantId{reader.be<std::uint32_t>()};
    id.created_at_us = reader.be<std::int64_t>();
    id.delivery.position.offset = core::LogOffset{reader.be<std::uint64_t>()};
    id.delivery.subscription = core::SubscriptionId{reader.be<std::uint32_t>()};
    return id;
}

inline std::string kv_prefix(core::TenantId tenant, std::string_view space) {
    std::string key = partition_key(kKvPartition);
    put_be(key, tenant.value);
    key.append(space);
    key.push_back('\0');
    return key;
}

// The entities of one type; of type "" all of the tenant's.
inline std::string entity_prefix(core::TenantId tenant, std::string_view type) {
    std::string key = partition_key(kEntityPartition);
    put_be(key, tenant.value);
    if (type.empty()) return key;
    key.append(type);
    key.push_back('\0');
    return key;
}

inline std::string named_key(std::string_view name, std::string_view rest) {
    std::string key(name);
    key.push_back('\0');
    key.append(rest);
    return key;
}

inline std::string cursor_key(std::string_view name, core::ShardId shard) {
    return partition_key(shard).append(name);
}

}  // namespace millrace::store
