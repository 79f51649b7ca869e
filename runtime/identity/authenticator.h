// What: the one place that says who a caller is, for HTTP, streams and line sockets alike. With no
//       key ever created a loopback client is tenant `default` with every right, if its request
//       passes the rules of local_policy.h; after the first one every caller shows a key, or the
//       session that a browser has got for one, under the same rules.
// Threads: any; nothing changes after construction but what the ring publishes. `Caller::keys` is
//       the caller's own.
// Lifetime: outlives the edges that ask it; the ring outlives both.
// Limits: none.
// Failure: kUnauthorized where a key is needed, with one text whatever is wrong with the one that
//       was shown; kForbidden for an address that the key may not come from, for a suspended tenant
//       and, like kUnsupportedMediaType, by the local rules.
#pragma once

#include "core/clock.h"
#include "io/http_types.h"
#include "runtime/identity/credentials.h"
#include "runtime/identity/key_table.h"
#include "runtime/identity/local_policy.h"
#include "runtime/identity/principal.h"
#include "runtime/identity/session_table.h"
#include "runtime/identity/trusted_front.h"

#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace millrace::runtime::identity {

struct Caller {
    io::Peer peer;
    const io::Request* http = nullptr;  // null on a line socket
    std::string_view key;               // what a line socket's hello shows; empty when absent
    KeyReader* keys = nullptr;          // null: looked up without a memory
    bool query_key_counts = false;      // ?apiKey= is a place for a key here
    // Of the certificate that a client has proved to hold: whose key has one of them is known by
    // it, unless another key is shown.
    std::span<const std::string> peer_names = {};
    // Whoever answers says which pages may call: one that the local rules refuse is let through,
    // and why they do is put here. Null: they have the last word.
    core::Error* page_refused = nullptr;
};

class Authenticator {
public:
    // Whose a loopback client is while no key exists: with none, everybody is tenant `default`.
    using TenantOf = std::function<core::TenantId(const Caller&)>;

    // Without a ring no key exists, ever.
    explicit Authenticator(HostNames names, TenantOf tenant_of = {}, const KeyRing* ring = nullptr,
                           const core::Clock* clock = nullptr, CorsOrigins cors = {},
                           const SessionTable* sessions = nullptr,
                           const TrustedFront* front = nullptr)
        : names_(std::move(names)),
          tenant_of_(std::move(tenant_of)),
          ring_(ring),
          clock_(clock),
          cors_(std::move(cors)),
          sessions_(sessions),
          front_(front) {}

    core::Result<Principal> authenticate(const Caller& caller) const;
    // Null: keys never count here.
    const KeyRing* ring() const { return ring_; }
    const CorsOrigins& cors() const { return cors_; }
    // Null: clients come by themselves. Else nobody is served but a cluster's front, which says
    // who they are.
    const TrustedFront* front() const { return front_; }
    // Whether a page of this origin may call now: while no key exists, only one that is named.
    bool lets_page_call(std::string_view origin) const {
        return ring_ && ring_->closed() ? cors_.allows(origin) : cors_.names(origin);
    }

private:
    core::Result<Principal> judge(const Caller& caller) const;
    core::Result<Principal> by_key(const Caller& caller) const;
    core::Status take_session(const io::Request& request, Credential& credential,
                              std::string& scratch) const;

    const HostNames names_;
    const TenantOf tenant_of_;
    const KeyRing* const ring_;
    const core::Clock* const clock_;
    const CorsOrigins cors_;
    const SessionTable* const sessions_;
    const TrustedFront* const front_;
};

}  // namespace millrace::runtime::identity
