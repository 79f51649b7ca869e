#include "runtime/delivery/delivery_id.h"

namespace millrace::runtime {

void encode_delivery_id_to(const store::Hasher& hasher, const DeliveryIdentity& of, char* out) {
    static constexpr char kDigits[] = "0123456789abcdefghijklmnopqrstuv";
    // The event's own identity, and once more mixed with the subscription's name: 64 bits each.
    const store::IdHash event =
        hasher.identity({of.tenant, of.source_type, of.source_id, of.event_id});
    const store::IdHash both =
        hasher.identity_of(of.tenant, of.subscription_id, event.by_source ^ event.by_id);
    std::uint64_t halves[] = {event.by_source, both.by_source};
    if (of.replay_id.starts_with(kNewIdsReplayPrefix)) [[unlikely]] {
        const store::IdHash replay = hasher.identity_of(of.tenant, of.replay_id, both.by_source);
        halves[0] ^= replay.by_source;
        halves[1] ^= replay.by_id;
    }
    *out++ = 'd';
    *out++ = 'v';
    *out++ = '_';
    for (const std::uint64_t half : halves) {
        for (int shift = 60; shift >= 0; shift -= 5) *out++ = kDigits[(half >> shift) & 31];
    }
}

std::string encode_delivery_id(const store::Hasher& hasher, const DeliveryIdentity& of) {
    std::string id(kDeliveryIdBytes, '\0');
    encode_delivery_id_to(hasher, of, id.data());
    return id;
}

}  // namespace millrace::runtime
