#include "runtime/identity/principal.h"

namespace millrace::runtime::identity {

core::Status Principal::require(Scope scope) const {
    if (scopes.has(scope)) return {};
    return core::fail(core::ErrorCode::kForbidden,
                      "the key lacks the scope " + std::string(scope_text(scope)));
}

std::string actor_of(const Principal& principal) {
    return principal.key ? "key:" + principal.key->id : "loopback";
}

}  // namespace millrace::runtime::identity
