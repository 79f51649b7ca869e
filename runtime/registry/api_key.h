// What: a key as a document of its tenant: what it may do, and of its text only what tells it apart
//       and the SHA-256 that it is found by.
// Threads: immutable once the registry has published it; the holder is shared by all versions.
// Lifetime: shared. Limits: kKeysMax of a tenant, kKeyListMax entries in each list,
//       kRetiredTextsMax texts that were rotated out and still count.
// Failure: none here.
#pragma once

#include "core/crypto/digest.h"
#include "core/ids.h"
#include "runtime/identity/holder.h"
#include "runtime/identity/quotas.h"
#include "runtime/identity/roles.h"
#include "runtime/registry/retired_text.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

using KeyNumber = core::StrongInt<struct KeyNumberTag, std::uint32_t>;

inline constexpr std::size_t kKeysMax = 100'000;
inline constexpr std::size_t kKeyListMax = 100;
inline constexpr std::size_t kKeyUserBytesMax = 256;

struct ApiKey {
    KeyNumber number;
    core::TenantId tenant;
    std::uint32_t version = 1;  // grows by one with each change
    std::string id;
    std::string name;
    std::string user;  // whose it is; empty: nobody's in particular
    identity::Role role = identity::Role::kViewer;
    // Those of the role, unless it has scopes of its own.
    identity::ScopeSet scopes;
    bool own_scopes = false;
    std::vector<std::string> patterns;  // of events it may send and see; none: all
    std::vector<std::string> ips;       // blocks of addresses it may come from; none: all
    std::vector<std::string>
        client_cert_sans;            // names in certificates that are it: "DNS:a.example"
    std::int64_t expires_at_us = 0;  // 0: never
    identity::Quotas quotas;
    std::string shown;  // the first characters of its text
    std::string last4;
    core::crypto::Digest hash{};
    std::vector<RetiredText> retired;
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;
    std::shared_ptr<identity::KeyHolder> holder;
};

// What a key of this role may do in this tenant.
identity::ScopeSet role_scopes_in(core::TenantId tenant, identity::Role role);

// A text that nobody has yet.
std::string new_key_text();
// Gives it the text: keeps what is needed to know it again.
void take_key_text(ApiKey& key, std::string_view text);

}  // namespace millrace::runtime
