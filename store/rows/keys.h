// What: building and reading the big-endian keys of format.h.
// Threads: pure functions. Lifetime: none. Limits: none.
// Failure: KeyReader::ok() is false once a key was too short.
#pragma once

#include "core/ids.h"
#include "store/log/event_id.h"
#include "store/log/format.h"

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

inline void put_delivery(std::string& key, const DeliveryKey& delivery) {
    put_be(key, delivery.position.shard.value);
    put_be(key, delivery.position.offset.value);
    put_be(key, delivery.subscription.value);
}
inline DeliveryKey read_delivery(KeyReader& reader) {
    DeliveryKey delivery;
    delivery.position = read_log_key(reader);
    delivery.subscription = core::SubscriptionId{reader.be<std::uint32_t>()};
    return delivery;
}

inline std::string retry_key(std::int64_t due_at_us, const DeliveryKey& delivery) {
    std::string key;
    put_be(key, due_at_us);
    put_delivery(key, delivery);
    return key;
}
// Behind all times: what waits for its turn in a partition key, a key's rows side by side.
inline std::string parked_prefix(core::SubscriptionId subscription, std::uint32_t key_hash) {
    std::string key;
    put_be(key, kParkedDueUs);
    put_be(key, subscription.value);
    put_be(key, key_hash);
    return key;
}
inline std::string parked_key(std::uint32_t key_hash, const DeliveryKey& delivery) {
    return parked_prefix(delivery.subscription, key_hash) + log_key(delivery.position);
}

// Before those: what waits for its subscription, a subscription's rows side by side.
inline std::string held_prefix(core::SubscriptionId subscription) {
    std::string key;
    put_be(key, kHeldDueUs);
    put_be(key, subscription.value);
    return key;
}
inline std::string held_key(std::int64_t due_at_us, const DeliveryKey& delivery) {
    std::string key = held_prefix(delivery.subscription);
    put_be(key, due_at_us);
    return key + log_key(delivery.position);
}

inline std::string dead_letter_key(const DeadLetterKey& id) {
    std::string key;
    put_be(key, id.tenant.value);
    put_be(key, id.created_at_us);
    put_delivery(key, id.delivery);
    return key;
}
inline DeadLetterKey read_dead_letter_key(KeyReader& reader) {
    DeadLetterKey id;
    id.tenant = core::TenantId{reader.be<std::uint32_t>()};
    id.created_at_us = reader.be<std::int64_t>();
    id.delivery = read_delivery(reader);
    return id;
}

inline std::string kv_prefix(core::TenantId tenant, std::string_view space) {
    std::string key;
    put_be(key, tenant.value);
    key.append(space);
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
    std::string key = named_key(name, {});
    put_be(key, shard.value);
    return key;
}

}  // namespace millrace::store
