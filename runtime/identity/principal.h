// What: who is asking: the tenant whose things are meant, the key that was shown, what it may do.
//       Made once, where a request, a stream or a line socket comes in; everything behind takes
//       tenant, names and rights from here.
// Threads: a value; the key's names are shared and never change.
// Lifetime: owns what it names. Limits: none.
// Failure: require() is 403 with the scope that is missing.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "runtime/identity/scopes.h"

#include <memory>
#include <string>
#include <string_view>

namespace millrace::runtime::identity {

// What may be told of a key; never the key itself.
struct KeyIdentity {
    std::string id;
    std::string user;  // whose key it is; empty: nobody's in particular
};

struct Principal {
    core::TenantId tenant;
    ScopeSet scopes;
    std::shared_ptr<const KeyIdentity> key;  // null while no key exists

    std::string_view key_id() const { return key ? std::string_view(key->id) : ""; }
    std::string_view user() const { return key ? std::string_view(key->user) : ""; }
    core::Status require(Scope scope) const;
};

// Who the audit log names: "key:<id>", or "loopback" while no key exists.
std::string actor_of(const Principal& principal);

}  // namespace millrace::runtime::identity
