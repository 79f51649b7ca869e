// Goal: roles mean what their names say, and scopes are read as they are written.
#include "runtime/identity/roles.h"

#include <gtest/gtest.h>

namespace millrace::runtime::identity {
namespace {

TEST(Roles, GrowFromLookingToEverythingWithinATenant) {
    EXPECT_FALSE(scopes_of(Role::kViewer).has(Scope::kEventsWrite));
    EXPECT_TRUE(scopes_of(Role::kPublisher).has(Scope::kEventsWrite));
    EXPECT_FALSE(scopes_of(Role::kPublisher).has(Scope::kEventsRead));
    EXPECT_TRUE(scopes_of(Role::kDeveloper).has(Scope::kScriptsWrite));
    EXPECT_FALSE(scopes_of(Role::kDeveloper).has(Scope::kKeysWrite));
    EXPECT_TRUE(scopes_of(Role::kOperator).has(Scope::kAuditRead));
    EXPECT_FALSE(scopes_of(Role::kOperator).has(Scope::kScriptsWrite));
    for (const auto& [name, role] : kRoles) {
        EXPECT_TRUE(scopes_of(Role::kAdmin).contains(scopes_of(role))) << name;
        EXPECT_FALSE(scopes_of(role).has(Scope::kTenantsRead)) << name;
        EXPECT_TRUE(scopes_of(role).has(Scope::kApiRead)) << name;
    }
}

TEST(Scopes, AreNamesOrAllOfAResourceOrVerb) {
    EXPECT_TRUE(parse_scopes("events:write")->has(Scope::kEventsWrite));
    EXPECT_FALSE(parse_scopes("events:write")->has(Scope::kEventsRead));
    EXPECT_TRUE(parse_scopes("events:*")->contains(*parse_scopes("events:read")));
    EXPECT_TRUE(parse_scopes("*:read")->has(Scope::kKvRead));
    EXPECT_FALSE(parse_scopes("*:read")->has(Scope::kEventsWrite));
    EXPECT_TRUE(parse_scopes("*")->is_all());
    for (const auto* text : {"", "events", "events:", ":read", "public", "nothing:*"})
        EXPECT_FALSE(parse_scopes(text)) << text;
    EXPECT_EQ(scope_names(ScopeSet::all()), std::vector<std::string_view>{"*"});
}

}  // namespace
}  // namespace millrace::runtime::identity
