// What: the address that a host's name leads to, judged by the rules about calls to the outside
//       before anybody connects to it: for those who do so by themselves (libpq, links).
// Threads: any; it blocks while the name is looked up. Lifetime: value. Limits: the system's.
// Failure: kForbidden for what the rules do not let through, kNotFound for a name nobody knows.
#pragma once

#include "core/result.h"
#include "runtime/courier/address_rules.h"

#include <string>

namespace millrace::courier {

// The first that may be connected to, as a text: "10.0.0.1", "fe80::1".
core::Result<std::string> resolve_host(const AddressRules& rules, std::string host);

}  // namespace millrace::courier
