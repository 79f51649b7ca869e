// What: no key grants what its maker lacks: scopes, patterns, addresses and time of a key, held
//       against those of whoever makes, changes or rotates it.
// Threads: pure. Lifetime: none. Limits: none.
// Failure: kForbidden that names the member.
#pragma once

#include "core/result.h"
#include "runtime/identity/principal.h"
#include "runtime/registry/api_key.h"

namespace millrace::runtime::api {

// `maker`: the document of the principal's key; null in local mode, which lacks nothing.
core::Status may_grant(const identity::Principal& principal, const ApiKey* maker,
                       const ApiKey& key);

}  // namespace millrace::runtime::api
