// Goal: what was found of a client counts for a moment, a refusal for a shorter one; and while
// nobody can be asked, what was found lets in whom it let in, and nobody else.
#include "runtime/node/judged.h"

#include "runtime/identity/trusted_front.h"

#include <gtest/gtest.h>

namespace millrace::runtime::node {
namespace {

constexpr std::int64_t kMs = 1'000'000;

std::string principal_of(std::string_view tenant, bool with_key = true) {
    identity::Principal principal;
    principal.scopes.add(identity::Scope::kEventsWrite);
    if (with_key) {
        auto key = std::make_shared<identity::KeyIdentity>();
        key->id = "key_1";
        key->name = "Kasse \"3\"";
        key->role = identity::Role::kPublisher;
        key->patterns.push_back(*matcher::parse_wildcard("order.*"));
        principal.key = key;
    }
    return identity::principal_text(principal, tenant);
}

TEST(Judged, APrincipalComesBackAsItWas) {
    const auto told = identity::read_principal(principal_of("acme"));
    ASSERT_TRUE(told) << told.error().message;
    EXPECT_EQ(told->tenant, "acme");
    EXPECT_TRUE(told->principal.scopes.has(identity::Scope::kEventsWrite));
    EXPECT_FALSE(told->principal.scopes.has(identity::Scope::kEventsRead));
    ASSERT_TRUE(told->principal.key);
    EXPECT_EQ(told->principal.key->name, "Kasse \"3\"");
    EXPECT_TRUE(told->principal.key->may_see("order.paid"));
    EXPECT_FALSE(told->principal.key->may_see("invoice.paid"));
    EXPECT_FALSE(identity::read_principal("e30"));
    EXPECT_FALSE(identity::read_principal(""));
    EXPECT_FALSE(identity::read_principal("????"));
}

TEST(Judged, CountsForAMomentAndLongerWhereNobodyCanBeAsked) {
    Judged judged;
    judged.put("k", Judged::of_answer(200, principal_of("acme"), "", 0));
    EXPECT_EQ(judged.fresh("k", 1999 * kMs)->tenant, "acme");
    EXPECT_EQ(judged.fresh("k", 2000 * kMs), nullptr);
    EXPECT_NE(judged.stale("k", 59'999 * kMs), nullptr);
    EXPECT_EQ(judged.stale("k", 60'000 * kMs), nullptr);
    EXPECT_EQ(judged.fresh("other", 0), nullptr);
    judged.clear();
    EXPECT_EQ(judged.stale("k", 0), nullptr);
}

TEST(Judged, ARefusalIsShorterAndNeverStale) {
    Judged judged;
    judged.put("k", Judged::of_answer(401, "", "no", 0));
    EXPECT_EQ(judged.fresh("k", 499 * kMs)->status, 401);
    EXPECT_EQ(judged.fresh("k", 500 * kMs), nullptr);
    EXPECT_EQ(judged.stale("k", 0), nullptr);
}

TEST(Judged, SomebodyWithoutTheScopeOfTheQuestionIsSomebodyAllTheSame) {
    const Judgement who = Judged::of_answer(403, principal_of("acme"), "lacks api:read", 0);
    EXPECT_EQ(who.tenant, "acme");
    EXPECT_TRUE(who.has_key);
    EXPECT_FALSE(Judged::of_answer(200, principal_of("default", false), "", 0).has_key);
    EXPECT_TRUE(Judged::of_answer(200, "broken", "", 0).principal.empty());
}

TEST(Judged, TheOldestLeaveAndRefusalsPushOutNobodyWhoIsSomebody) {
    Judged judged;
    judged.put("somebody", Judged::of_answer(200, principal_of("acme"), "", 0));
    for (std::size_t i = 0; i <= Judged::kRefusalsRemembered; ++i)
        judged.put(std::to_string(i), Judged::of_answer(401, "", "", 0));
    EXPECT_EQ(judged.fresh("0", 0), nullptr);
    EXPECT_NE(judged.fresh("1", 0), nullptr);
    EXPECT_NE(judged.fresh("somebody", 0), nullptr);
    for (std::size_t i = 0; i < Judged::kRemembered; ++i)
        judged.put("k" + std::to_string(i), Judged::of_answer(200, principal_of("acme"), "", 0));
    EXPECT_EQ(judged.fresh("somebody", 0), nullptr);
    EXPECT_NE(judged.fresh("k0", 0), nullptr);
}

TEST(Judged, WhoIsRefusedLaterIsNobody) {
    Judged judged;
    judged.put("k", Judged::of_answer(200, principal_of("acme"), "", 0));
    judged.put("k", Judged::of_answer(401, "", "", 1));
    EXPECT_EQ(judged.fresh("k", 2)->status, 401);
    EXPECT_EQ(judged.stale("k", 2), nullptr);
    judged.put("k", Judged::of_answer(200, principal_of("acme"), "", 3));
    EXPECT_EQ(judged.fresh("k", 4)->tenant, "acme");
    EXPECT_EQ(Judged::digest_of(std::string(1 << 20, 'x')).size(), 32u);
}

// Its turn to leave comes by when it was known last, however often it was refused in between.
TEST(Judged, WhoWasRefusedInBetweenIsNew) {
    Judged judged;
    const auto know = [&](const std::string& shown) {
        judged.put(shown, Judged::of_answer(200, principal_of("acme"), "", 0));
    };
    know("k");
    judged.put("k", Judged::of_answer(401, "", "", 0));
    know("before");
    know("k");
    for (std::size_t i = 0; i + 1 < Judged::kRemembered; ++i) know("k" + std::to_string(i));
    EXPECT_EQ(judged.fresh("before", 0), nullptr);
    EXPECT_NE(judged.fresh("k", 0), nullptr);
}

}  // namespace
}  // namespace millrace::runtime::node
