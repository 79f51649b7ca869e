// What: the id that a delivery has towards the outside (webhook-id, idempotency keys): the same for
//       every attempt, redrive and replay of it (but for replays that were asked for new ones),
//       another one for every other delivery. It says
//       nothing about the event and holds no character that a header or a signed text minds.
// Threads: pure functions. Lifetime: none. Limits: kDeliveryIdBytes long. Failure: none.
#pragma once

#include "core/ids.h"
#include "store/ids/hasher.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::size_t kDeliveryIdBytes = 3 + 26;  // "dv_" and 16 bytes in base 32

// Replays whose deliveries have ids of their own, so that receivers do not take them for repeats,
// begin so, others not: whoever knows the id of a replay knows which they are.
inline constexpr std::string_view kReplayPrefix = "rp_";
inline constexpr std::string_view kNewIdsReplayPrefix = "rpn_";

// A delivery is (tenant, event, subscription), and an event is (tenant, source, eventId).
struct DeliveryIdentity {
    core::TenantId tenant;
    std::string_view source_type;
    std::string_view source_id;
    std::string_view event_id;
    std::string_view subscription_id;
    std::string_view replay_id = {};  // of the replay that began it, if one did
};

// Writes exactly kDeliveryIdBytes to `out`.
void encode_delivery_id_to(const store::Hasher& hasher, const DeliveryIdentity& of, char* out);
std::string encode_delivery_id(const store::Hasher& hasher, const DeliveryIdentity& of);

}  // namespace millrace::runtime
