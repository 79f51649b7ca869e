#include "runtime/identity/authenticator.h"

#include <algorithm>

namespace millrace::runtime::identity {
namespace {

// v4 in v6 is the v4 address that it holds.
matcher::IpAddress address_of(const io::Peer& peer) {
    matcher::IpAddress out;
    constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    out.is_v6 = peer.family == io::Address::Family::kIpv6;
    out.bytes = peer.ip;
    if (out.is_v6 && std::equal(kMapped.begin(), kMapped.end(), peer.ip.begin())) {
        out = {};
        std::copy_n(peer.ip.begin() + 12, 4, out.bytes.begin());
    }
    return out;
}

bool may_come_from(const KeyGrant& grant, const io::Peer& peer) {
    if (grant.from.empty()) return true;
    if (peer.family == io::Address::Family::kUnix) return false;  // it has no address
    const matcher::IpAddress address = address_of(peer);
    return std::any_of(grant.from.begin(), grant.from.end(),
                       [&](const matcher::CidrBlock& block) { return block.contains(address); });
}

}  // namespace

core::Result<Principal> Authenticator::authenticate(const Caller& caller) const {
    if (!front_) return judge(caller);
    if (!caller.http) return core::fail(key_needed());
    auto asked = front_->asked(*caller.http);
    if (!asked) return core::fail(std::move(asked.error()));
    if (asked->principal) return std::move(*asked->principal);
    Caller behind = caller;
    behind.peer = asked->peer;
    return judge(behind);
}

core::Result<Principal> Authenticator::judge(const Caller& caller) const {
    if (ring_ && ring_->closed()) return by_key(caller);
    // First: a page that lets its own name point here must learn nothing, not even what is missing.
    if (caller.http) {
        if (auto ok = check_local_request(*caller.http, names_, cors_); !ok) {
            if (!caller.page_refused || !refuses_page(ok.error()))
                return core::fail(std::move(ok.error()));
            *caller.page_refused = std::move(ok.error());
        }
    }
    if (caller.peer.is_loopback()) {
        Principal everybody;
        everybody.scopes = ScopeSet::all();
        everybody.peer = caller.peer;
        if (ring_) everybody.keys_exist = &ring_->closed_flag();
        if (tenant_of_)
            everybody.tenant = tenant_of_(caller);
        else if (ring_)
            everybody.local_tenant = ring_->local_tenant();
        return everybody;
    }
    return core::fail(
        core::ErrorCode::kUnauthorized,
        "no key exists, and without one only loopback clients are served; create a key first");
}

// A browser sends a cookie whoever's page asks it to: the page must be the server's own.
core::Status Authenticator::take_session(const io::Request& request, Credential& credential,
                                         std::string& scratch) const {
    if (!sessions_) return {};
    const std::string_view session = find_session(request, sessions_->form());
    if (session.empty()) return {};
    if (auto ok = check_local_request(request, names_, cors_); !ok) return ok;
    auto key_text = sessions_->find(session, clock_->wall_us());
    if (!key_text) return {};
    scratch = std::move(*key_text);
    credential = {Shown::kKey, scratch};
    return {};
}

core::Result<Principal> Authenticator::by_key(const Caller& caller) const {
    std::string scratch;
    Credential credential{caller.key.empty() ? Shown::kNothing : Shown::kKey, caller.key};
    if (caller.http) credential = find_credential(*caller.http, caller.query_key_counts, scratch);
    if (credential.shown == Shown::kBad) return core::fail(key_needed());
    if (caller.http && credential.shown == Shown::kNothing) {
        if (auto taken = take_session(*caller.http, credential, scratch); !taken)
            return core::fail(std::move(taken.error()));
    }
    const std::int64_t now_us = clock_->wall_us();
    std::optional<KeyReader> fresh;
    KeyReader& keys = caller.keys ? *caller.keys : fresh.emplace(*ring_);
    const KeyGrant* grant = credential.shown == Shown::kKey ? keys.find(credential.text, now_us)
                                                            : keys.find_named(caller.peer_names);
    if (!grant) return core::fail(key_needed());
    if (caller.http && credential.shown == Shown::kNothing) {
        if (auto ok = check_page(*caller.http, cors_); !ok)
            return core::fail(std::move(ok.error()));
    }
    Principal principal{grant->tenant, grant->scopes, grant->key, caller.peer};
    if (auto holds = principal.still_holds(now_us); !holds)
        return core::fail(std::move(holds.error()));
    if (!may_come_from(*grant, caller.peer)) {
        return core::fail(core::ErrorCode::kForbidden, "the key may not be used from this address");
    }
    grant->key->holder->note_use(now_us, caller.peer);
    return principal;
}

}  // namespace millrace::runtime::identity
