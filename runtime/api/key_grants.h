// What: no key grants what its maker lacks: scopes, patterns, addresses and time of a key, held
//       against those of whoever makes, changes or rotates it.
// Threads: pure. Lifetime: none. Limits: none.
// Failure: kForbidden that names the member.
#pragma once

#include "core/result.h"
#include "runtime/identity/principal.h"
#include "runtime/registry/api_key.h"
#include "runtime/registry/registry_snapshot.h"

namespace millrace::runtime::api {

// `maker`: the document of the principal's key; null in local mode, which lacks nothing.
core::Status may_grant(const identity::Principal& principal, const ApiKey* maker,
                       const ApiKey& key);

// Whose certificates `key` has: names are given by those whom the server trusts, so only who may
// make tenants says whose key one is; and no two keys have the same. `before`: null for a new key.
core::Status may_name(const identity::Principal& principal, const RegistrySnapshot& registry,
                      const ApiKey* before, const ApiKey& key);

}  // namespace millrace::runtime::api
