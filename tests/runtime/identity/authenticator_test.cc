// Goal: one answer to who a caller is, whatever face it comes by, and rights that are held against
// it. Method: callers of each kind.
#include "runtime/identity/authenticator.h"

#include <gtest/gtest.h>

namespace millrace::runtime::identity {
namespace {

io::Peer stranger() {
    io::Peer peer;
    peer.family = io::Address::Family::kIpv4;
    peer.ip = {192, 0, 2, 1};
    return peer;
}

class AuthenticatorTest : public testing::Test {
protected:
    core::Result<Principal> ask(const io::Peer& peer, const io::Request* http) {
        return authenticator.authenticate({.peer = peer, .http = http, .key = {}});
    }
    Authenticator authenticator{*HostNames::make("127.0.0.1:7070", "")};
    io::Request request;
};

TEST_F(AuthenticatorTest, WithoutAnyKeyLoopbackMayEverythingOnEveryFace) {
    request.host = "localhost";
    for (const io::Request* http : {static_cast<io::Request*>(nullptr), &request}) {
        const auto principal = ask(io::Peer{}, http);
        ASSERT_TRUE(principal);
        EXPECT_EQ(principal->tenant, core::TenantId{});
        EXPECT_EQ(principal->scopes, ScopeSet::all());
        EXPECT_EQ(actor_of(*principal), "loopback");
        EXPECT_EQ(principal->key_id(), "");
    }
}

TEST_F(AuthenticatorTest, WithoutAnyKeyNobodyElseMayAnything) {
    request.host = "localhost";
    for (const io::Request* http : {static_cast<io::Request*>(nullptr), &request}) {
        const auto refused = ask(stranger(), http);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, core::ErrorCode::kUnauthorized);
    }
}

TEST_F(AuthenticatorTest, HoldsHttpToTheLocalRulesFirst) {
    request.host = "evil.example";
    for (const io::Peer& peer : {io::Peer{}, stranger()}) {
        const auto refused = ask(peer, &request);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, core::ErrorCode::kForbidden);
    }
}

TEST(Principal, MayWhatItsScopesSay) {
    Principal principal;
    principal.scopes.add(Scope::kEventsWrite);
    EXPECT_TRUE(principal.require(Scope::kEventsWrite));
    EXPECT_TRUE(principal.require(Scope::kPublic));
    const auto refused = principal.require(Scope::kEventsRead);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, core::ErrorCode::kForbidden);
    EXPECT_NE(refused.error().message.find("events:read"), std::string::npos);
}

TEST(Principal, IsNamedByItsKey) {
    Principal principal;
    principal.key = std::make_shared<KeyIdentity>(KeyIdentity{.id = "key_1", .user = "ann"});
    EXPECT_EQ(actor_of(principal), "key:key_1");
    EXPECT_EQ(principal.key_id(), "key_1");
    EXPECT_EQ(principal.user(), "ann");
}

}  // namespace
}  // namespace millrace::runtime::identity
