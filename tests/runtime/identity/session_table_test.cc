// Goal: a session stands for its key and for nothing else, for as long as it was given, and
// comes only by a cookie of the server's own port.
// Method: a table, a ring with one key, requests made by hand.
#include "runtime/identity/session_table.h"

#include "runtime/identity/authenticator.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime::identity {
namespace {

constexpr std::int64_t kHourUs = 3'600'000'000;

TEST(SessionTable, AKeyIsFoundUntilTheTimeIsOver) {
    SessionTable sessions;
    const std::string session = sessions.open("the key", 0, kHourUs);
    EXPECT_EQ(session.size(), 64u);
    EXPECT_EQ(sessions.find(session, kHourUs - 1), "the key");
    EXPECT_FALSE(sessions.find(session, kHourUs));
    EXPECT_FALSE(sessions.find("", 0));
    EXPECT_NE(session, sessions.open("the key", 0, kHourUs));
}

TEST(SessionTable, WhatIsClosedIsGone) {
    SessionTable sessions;
    const std::string session = sessions.open("k", 0, kHourUs);
    sessions.close("another");
    EXPECT_TRUE(sessions.find(session, 0));
    sessions.close(session);
    EXPECT_FALSE(sessions.find(session, 0));
}

TEST(SessionTable, TheOneThatEndsFirstMakesRoom) {
    SessionTable sessions;
    const std::string first = sessions.open("k", 0, kHourUs / 2);
    std::string last;
    for (std::size_t i = 1; i < SessionTable::kSessionsMax; ++i)
        last = sessions.open("k", 0, kHourUs);
    EXPECT_TRUE(sessions.find(first, 0));
    sessions.open("k", 0, kHourUs);
    EXPECT_FALSE(sessions.find(first, 0));
    EXPECT_TRUE(sessions.find(last, 0));
    EXPECT_EQ(sessions.size(), SessionTable::kSessionsMax);
}

TEST(SessionCookie, ItsNameSaysThePortThatTheBrowserSees) {
    EXPECT_EQ(session_cookie_name("127.0.0.1:7070"), "millrace_session_7070");
    EXPECT_EQ(session_cookie_name("[::1]:8080"), "millrace_session_8080");
    EXPECT_EQ(session_cookie_name("[::1]"), "millrace_session_80");
    EXPECT_EQ(session_cookie_name("millrace.local"), "millrace_session_80");
}

TEST(SessionTable, OverTlsItsCookieIsOfThisHostAlone) {
    constexpr auto kSecure = CookieForm::kSecure;
    EXPECT_EQ(session_cookie_name("h:7443", kSecure), "__Host-millrace_session_7443");
    EXPECT_EQ(session_cookie_name("h", kSecure), "__Host-millrace_session_443");
    EXPECT_EQ(find_session_cookie("__Host-millrace_session_7=abc", "h:7", kSecure), "abc");
    EXPECT_EQ(find_session_cookie("millrace_session_7=abc", "h:7", kSecure), "")
        << "anybody on the way to this host may have set that one";
    EXPECT_EQ(find_session_cookie("__Host-millrace_session_7=abc", "h:7"), "");
}

TEST(SessionCookie, IsFoundAmongOthers) {
    EXPECT_EQ(find_session_cookie("a=b; millrace_session_1=x; millrace_session_7=abc; c=d", "h:7"),
              "abc");
    EXPECT_EQ(find_session_cookie("millrace_session_77=x", "h:7"), "");
    EXPECT_EQ(find_session_cookie("xmillrace_session_7=x", "h:7"), "");
    EXPECT_EQ(find_session_cookie("", "h:7"), "");
    EXPECT_EQ(find_session_cookie(";;=;", "h:7"), "");
}

class SessionCallerTest : public testing::Test {
protected:
    SessionCallerTest() {
        identity->id = "key_1";
        identity->holder = std::make_shared<KeyHolder>();
        identity->tenant = std::make_shared<TenantHolder>();
        auto grant = std::make_shared<KeyGrant>();
        grant->tenant = core::TenantId{7};
        grant->key = identity;
        auto table = std::make_shared<KeyTable>();
        table->put({core::crypto::sha256(text), 0, grant});
        ring.publish(table);
        ring.close();
        session = sessions.open(text, clock.wall_us(), kHourUs);
    }
    core::Result<Principal> ask(std::vector<io::HeaderField> headers,
                                std::string_view host = "127.0.0.1:7070") {
        const std::string cookie = "millrace_session_7070=" + session;
        headers.push_back({"Cookie", cookie});
        io::Request request;
        request.host = host;
        request.headers = headers;
        return authenticator.authenticate({.peer = {}, .http = &request, .key = {}});
    }

    const std::string text = make_key_text(KeyBits{1});
    std::shared_ptr<KeyIdentity> identity = std::make_shared<KeyIdentity>();
    core::ManualClock clock;
    KeyRing ring;
    SessionTable sessions;
    std::string session;
    Authenticator authenticator{
        *HostNames::make("127.0.0.1:7070", ""), {}, &ring, &clock, {}, &sessions};
};

TEST_F(SessionCallerTest, ASessionIsItsKey) {
    const auto principal = ask({});
    ASSERT_TRUE(principal) << principal.error().message;
    EXPECT_EQ(principal->tenant, core::TenantId{7});
    EXPECT_EQ(principal->key_id(), "key_1");
}

TEST_F(SessionCallerTest, AnotherSitesPageHasNothingOfIt) {
    for (const io::HeaderField header : {io::HeaderField{"Sec-Fetch-Site", "cross-site"},
                                         io::HeaderField{"Origin", "http://evil.example"}}) {
        const auto principal = ask({header});
        ASSERT_FALSE(principal) << header.name;
        EXPECT_EQ(principal.error().code, core::ErrorCode::kForbidden);
    }
    EXPECT_FALSE(ask({}, "evil.example:7070"));
    EXPECT_TRUE(ask({{"Sec-Fetch-Site", "same-origin"}, {"Origin", "http://127.0.0.1:7070"}}));
}

TEST_F(SessionCallerTest, AKeyThatIsGoneTakesItsSessionsWithIt) {
    ring.publish(std::make_shared<const KeyTable>());
    const auto principal = ask({});
    ASSERT_FALSE(principal);
    EXPECT_EQ(principal.error().code, core::ErrorCode::kUnauthorized);
}

TEST_F(SessionCallerTest, AKeyThatIsShownIsWhoAsks) {
    const auto principal = ask({{"X-API-Key", "mr_live_wrong"}});
    ASSERT_FALSE(principal);
    EXPECT_EQ(principal.error().code, core::ErrorCode::kUnauthorized);
}

}  // namespace
}  // namespace millrace::runtime::identity
