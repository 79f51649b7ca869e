#include "store/ids/hasher.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace millrace::store {
namespace {

// The finaliser of SplitMix64: every input bit moves every output bit.
std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

std::uint64_t never_zero(std::uint64_t value) { return value == 0 ? 1 : value; }

}  // namespace

std::uint64_t Hasher::by_id(core::TenantId tenant, std::string_view event_id) const {
    const XXH128_hash_t id =
        XXH3_128bits_withSeed(event_id.data(), event_id.size(), seed_.words[0]);
    return never_zero(mix(id.low64 ^ mix(tenant.value + seed_.words[1])));
}

std::uint64_t Hasher::source(std::string_view type, std::string_view id) const {
    return XXH3_64bits_withSeed(id.data(), id.size(), seed_.words[1]) +
           mix(XXH3_64bits_withSeed(type.data(), type.size(), seed_.words[0]));
}

IdHash Hasher::identity_of(core::TenantId tenant, std::string_view event_id,
                           std::uint64_t source) const {
    const XXH128_hash_t id =
        XXH3_128bits_withSeed(event_id.data(), event_id.size(), seed_.words[0]);
    IdHash out;
    out.by_id = never_zero(mix(id.low64 ^ mix(tenant.value + seed_.words[1])));
    out.by_source = mix(id.high64 + source);
    return out;
}

std::uint64_t Hasher::text(std::string_view name) const {
    return never_zero(
        XXH3_64bits_withSeed(name.data(), name.size(), seed_.words[0] ^ seed_.words[1]));
}

std::uint32_t Hasher::check(std::uint64_t a, std::uint64_t b) const {
    return static_cast<std::uint32_t>(mix(mix(a ^ seed_.words[0]) + b + seed_.words[1]) >> 32);
}

}  // namespace millrace::store
