// Goal: the process of a partition believes its node and nobody else: without the token nobody is
// anybody, what a front says counts as if it had been found here, and where no keys live nobody
// gets rights by showing none.
#include "runtime/identity/trusted_front.h"

#include "runtime/identity/authenticator.h"

#include <gtest/gtest.h>

namespace millrace::runtime::identity {
namespace {

constexpr const char* kToken = "0123456789abcdef0123456789abcdef";

class TrustedFrontTest : public testing::Test {
protected:
    TrustedFrontTest() {
        auto known = std::make_shared<TrustedFront::KnownTenants>();
        (*known)["default"] = {core::TenantId{0}, std::make_shared<TenantHolder>()};
        (*known)["acme"] = {core::TenantId{7}, std::make_shared<TenantHolder>()};
        for (TrustedFront* front : {&elsewhere, &home}) front->publish(known);
    }
    io::Request request(std::vector<io::HeaderField> fields) {
        kept = std::move(fields);
        io::Request out;
        out.path = "/v2/events";
        out.host = "localhost";
        out.headers = kept;
        return out;
    }
    core::Result<Principal> ask(const TrustedFront& front, std::vector<io::HeaderField> fields) {
        const Authenticator authenticator(*HostNames::make("127.0.0.1:1", ""), {}, &ring, &clock,
                                          {}, nullptr, &front);
        const io::Request asked = request(std::move(fields));
        return authenticator.authenticate({.peer = asked.peer, .http = &asked, .key = {}});
    }
    static std::string text_of(std::string_view tenant) {
        Principal principal;
        principal.scopes.add(Scope::kEventsWrite);
        auto key = std::make_shared<KeyIdentity>();
        key->id = "key_1";
        principal.key = std::move(key);
        return principal_text(principal, tenant);
    }

    core::RealClock clock;
    KeyRing ring;
    TrustedFront elsewhere{kToken, false, "\"partition\":7"};
    TrustedFront home{kToken, true, "\"partition\":0"};
    std::vector<io::HeaderField> kept;
};

TEST_F(TrustedFrontTest, WithoutTheTokenNobodyIsAnybody) {
    const std::string text = text_of("acme");
    for (const TrustedFront* front : {&elsewhere, &home}) {
        EXPECT_FALSE(ask(*front, {}));
        EXPECT_FALSE(ask(*front, {{kFrontPrincipalHeader, text}}));
        EXPECT_FALSE(ask(*front, {{kFrontTokenHeader, "wrong"}, {kFrontPrincipalHeader, text}}));
    }
}

TEST_F(TrustedFrontTest, WhoTheFrontNamesIsAsking) {
    const std::string text = text_of("acme");
    const auto who = ask(elsewhere, {{kFrontTokenHeader, kToken},
                                     {kFrontPrincipalHeader, text},
                                     {kFrontPeerHeader, "203.0.113.7:5"}});
    ASSERT_TRUE(who) << who.error().message;
    EXPECT_EQ(who->tenant, core::TenantId{7});
    EXPECT_EQ(who->key_id(), "key_1");
    EXPECT_TRUE(who->require(Scope::kEventsWrite));
    EXPECT_FALSE(who->require(Scope::kEventsRead));
    EXPECT_EQ(who->peer.to_string(), "203.0.113.7:5");
    EXPECT_TRUE(who->still_holds(1));
    // Twice the same: what its key has spent stays with it.
    const auto again = ask(elsewhere, {{kFrontTokenHeader, kToken}, {kFrontPrincipalHeader, text}});
    EXPECT_EQ(again->key->holder, who->key->holder);
}

// Of two versions of a key one may be taken back, and be told again later.
TEST_F(TrustedFrontTest, WhoIsTakenBackHoldsNoMore) {
    const auto told = [&](std::string_view tenant) {
        return *ask(elsewhere,
                    {{kFrontTokenHeader, kToken}, {kFrontPrincipalHeader, text_of(tenant)}});
    };
    const Principal first = told("acme");
    // What is remembered of texts is made anew; whoever is in use stays who it is.
    elsewhere.publish(std::make_shared<TrustedFront::KnownTenants>(TrustedFront::KnownTenants{
        {"default", {core::TenantId{0}, std::make_shared<TenantHolder>()}},
        {"acme", {core::TenantId{7}, std::make_shared<TenantHolder>()}}}));
    const Principal second = told("acme"), other = told("default");
    elsewhere.take_back(text_of("nobody"));
    EXPECT_TRUE(first.still_holds(1));
    elsewhere.take_back(text_of("acme"));
    for (const Principal* one : {&first, &second}) {
        const auto holds = one->still_holds(1);
        ASSERT_FALSE(holds);
        EXPECT_EQ(holds.error().code, core::ErrorCode::kUnauthorized);
    }
    EXPECT_TRUE(other.still_holds(1));
    EXPECT_TRUE(told("acme").still_holds(1));
}

TEST_F(TrustedFrontTest, OnlyAnotherTextOfAKeyMakesNobodyElse) {
    const auto text = [](std::string_view shown, Scope scope, std::int64_t until) {
        Principal principal;
        principal.scopes.add(scope);
        auto key = std::make_shared<KeyIdentity>();
        key->id = "key_1";
        key->shown = shown;
        key->expires_at_us = until;
        principal.key = std::move(key);
        return principal_text(principal, "acme");
    };
    const std::string one = text("mr_a", Scope::kEventsRead, 0);
    EXPECT_TRUE(gives_the_same(one, one));
    EXPECT_TRUE(gives_the_same(one, text("mr_b", Scope::kEventsRead, 0)));
    EXPECT_FALSE(gives_the_same(one, text("mr_a", Scope::kEventsWrite, 0)));
    EXPECT_FALSE(gives_the_same(one, text("mr_a", Scope::kEventsRead, 5)));
    EXPECT_FALSE(gives_the_same(one, ""));
    EXPECT_FALSE(gives_the_same("a", "b"));
}

TEST_F(TrustedFrontTest, WhereNoKeysLiveNobodyHasRightsByShowingNone) {
    const auto who =
        ask(elsewhere, {{kFrontTokenHeader, kToken}, {kFrontPeerHeader, "127.0.0.1:5"}});
    ASSERT_FALSE(who);
    EXPECT_EQ(who.error().code, core::ErrorCode::kUnauthorized);
}

TEST_F(TrustedFrontTest, WhereKeysLiveAClientIsJudgedByItsOwnAddress) {
    // No key exists: who is on this machine has every right, who is not has none.
    EXPECT_TRUE(ask(home, {{kFrontTokenHeader, kToken}, {kFrontPeerHeader, "127.0.0.1:5"}}));
    EXPECT_FALSE(ask(home, {{kFrontTokenHeader, kToken}, {kFrontPeerHeader, "203.0.113.7:5"}}));
    EXPECT_FALSE(ask(home, {{kFrontTokenHeader, kToken}, {kFrontPeerHeader, "nonsense"}}));
    ring.close();
    EXPECT_FALSE(ask(home, {{kFrontTokenHeader, kToken}, {kFrontPeerHeader, "127.0.0.1:5"}}));
}

TEST_F(TrustedFrontTest, ATenantThatIsNotKnownIsToldToTheFrontAlone) {
    const std::string text = text_of("globex");
    const auto who = ask(elsewhere, {{kFrontTokenHeader, kToken}, {kFrontPrincipalHeader, text}});
    ASSERT_FALSE(who);
    EXPECT_EQ(who.error().code, core::ErrorCode::kUnavailable);
    const core::Status refused = core::fail(who.error());
    EXPECT_EQ(elsewhere.answer_lines(request({{kFrontTokenHeader, kToken}}), {}, refused),
              "Millrace-Cluster: unknown-tenant\r\n");
    EXPECT_EQ(elsewhere.answer_lines(request({}), {}, refused), "");
}

TEST_F(TrustedFrontTest, WhoWasFoundIsToldOnlyWhereKeysLiveAndOnlyToTheFront) {
    Principal found;
    found.scopes.add(Scope::kEventsWrite);
    const core::Status good;
    const auto asked = request({{kFrontTokenHeader, kToken}});
    EXPECT_TRUE(home.answer_lines(asked, found, good).starts_with("Millrace-Principal: "));
    EXPECT_EQ(home.answer_lines(asked, {}, good), "");
    EXPECT_EQ(elsewhere.answer_lines(asked, found, good), "");
    EXPECT_EQ(home.answer_lines(request({}), found, good), "");
}

TEST_F(TrustedFrontTest, WhileTheLogDoesNotAnswerNothingIsTakenAndAllIsRead) {
    std::atomic<std::int64_t> until{100};
    const TrustedFront front(kToken, false, "", &until);
    EXPECT_TRUE(front.takes(io::Method::kPost, 99));
    const auto refused = front.takes(io::Method::kPost, 100);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, core::ErrorCode::kUnavailable);
    EXPECT_EQ(refused.error().retry_after_seconds, 1);
    EXPECT_TRUE(front.takes(io::Method::kGet, 100));
    EXPECT_TRUE(elsewhere.takes(io::Method::kPost, 100));
}

}  // namespace
}  // namespace millrace::runtime::identity
