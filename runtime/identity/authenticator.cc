#include "runtime/identity/authenticator.h"

namespace millrace::runtime::identity {

core::Result<Principal> Authenticator::authenticate(const Caller& caller) const {
    // First: a page that lets its own name point here must learn nothing, not even what is missing.
    if (caller.http) {
        if (auto ok = check_local_request(*caller.http, names_); !ok)
            return core::fail(std::move(ok.error()));
    }
    if (caller.peer.is_loopback()) {
        Principal everybody;
        everybody.scopes = ScopeSet::all();
        if (tenant_of_) everybody.tenant = tenant_of_(caller);
        return everybody;
    }
    return core::fail(
        core::ErrorCode::kUnauthorized,
        "no key exists, and without one only loopback clients are served; create a key first");
}

}  // namespace millrace::runtime::identity
