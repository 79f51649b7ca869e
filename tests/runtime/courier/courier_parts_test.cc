// Goal: no call reaches what is not public unless it is listed, however its address is written; a
// redirect takes no credentials along; groups of calls keep to their limits and take turns.
// Method: addresses by class and at the edges of their networks, random ones against inet_pton's
// text; the rest by hand.
#include "core/http_url.h"
#include "core/random.h"
#include "runtime/courier/address_rules.h"
#include "runtime/courier/call_groups.h"
#include "runtime/courier/redirect.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace millrace::courier {
namespace {

AddressRules rules(std::string_view allow = "", std::string_view deny = "") {
    auto made = AddressRules::make(allow, deny);
    EXPECT_TRUE(made) << made.error().message;
    return *made;
}

bool blocked(const AddressRules& of, std::string_view address, std::string_view host = "h.test") {
    const auto bytes = parse_address(address);
    EXPECT_TRUE(bytes) << address;
    return !of.blocked_because(host, *bytes).empty();
}

TEST(AddressRules, WhatIsNotPublicIsBlocked) {
    const AddressRules standard = rules();
    for (const char* address : {"0.0.0.0",
                                "10.0.0.1",
                                "10.255.255.255",
                                "100.64.0.1",
                                "100.127.255.255",
                                "127.0.0.1",
                                "127.255.255.254",
                                "169.254.169.254",
                                "172.16.0.1",
                                "172.31.255.255",
                                "192.0.0.1",
                                "192.0.2.1",
                                "192.168.1.1",
                                "198.18.0.1",
                                "198.51.100.1",
                                "203.0.113.9",
                                "224.0.0.1",
                                "239.255.255.255",
                                "240.0.0.1",
                                "255.255.255.255",
                                "::",
                                "::1",
                                "::7f00:1",
                                "fe80::1",
                                "febf::1",
                                "fec0::1",
                                "fc00::1",
                                "fdff::1",
                                "ff02::1",
                                "2001:db8::1",
                                "2001::1",
                                "::ffff:127.0.0.1",
                                "::ffff:169.254.169.254",
                                "64:ff9b::7f00:1",
                                "64:ff9b:1::1",
                                "64:ff9b:1:7f00:0:100::",
                                "::ffff:0:127.0.0.1",
                                "::ffff:0:10.0.0.1",
                                "2606:4700::5efe:10.0.0.1",
                                "2606:4700::200:5efe:127.0.0.1",
                                "2002:7f00:1::",
                                "2002:a00:1::1",
                                "100::1"})
        EXPECT_TRUE(blocked(standard, address)) << address;
    for (const char* address :
         {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.0.0.1",
          "128.0.0.1", "169.253.0.1", "172.15.0.1", "172.32.0.1", "192.167.0.1", "223.255.255.255",
          "2606:4700::1111", "2a00:1450::1", "64:ff9b::101:101", "::ffff:1.1.1.1"})
        EXPECT_FALSE(blocked(standard, address)) << address;
}

TEST(AddressRules, ListsAreOfAddressesNetworksAndNames) {
    const AddressRules own =
        rules(" 127.0.0.1 ,10.1.0.0/16, fd00::/8,*.inner.test, box.test,,[::1]",
              "10.1.2.0/24,93.184.216.34,bad.test");
    EXPECT_FALSE(blocked(own, "127.0.0.1"));
    EXPECT_FALSE(blocked(own, "::ffff:127.0.0.1"));
    EXPECT_TRUE(blocked(own, "127.0.0.2"));
    EXPECT_FALSE(blocked(own, "10.1.255.255"));
    EXPECT_TRUE(blocked(own, "10.1.2.3")) << "denied counts before allowed";
    EXPECT_TRUE(blocked(own, "10.2.0.1"));
    EXPECT_FALSE(blocked(own, "fd12::1"));
    EXPECT_FALSE(blocked(own, "::1"));
    EXPECT_FALSE(blocked(own, "192.168.0.1", "a.inner.test"));
    EXPECT_TRUE(blocked(own, "192.168.0.1", "inner.test"));
    EXPECT_TRUE(blocked(own, "192.168.0.1", "ainner.test"));
    EXPECT_FALSE(blocked(own, "192.168.0.1", "box.test"));
    EXPECT_TRUE(blocked(own, "93.184.216.34"));
    EXPECT_TRUE(own.denies_name("bad.test"));
    EXPECT_FALSE(own.denies_name("good.test"));
}

TEST(AddressRules, WhatIsDeniedIsDeniedInEveryForm) {
    const AddressRules own = rules("0.0.0.0/0,::/0", "127.0.0.1,::1,10.0.0.0/8");
    for (const char* address :
         {"127.0.0.1", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1", "::ffff:0:127.0.0.1",
          "::127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b:1::127.0.0.1",
          "64:ff9b:1:7f00:0:100::", "2002:7f00:1::", "2002:7f00:1::9", "fe80::5efe:127.0.0.1",
          "::ffff:0:10.1.2.3", "64:ff9b::10.1.2.3", "2002:a01:203::1"})
        EXPECT_TRUE(blocked(own, address)) << address;
    for (const char* address : {"127.0.0.2", "1.1.1.1", "::ffff:0:1.1.1.1", "2002:101:101::1"})
        EXPECT_FALSE(blocked(own, address)) << address;
}

TEST(AddressRules, BadListsAreNamed) {
    for (const char* list : {"10.0.0.0/33", "10.0.0.0/", "a b", "::/129", "http://x/"}) {
        const auto made = AddressRules::make(list, "");
        ASSERT_FALSE(made) << list;
        EXPECT_EQ(made.error().field, "http_client.allow");
    }
    EXPECT_EQ(AddressRules::make("", "?").error().field, "http_client.deny");
}

TEST(AddressRules, AnyAddressIsJudgedAlikeInEitherForm) {
    core::Random random(7);
    const AddressRules standard = rules();
    for (int i = 0; i < 20'000; ++i) {
        std::uint8_t four[4];
        for (std::uint8_t& byte : four) byte = static_cast<std::uint8_t>(random.next());
        if (random.below(2) == 0) four[0] = "\x0a\x7f\xa9\xac\xc0\x64"[random.below(6)];
        const AddressBytes mapped = address_of_v4(four);
        AddressBytes nat{0, 0x64, 0xff, 0x9b};
        std::copy(four, four + 4, nat.begin() + 12);
        EXPECT_EQ(standard.blocked_because("h", mapped).empty(),
                  standard.blocked_because("h", nat).empty())
            << address_text(mapped);
        EXPECT_EQ(*parse_address(address_text(mapped)), mapped);
    }
}

TEST(HttpUrl, ReadsOneWayOnly) {
    const auto url = core::HttpUrl::parse("HTTPS://Example.COM.:8443/a?b#c");
    ASSERT_TRUE(url) << url.error().message;
    EXPECT_EQ(url->host, "example.com");
    EXPECT_EQ(url->port, 8443);
    EXPECT_TRUE(url->tls);
    EXPECT_EQ(core::HttpUrl::parse("http://[::1]:80/")->host, "::1");
    EXPECT_EQ(core::HttpUrl::parse("http://h")->port, 80);
    for (const char* bad :
         {"", "http://", "//127.0.0.1/", "ftp://h/", "dict://127.0.0.1:11211/stats",
          "jar:http://127.0.0.1!/", "http://127.0.0.1\\@example.com/", "http://u:p@h/",
          "http://exam\tple.com@127.0.0.1/", "http://example.com:99999/", "http://h:0/",
          "http://h:/", "http://h :80/", "http://\xe2\x91\xa0.test/", "http://a..b/",
          "http://[::1/", "http://h\n/", "http:///x"})
        EXPECT_FALSE(core::HttpUrl::parse(bad)) << bad;
    EXPECT_FALSE(core::HttpUrl::parse("http://" + std::string(64, 'a') + ".com/"));
}

TEST(Redirect, LeavesCredentialsAtTheirOrigin) {
    HttpCall call;
    call.method = "POST";
    call.url = "https://a.test/x";
    call.body = "b";
    call.headers = {{"Authorization", "t"}, {"Content-Type", "text/plain"}, {"X-Own", "1"}};
    HttpCall same = call;
    EXPECT_TRUE(follow_redirect(same, 307, "https://a.test/y"));
    EXPECT_EQ(same.method, "POST");
    EXPECT_EQ(same.headers.size(), 3u);
    EXPECT_TRUE(follow_redirect(same, 303, "https://a.test/z"));
    EXPECT_EQ(same.headers, (HttpHeaders{{"Authorization", "t"}, {"X-Own", "1"}}));
    call.headers.emplace_back("Accept", "*/*");
    EXPECT_TRUE(follow_redirect(call, 303, "https://a.test:444/y"));
    EXPECT_EQ(call.method, "GET");
    EXPECT_EQ(call.body, "");
    EXPECT_EQ(call.headers, (HttpHeaders{{"Accept", "*/*"}}));
}

TEST(Redirect, NoBodyGoesToAnotherOrigin) {
    HttpCall call;
    call.method = "POST";
    call.url = "https://a.test/x";
    call.body = "b";
    EXPECT_FALSE(follow_redirect(call, 307, "https://b.test/x"));
    EXPECT_FALSE(follow_redirect(call, 308, "http://a.test/x"));
    EXPECT_EQ(call.url, "https://a.test/x");
    call.body.clear();
    call.headers = {{"X-Token", "1"}};
    EXPECT_TRUE(follow_redirect(call, 307, "https://b.test/x"));
    EXPECT_EQ(call.method, "POST");
    EXPECT_TRUE(call.headers.empty());
}

TEST(CallGroups, KeepToTheirLimits) {
    CallGroups groups({100, 3});
    for (std::uint64_t call = 1; call <= 4; ++call) groups.wait(call, {1, 7, 2, 0});
    groups.wait(5, {1, 9, 0, 0});
    EXPECT_EQ(groups.next(0), 1u);
    EXPECT_EQ(groups.next(0), 5u) << "groups take turns";
    EXPECT_EQ(groups.next(0), 2u);
    EXPECT_EQ(groups.next(0), std::nullopt) << "the pool is full";
    groups.ended(9);
    EXPECT_EQ(groups.next(0), std::nullopt) << "the group is full";
    groups.ended(7);
    EXPECT_EQ(groups.next(0), 3u);
    EXPECT_TRUE(groups.forget(4, 7));
    EXPECT_FALSE(groups.forget(4, 7));
    EXPECT_EQ(groups.waiting(), 0u);
}

TEST(CallGroups, KeepToTheirRate) {
    CallGroups groups({100});
    for (std::uint64_t call = 1; call <= 3; ++call) groups.wait(call, {0, 1, 0, 10});
    EXPECT_EQ(groups.next(1'000), 1u);
    EXPECT_EQ(groups.next(1'000), std::nullopt);
    ASSERT_TRUE(groups.next_at_ns());
    EXPECT_EQ(*groups.next_at_ns(), 1'000 + 100'000'000);
    EXPECT_EQ(groups.next(100'001'000), 2u);
    groups.ended(1);
    groups.ended(1);
    EXPECT_EQ(groups.next(150'000'000), std::nullopt) << "a rate outlives its calls";
    EXPECT_EQ(groups.next(300'000'000), 3u);
}

TEST(CallGroups, ForgetThoseThatHaveNothingLeft) {
    CallGroups groups({100});
    for (std::uint64_t call = 1; call <= 3; ++call) groups.wait(call, {0, call, 0, 0});
    EXPECT_EQ(groups.next(0), 1u);
    groups.ended(1);
    EXPECT_TRUE(groups.forget(2, 2));
    EXPECT_EQ(groups.groups(), 1u) << "the one that waits";
    EXPECT_TRUE(groups.forget(3, 3));
    EXPECT_EQ(groups.groups(), 0u);
    // Those with a rate are remembered for what they have used of it: so many.
    for (std::uint64_t group = 1; group <= CallGroups::kRatedMax + 50; ++group) {
        groups.wait(group, {0, group, 0, 10});
        ASSERT_EQ(groups.next(0), group);
        groups.ended(group);
    }
    EXPECT_EQ(groups.groups(), CallGroups::kRatedMax);
    groups.wait(1, {0, CallGroups::kRatedMax, 0, 10});
    EXPECT_EQ(groups.next(0), std::nullopt) << "of the newest the rate still counts";
}

}  // namespace
}  // namespace millrace::courier
