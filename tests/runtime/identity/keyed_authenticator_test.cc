// Goal: after the first key whoever shows none that counts is nobody, and who came by one is let
// go when it counts no more.
// Method: a ring with one key, and callers of each kind.
#include "runtime/identity/authenticator.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime::identity {
namespace {

class KeyedAuthenticatorTest : public testing::Test {
protected:
    KeyedAuthenticatorTest() {
        identity->id = "key_1";
        identity->holder = std::make_shared<KeyHolder>();
        identity->tenant = std::make_shared<TenantHolder>();
        publish();
        ring.close();
    }
    void publish() {
        auto grant = std::make_shared<KeyGrant>();
        grant->tenant = core::TenantId{7};
        grant->scopes.add(Scope::kEventsRead);
        grant->key = identity;
        grant->from = from;
        auto table = std::make_shared<KeyTable>();
        table->put({core::crypto::sha256(text), 0, grant});
        ring.publish(table);
    }
    core::Result<Principal> line(std::string_view key) {
        return authenticator.authenticate({.peer = peer, .http = nullptr, .key = key});
    }
    core::ErrorCode refused(std::string_view key) {
        const auto principal = line(key);
        EXPECT_FALSE(principal);
        return principal ? core::ErrorCode::kInternal : principal.error().code;
    }

    const std::string text = make_key_text(KeyBits{1});
    std::shared_ptr<KeyIdentity> identity = std::make_shared<KeyIdentity>();
    std::vector<matcher::CidrBlock> from;
    io::Peer peer;
    core::ManualClock clock;
    KeyRing ring;
    Authenticator authenticator{*HostNames::make("127.0.0.1:7070", ""), {}, &ring, &clock};
};

TEST_F(KeyedAuthenticatorTest, AKeyIsItsTenantAndItsRights) {
    const auto principal = line(text);
    ASSERT_TRUE(principal);
    EXPECT_EQ(principal->tenant, core::TenantId{7});
    EXPECT_EQ(actor_of(*principal), "key:key_1");
    EXPECT_TRUE(principal->require(Scope::kEventsRead));
    EXPECT_FALSE(principal->require(Scope::kEventsWrite));
}

TEST_F(KeyedAuthenticatorTest, LoopbackAloneIsNobodyAnyMore) {
    EXPECT_EQ(refused(""), core::ErrorCode::kUnauthorized);
    io::Request request;
    request.host = "localhost";
    const auto principal = authenticator.authenticate({.peer = peer, .http = &request, .key = {}});
    ASSERT_FALSE(principal);
    EXPECT_EQ(principal.error().message, line("x").error().message);
}

TEST_F(KeyedAuthenticatorTest, OneThatHasEndedIsAsUnknownAsAnyOther) {
    const std::string unknown = line(make_key_text(KeyBits{2})).error().message;
    identity->expires_at_us = clock.wall_us();
    EXPECT_EQ(line(text).error().message, unknown);
    identity->expires_at_us = 0;
    identity->holder->revoked = true;
    EXPECT_EQ(line(text).error().message, unknown);
}

TEST_F(KeyedAuthenticatorTest, AnAddressThatIsNotAmongItsOwnIsForbidden) {
    from.emplace_back();
    ASSERT_TRUE(matcher::parse_cidr("192.0.2.0/24", from.front()));
    publish();
    peer.family = io::Address::Family::kIpv4;
    peer.ip = {192, 0, 2, 1};
    EXPECT_TRUE(line(text));
    peer.ip = {192, 0, 3, 1};
    EXPECT_EQ(refused(text), core::ErrorCode::kForbidden);
    peer.family = io::Address::Family::kIpv6;
    peer.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 9};
    EXPECT_TRUE(line(text)) << "v4 in v6";
    peer = {};
    EXPECT_EQ(refused(text), core::ErrorCode::kForbidden) << "a Unix socket has no address";
}

TEST_F(KeyedAuthenticatorTest, WhoCameByAKeyIsLetGoWhenItGivesSomethingElse) {
    const Principal principal = *line(text);
    EXPECT_TRUE(principal.still_holds(clock.wall_us()));
    identity->tenant->suspend(true, "unpaid");
    const auto suspended = principal.still_holds(clock.wall_us());
    ASSERT_FALSE(suspended);
    EXPECT_EQ(suspended.error().code, core::ErrorCode::kForbidden);
    EXPECT_NE(suspended.error().message.find("unpaid"), std::string::npos);
    identity->tenant->suspend(false, "");
    EXPECT_TRUE(principal.still_holds(clock.wall_us()));
    ++identity->holder->grant;
    EXPECT_FALSE(principal.still_holds(clock.wall_us()));
}

TEST_F(KeyedAuthenticatorTest, ANameInACertificateStandsForItsKeyUnlessOneIsShown) {
    auto grant = std::make_shared<KeyGrant>();
    grant->key = identity;
    auto table = std::make_shared<KeyTable>();
    table->put({core::crypto::sha256(text), 0, grant});
    table->put({KeyTable::digest_of_name("DNS:a.example"), 0, grant});
    ring.publish(table);
    const auto come = [&](const std::vector<std::string>& names, std::string_view key) {
        return authenticator
            .authenticate({.peer = peer, .http = nullptr, .key = key, .peer_names = names})
            .has_value();
    };
    EXPECT_TRUE(come({"URI:x", "DNS:a.example"}, ""));
    EXPECT_FALSE(come({"DNS:b.example"}, ""));
    EXPECT_FALSE(come({}, ""));
    EXPECT_TRUE(come({"DNS:b.example"}, text));
    EXPECT_FALSE(come({"DNS:a.example"}, "mr_live_other"));
    EXPECT_FALSE(come({"certificate:DNS:a.example"}, ""));
    EXPECT_FALSE(line("DNS:a.example"));
    identity->holder->revoked = true;
    EXPECT_FALSE(come({"DNS:a.example"}, ""));
}

// A browser shows a certificate to whoever's page asks it to.
TEST_F(KeyedAuthenticatorTest, APageOfAnotherSiteDoesNotComeByACertificate) {
    auto grant = std::make_shared<KeyGrant>();
    grant->key = identity;
    auto table = std::make_shared<KeyTable>();
    table->put({core::crypto::sha256(text), 0, grant});
    table->put({KeyTable::digest_of_name("DNS:a.example"), 0, grant});
    ring.publish(table);
    const std::vector<std::string> names = {"DNS:a.example"};
    const auto come = [&](const std::vector<io::HeaderField>& headers) {
        io::Request request;
        request.host = "hub.example:7443";
        request.headers = headers;
        return authenticator
            .authenticate({.peer = peer, .http = &request, .key = {}, .peer_names = names})
            .has_value();
    };
    EXPECT_TRUE(come({})) << "machines name no page";
    EXPECT_TRUE(come({{"Sec-Fetch-Site", "same-origin"}}));
    EXPECT_TRUE(come({{"Origin", "https://hub.example:7443"}}));
    EXPECT_FALSE(come({{"Sec-Fetch-Site", "cross-site"}}));
    EXPECT_FALSE(come({{"Origin", "https://evil.example"}}));
    EXPECT_TRUE(come({{"Origin", "https://evil.example"}, {"X-API-Key", text}}));
}

}  // namespace
}  // namespace millrace::runtime::identity
