#include "runtime/identity/principal.h"

#include "runtime/event/tenant_names.h"
#include "runtime/identity/holder.h"

#include <algorithm>

namespace millrace::runtime::identity {

bool KeyIdentity::may_see(std::string_view pattern) const {
    return patterns.empty() ||
           std::any_of(patterns.begin(), patterns.end(),
                       [pattern](const matcher::Wildcard& one) { return one.matches(pattern); });
}

core::Status Principal::require(Scope scope) const {
    if (scopes.has(scope)) return {};
    return core::fail(core::ErrorCode::kForbidden,
                      "the key lacks the scope " + std::string(scope_text(scope)));
}

core::Status Principal::still_holds(std::int64_t now_us) const {
    // acquire: pairs with TrustedFront::take_back().
    if (taken_back && taken_back->load(std::memory_order_acquire)) return core::fail(key_needed());
    // acquire: pairs with KeyRing::close().
    if (!key && keys_exist && keys_exist->load(std::memory_order_acquire))
        return core::fail(key_needed());
    if (!key || !key->holder) return {};
    // acquire: whoever revokes a key has told everybody before it answers.
    if (key->holder->revoked.load(std::memory_order_acquire) ||
        key->holder->grant.load(std::memory_order_acquire) != key->grant ||
        (key->expires_at_us != 0 && key->expires_at_us <= now_us))
        return core::fail(key_needed());
    if (key->tenant->suspended()) return core::fail(tenant_suspended(tenant, *key->tenant));
    return {};
}

core::Error key_needed() {
    return core::Error(core::ErrorCode::kUnauthorized,
                       "a valid API key is needed: Authorization: Bearer KEY, or X-API-Key: KEY");
}

core::Error tenant_suspended(core::TenantId tenant, const TenantHolder& holder) {
    const std::string reason = holder.reason();
    return core::Error(core::ErrorCode::kForbidden,
                       "tenant \"" + std::string(tenant_name(tenant)) + "\" is suspended" +
                           (reason.empty() ? std::string() : ": " + reason));
}

std::string actor_of(const Principal& principal) {
    return principal.key ? "key:" + principal.key->id : "loopback";
}

}  // namespace millrace::runtime::identity
