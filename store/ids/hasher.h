// What: the keyed hashes of one data folder. Everything the store remembers by hash (identity of an
//       event, pattern, correlation id, ...) goes through one Hasher, whose seed was drawn at
//       random when the folder was made, so that nobody outside can choose colliding names.
// Threads: values; every method is const and may be called from any thread.
// Lifetime: value, cheap to copy by reference. Limits: none. Failure: none.
#pragma once

#include "core/ids.h"

#include <array>
#include <compare>
#include <cstdint>
#include <string_view>

namespace millrace::store {

// Spreads values that share their upper bits over the whole range; no two come to the same (Knuth's
// multiplicative hashing).
constexpr std::uint64_t spread(std::uint64_t value) { return value * 0x9e3779b97f4a7c15ULL; }

// The shard that a hash falls to. By its upper half: the lower one chooses lanes.
constexpr core::ShardId shard_of(std::uint64_t hash, std::size_t shards) {
    return core::ShardId(static_cast<std::uint16_t>(((hash >> 32) * shards) >> 32));
}

// Identity of an event: `by_id` depends on (tenant, eventId) alone, so that an event can be found
// without its source; both halves together are (tenant, source, eventId), and are taken as
// identity.
struct IdHash {
    std::uint64_t by_id = 0;
    std::uint64_t by_source = 0;
    // An event whose id was made by the server carries its position in the id: no index entry.
    constexpr bool none() const { return by_id == 0; }
    // What tables and runs are in order of: a shard's ids may share their upper bits, by which they
    // came to it.
    constexpr std::uint64_t order() const { return spread(by_id); }
    constexpr auto operator<=>(const IdHash&) const = default;
};

// The shard that is asked before an event that lives elsewhere is taken. An event without a
// partition key lives at its keeper.
constexpr core::ShardId keeper_of(const IdHash& id, std::size_t shards) {
    return shard_of(id.by_id, shards);
}

struct HashSeed {
    std::array<std::uint64_t, 2> words{};
};

class Hasher {
public:
    explicit Hasher(HashSeed seed) : seed_(seed) {}

    struct Identity {
        core::TenantId tenant;
        std::string_view source_type;
        std::string_view source_id;
        std::string_view event_id;
    };
    IdHash identity(const Identity& identity) const {
        return identity_of(identity.tenant, identity.event_id,
                           source(identity.source_type, identity.source_id));
    }
    // The same from source(), which few senders vary from event to event.
    IdHash identity_of(core::TenantId tenant, std::string_view event_id,
                       std::uint64_t source) const;
    std::uint64_t source(std::string_view type, std::string_view id) const;
    // The half of identity() that needs no source.
    std::uint64_t by_id(core::TenantId tenant, std::string_view event_id) const;
    // Any other name: pattern, source, correlation id, ... Never 0; 0 stands for "absent".
    std::uint64_t text(std::string_view name) const;
    // 32 bits that make a server-made event id or an execution id recognisable.
    std::uint32_t check(std::uint64_t a, std::uint64_t b) const;

    const HashSeed& seed() const { return seed_; }

private:
    HashSeed seed_;
};

}  // namespace millrace::store
