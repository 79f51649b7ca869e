// What: the one place that says who a caller is, for HTTP, streams and line sockets alike. With no
//       key ever created a loopback client is tenant `default` with every right, if its request
//       passes the rules of local_policy.h.
// Threads: any; nothing changes after construction.
// Lifetime: outlives the edges that ask it.
// Limits: none.
// Failure: kUnauthorized where a key is needed; kForbidden and kUnsupportedMediaType by the local
//       rules.
#pragma once

#include "io/http_types.h"
#include "runtime/identity/local_policy.h"
#include "runtime/identity/principal.h"

#include <functional>
#include <string_view>

namespace millrace::runtime::identity {

struct Caller {
    io::Peer peer;
    const io::Request* http = nullptr;  // null on a line socket
    std::string_view key;               // what a line socket's hello shows; empty when absent
};

class Authenticator {
public:
    // Whose a loopback client is while no key exists: with none, everybody is tenant `default`.
    using TenantOf = std::function<core::TenantId(const Caller&)>;

    explicit Authenticator(HostNames names, TenantOf tenant_of = {})
        : names_(std::move(names)), tenant_of_(std::move(tenant_of)) {}

    core::Result<Principal> authenticate(const Caller& caller) const;

private:
    const HostNames names_;
    const TenantOf tenant_of_;
};

}  // namespace millrace::runtime::identity
