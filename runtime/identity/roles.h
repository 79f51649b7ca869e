// What: roles as sets of scopes. A key has a role; scopes of its own may take the role's place.
// Threads: pure. Lifetime: none. Limits: none. Failure: a name that nobody knows is nullopt.
#pragma once

#include "runtime/identity/scopes.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime::identity {

enum class Role : std::uint8_t {
    kViewer,     // reads events and what became of them
    kPublisher,  // sends events, reads nothing
    kDeveloper,  // a viewer and publisher who writes scripts and subscriptions
    kOperator,   // a viewer who keeps things going: dead letters, replays, backups, audit
    kAdmin,      // everything within its tenant
};

inline constexpr std::array<std::pair<std::string_view, Role>, 5> kRoles = {
    {{"viewer", Role::kViewer},
     {"publisher", Role::kPublisher},
     {"developer", Role::kDeveloper},
     {"operator", Role::kOperator},
     {"admin", Role::kAdmin}}};

std::string_view role_text(Role role);
ScopeSet scopes_of(Role role);
// What concerns the server as a whole: keys of tenant `default` only.
ScopeSet server_scopes();

// "events:write", "events:*", "*:read" and "*"; nullopt when it names no scope.
std::optional<ScopeSet> parse_scopes(std::string_view text);
// In the order of the list; {"*"} for every right.
std::vector<std::string_view> scope_names(const ScopeSet& scopes);

}  // namespace millrace::runtime::identity
