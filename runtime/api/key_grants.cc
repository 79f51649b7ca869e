#include "runtime/api/key_grants.h"

#include "matcher/filter/cidr.h"
#include "matcher/filter/wildcard.h"

#include <algorithm>

namespace millrace::runtime::api {
namespace {

tl::unexpected<core::Error> lacks(std::string_view member, const std::string& what) {
    return core::fail(core::Error(core::ErrorCode::kForbidden,
                                  std::string(member) + ": the key that asks lacks " + what +
                                      ", and no key grants what its maker lacks")
                          .in(std::string(member)));
}

bool covers(const std::string& wider, const std::string& narrower) {
    const auto parsed = matcher::parse_wildcard(wider);
    return parsed && matcher::covers(*parsed, narrower);
}

bool holds(const std::string& wider, const std::string& narrower) {
    matcher::CidrBlock outer, inner;
    return matcher::parse_cidr(wider, outer) && matcher::parse_cidr(narrower, inner) &&
           inner.prefix_bits >= outer.prefix_bits && outer.contains(inner.address);
}

// Each entry of `given` is within one of `own`; nothing given is everything.
template <typename Within>
bool all_within(const std::vector<std::string>& own, const std::vector<std::string>& given,
                const Within& within) {
    if (own.empty()) return true;
    return !given.empty() && std::all_of(given.begin(), given.end(), [&](const auto& one) {
        return std::any_of(own.begin(), own.end(),
                           [&](const auto& wider) { return within(wider, one); });
    });
}

}  // namespace

core::Status may_grant(const identity::Principal& principal, const ApiKey* maker,
                       const ApiKey& key) {
    if (!principal.scopes.contains(key.scopes)) {
        identity::ScopeSet missing = key.scopes;
        missing.remove(principal.scopes);
        const auto names = identity::scope_names(missing);
        return lacks("scopes", names.empty() ? "rights" : std::string(names.front()));
    }
    if (!maker) return {};
    if (!all_within(maker->patterns, key.patterns, covers))
        return lacks("patterns", "some of them");
    if (!all_within(maker->ips, key.ips, holds)) return lacks("ips", "some of them");
    if (maker->expires_at_us != 0 &&
        (key.expires_at_us == 0 || key.expires_at_us > maker->expires_at_us))
        return lacks("expiresAt", "that much time");
    return {};
}

core::Status may_name(const identity::Principal& principal, const RegistrySnapshot& registry,
                      const ApiKey* before, const ApiKey& key) {
    if (key.client_cert_sans.empty() ||
        (before && before->client_cert_sans == key.client_cert_sans))
        return {};
    constexpr std::string_view kMember = "clientCertSans";
    if (!principal.scopes.has(identity::Scope::kTenantsWrite))
        return lacks(kMember, "the scope tenants:write");
    std::string taken;
    registry.keys.for_each([&](const ApiKeyRef& other) {
        if (before && other->number == before->number) return;
        for (const std::string& name : key.client_cert_sans) {
            const auto& theirs = other->client_cert_sans;
            if (std::find(theirs.begin(), theirs.end(), name) != theirs.end())
                taken = "\"" + name + "\", which is key \"" + other->id + "\"'s";
        }
    });
    if (taken.empty()) return {};
    return core::fail(
        core::Error(core::ErrorCode::kConflict, std::string(kMember) + ": has " + taken)
            .in(std::string(kMember)));
}

}  // namespace millrace::runtime::api
