// What: what a face of a shard needs to know who comes: the authenticator, a memory of the keys it
//       has seen, and which routes take a key in the query.
// Threads: the shard's. Lifetime: borrows the authenticator. Limits: those of KeyReader.
// Failure: that of Authenticator.
#pragma once

#include "io/line_server.h"
#include "runtime/api/routes.h"
#include "runtime/identity/authenticator.h"
#include "runtime/identity/security_events.h"

#include <optional>
#include <string_view>

namespace millrace::runtime {

class EdgeIdentity {
public:
    // `security`: null, nothing is told.
    EdgeIdentity(const identity::Authenticator& authenticator, identity::QueryKeys query_keys,
                 identity::SecurityEvents* security)
        : authenticator_(&authenticator), query_keys_(query_keys), security_(security) {
        if (authenticator.ring()) keys_.emplace(*authenticator.ring());
    }

    // `route`: null when there is none of that path. `page_refused`: gets why a page of another
    // origin may not call; only routes that judge pages themselves are told so.
    core::Result<identity::Principal> of(const io::Request& request, const api::Route* route,
                                         core::Error& page_refused) {
        const bool judges = route && api::answers_as_endpoint(*route);
        return authenticator_->authenticate({.peer = request.peer,
                                             .http = &request,
                                             .key = {},
                                             .keys = memory(),
                                             .query_key_counts = route && takes_query_key(*route),
                                             .peer_names = request.peer_names,
                                             .page_refused = judges ? &page_refused : nullptr});
    }
    core::Result<identity::Principal> of(const io::LineHello& hello, const io::Peer& peer) {
        return authenticator_->authenticate({.peer = peer,
                                             .http = nullptr,
                                             .key = hello.api_key,
                                             .keys = memory(),
                                             .peer_names = hello.peer_names});
    }

    const identity::Authenticator& authenticator() const { return *authenticator_; }

    void note(identity::SecurityKind kind, core::TenantId tenant, const io::Peer& peer,
              std::string_view what, std::int64_t now_ns) const;
    // A refusal, for the log of the tenant that it concerns; not in local mode.
    void note(const core::Error& error, const identity::Principal& principal, const io::Peer& peer,
              std::string_view what, std::int64_t now_ns) const;

private:
    identity::KeyReader* memory() { return keys_ ? &*keys_ : nullptr; }
    // Clients that can send no header: EventSource, forms and links to scripts.
    bool takes_query_key(const api::Route& route) const {
        if (query_keys_ != identity::QueryKeys::kSome)
            return query_keys_ == identity::QueryKeys::kAll;
        return route.owner == api::RouteOwner::kStream || route.id == api::RouteId::kRunScript ||
               route.id == api::RouteId::kGetGraphql || api::answers_as_endpoint(route);
    }

    const identity::Authenticator* authenticator_;
    identity::QueryKeys query_keys_;
    identity::SecurityEvents* security_;
    std::optional<identity::KeyReader> keys_;
};

}  // namespace millrace::runtime
