// What: who is asking: the tenant whose things are meant, the key that was shown, what it may do.
//       Made once, where a request, a stream or a line socket comes in; everything behind takes
//       tenant, names and rights from here.
// Threads: a value; the key's names are shared and never change.
// Lifetime: owns what it names. Limits: none.
// Failure: require() is 403 with the scope that is missing, still_holds() 401 or 403.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "io/address.h"
#include "matcher/filter/wildcard.h"
#include "runtime/identity/roles.h"
#include "runtime/identity/scopes.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::identity {

class KeyHolder;
class TenantHolder;

// What may be told of a key; never the key itself. One version of its document.
struct KeyIdentity {
    std::string id = {};
    std::string name = {};   // what it is called
    std::string user = {};   // whose key it is; empty: nobody's in particular
    std::string shown = {};  // the first characters of its text
    Role role = Role::kViewer;
    std::vector<matcher::Wildcard> patterns = {};  // of events it may send and see; none: all
    std::int64_t expires_at_us = 0;                // 0: never
    std::uint32_t grant = 0;                       // which of the holder's: see KeyHolder::grant
    std::shared_ptr<KeyHolder> holder = {};        // null: nothing of it ever changes
    std::shared_ptr<TenantHolder> tenant = {};

    bool may_see(std::string_view pattern) const;
};

struct Principal {
    core::TenantId tenant;
    ScopeSet scopes;
    std::shared_ptr<const KeyIdentity> key;  // null while no key exists
    io::Peer peer{};
    // Of everybody, while no key exists: set when the first one is made. Null: none ever is.
    const std::atomic<bool>* keys_exist = nullptr;
    // While no key exists: what its tenant may send. The ring's. Null: nothing is bounded.
    TenantHolder* local_tenant = nullptr;
    // Of one that a cluster's front has told of: set when the front takes it back. Null: none did.
    std::shared_ptr<const std::atomic<bool>> taken_back{};

    std::string_view key_id() const { return key ? std::string_view(key->id) : ""; }
    std::string_view user() const { return key ? std::string_view(key->user) : ""; }
    core::Status require(Scope scope) const;
    // Whether events of this pattern are its business.
    bool may_see(std::string_view pattern) const { return !key || key->may_see(pattern); }
    // Whether there are events that are none of its business.
    bool is_bounded() const { return key && !key->patterns.empty(); }
    // Of one that was made a while ago: neither revoked nor expired nor suspended since, and
    // the key gives the same as it did.
    core::Status still_holds(std::int64_t now_us) const;
};

// The one text for whoever shows no key that counts, whatever the reason.
core::Error key_needed();
core::Error tenant_suspended(core::TenantId tenant, const TenantHolder& holder);

// Who the audit log names: "key:<id>", or "loopback" while no key exists.
std::string actor_of(const Principal& principal);

}  // namespace millrace::runtime::identity
