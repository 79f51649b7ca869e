// What: ids that carry a place. `ev_...` is the id of an event whose sender gave none: it holds
//       shard and offset. `ex_...` is the id of an execution: shard, offset and subscription.
//       `dl_...` is a dead letter: the same and the time it was made. A keyed check keeps random
//       text from being taken for one.
// Threads: pure functions. Lifetime: none. Limits: offsets up to 2^48. Failure: nullopt.
#pragma once

#include "core/ids.h"
#include "store/ids/hasher.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::store {

inline constexpr std::size_t kEventIdTextBytes = 3 + 20;  // "ev_" + 12 bytes in base 32

// A delivery: one event for one subscription.
struct DeliveryKey {
    core::LogPosition position;
    core::SubscriptionId subscription;
    constexpr auto operator<=>(const DeliveryKey&) const = default;
};

// Whether a text looks like a server-made id at all: what every sender's id is asked.
constexpr bool has_event_id_form(std::string_view text) {
    return text.size() == kEventIdTextBytes && text.starts_with("ev_");
}
// Writes exactly kEventIdTextBytes to `out`; for hot paths.
void encode_event_id_to(const Hasher& hasher, core::LogPosition position, char* out);
std::string encode_event_id(const Hasher& hasher, core::LogPosition position);
std::optional<core::LogPosition> decode_event_id(const Hasher& hasher, std::string_view text);

inline constexpr std::size_t kExecutionIdTextBytes = 3 + 26;  // "ex_" + 16 bytes in base 32
// Writes exactly kExecutionIdTextBytes to `out`.
void encode_execution_id_to(const Hasher& hasher, DeliveryKey key, char* out);
std::string encode_execution_id(const Hasher& hasher, DeliveryKey key);
std::optional<DeliveryKey> decode_execution_id(const Hasher& hasher, std::string_view text);

struct DeadLetterKey {
    core::TenantId tenant;
    std::int64_t created_at_us = 0;
    DeliveryKey delivery;
    constexpr auto operator<=>(const DeadLetterKey&) const = default;
};
std::string encode_dead_letter_id(const Hasher& hasher, const DeadLetterKey& key);
std::optional<DeadLetterKey> decode_dead_letter_id(const Hasher& hasher, std::string_view text);

}  // namespace millrace::store
