// Goal: what a sender signed with a live secret is good, and nothing else is.
// Method: vectors that GitHub, Slack and Standard Webhooks publish, and what is wrong one thing at
// a time.
#include "runtime/inbound/signature.h"

#include "core/base64.h"
#include "core/crypto/secret_bytes.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::inbound {
namespace {

using Headers = std::vector<io::HeaderField>;

Verdict judge(const SignatureRules& rules, std::vector<std::string_view> secrets,
              const Headers& headers, std::string_view body, std::int64_t now_seconds) {
    return verify(rules, secrets, {.headers = headers, .content_type = {}, .body = body},
                  now_seconds * 1'000'000);
}

constexpr std::string_view kGithubCode =
    "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

TEST(Signature, TakesGithubsPublishedExample) {
    const SignatureRules rules{.scheme = Scheme::kGithub};
    const auto with = [&](std::vector<std::string_view> secrets, std::string_view code,
                          std::string_view body) {
        return judge(rules, std::move(secrets), {{"x-hub-signature-256", code}}, body, 1).good;
    };
    constexpr std::string_view kSecret = "It's a Secret to Everybody";
    EXPECT_TRUE(with({kSecret}, kGithubCode, "Hello, World!"));
    EXPECT_TRUE(with({"newer", kSecret}, kGithubCode, "Hello, World!"));
    EXPECT_FALSE(with({kSecret}, kGithubCode, "Hello, World?"));
    EXPECT_FALSE(with({"newer"}, kGithubCode, "Hello, World!"));
    EXPECT_FALSE(with({}, kGithubCode, "Hello, World!"));
    EXPECT_FALSE(with({kSecret}, kGithubCode.substr(0, 70), "Hello, World!"));
    EXPECT_FALSE(with({kSecret}, kGithubCode.substr(7), "Hello, World!"));
    EXPECT_FALSE(with({kSecret}, "sha256=", "Hello, World!"));
    EXPECT_FALSE(with({kSecret}, "sha1=757107ea", "Hello, World!"));
}

TEST(Signature, RefusesAHeaderThatCameTwice) {
    const SignatureRules rules{.scheme = Scheme::kGithub};
    const Headers twice = {{"X-Hub-Signature-256", kGithubCode},
                           {"X-HUB-SIGNATURE-256", kGithubCode}};
    EXPECT_EQ(judge(rules, {"It's a Secret to Everybody"}, twice, "Hello, World!", 1).why,
              "a header that counts came twice");
    EXPECT_EQ(judge(rules, {"x"}, {}, "", 1).why, "the signature's header is missing");
}

TEST(Signature, TakesStandardWebhooksPublishedExample) {
    const SignatureRules rules{.scheme = Scheme::kStandardWebhooks};
    constexpr std::string_view kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    constexpr std::string_view kBody = R"({"test": 2432232314})";
    constexpr std::string_view kCode = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const auto headers = [](std::string_view code, std::string_view time) {
        return Headers{{"webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
                       {"webhook-timestamp", time},
                       {"webhook-signature", code}};
    };
    constexpr std::int64_t kThen = 1614265330;
    EXPECT_TRUE(judge(rules, {kSecret}, headers(kCode, "1614265330"), kBody, kThen).good);
    EXPECT_TRUE(
        judge(rules, {kSecret.substr(6)}, headers(kCode, "1614265330"), kBody, kThen + 300).good);
    const std::string several = "v1,AAAA v2,BBBB " + std::string(kCode);
    EXPECT_TRUE(judge(rules, {kSecret}, headers(several, "1614265330"), kBody, kThen - 300).good);
    EXPECT_FALSE(judge(rules, {kSecret}, headers(kCode, "1614265330"), kBody, kThen + 301).good);
    EXPECT_FALSE(judge(rules, {kSecret}, headers(kCode, "1614265330"), kBody, kThen - 301).good);
    EXPECT_FALSE(judge(rules, {kSecret}, headers(kCode, "1614265331"), kBody, kThen).good);
    EXPECT_FALSE(judge(rules, {kSecret}, headers(kCode, "16142653e1"), kBody, kThen).good);
    EXPECT_FALSE(judge(rules, {kSecret}, headers(kCode, "-1"), kBody, kThen).good);
    EXPECT_FALSE(judge(rules, {kSecret}, headers("v2,x", "1614265330"), kBody, kThen).good);
    EXPECT_FALSE(check_secret(rules.scheme, "whsec_not base64").empty());
    EXPECT_TRUE(check_secret(rules.scheme, kSecret).empty());
}

TEST(Signature, TakesWhatSendersSignWithAKeyOfTheirOwn) {
    const SignatureRules rules{.scheme = Scheme::kStandardWebhooks};
    const std::string seed(core::crypto::kEd25519SeedBytes, '7');
    const auto base64 = [](std::string_view bytes) {
        std::string text;
        core::append_base64(text, bytes);
        return text;
    };
    const std::string key = "whpk_" + base64(core::crypto::public_key_ed25519(seed));
    const auto headers = [](std::string_view signatures) {
        return Headers{{"webhook-id", "msg_1"},
                       {"webhook-timestamp", "1000"},
                       {"webhook-signature", signatures}};
    };
    const std::string good =
        "v1a," + base64(core::crypto::sign_ed25519(seed, "msg_1.1000.{\"a\":1}"));
    EXPECT_TRUE(check_secret(rules.scheme, key).empty());
    EXPECT_TRUE(judge(rules, {key}, headers(good), R"({"a":1})", 1000).good);
    EXPECT_TRUE(
        judge(rules, {"whsec_AAAA", key}, headers("v1,AAAA " + good), R"({"a":1})", 1000).good);
    EXPECT_FALSE(judge(rules, {key}, headers(good), R"({"a":2})", 1000).good);
    EXPECT_FALSE(judge(rules, {key}, headers(good), R"({"a":1})", 1301).good);
    EXPECT_FALSE(judge(rules, {"whsec_AAAA"}, headers(good), R"({"a":1})", 1000).good);
    for (const char* bad : {"v1a,", "v1a,AAAA", "v1a,!", "v1,AAAA"})
        EXPECT_FALSE(judge(rules, {key}, headers(bad), R"({"a":1})", 1000).good) << bad;
    EXPECT_FALSE(check_secret(rules.scheme, "whpk_AAAA").empty());
    EXPECT_TRUE(sign(rules, key, "msg_1", "{}", 1)[0].first.empty());
}

TEST(Signature, TakesSlacksPublishedExample) {
    const SignatureRules rules{.scheme = Scheme::kSlack};
    constexpr std::string_view kBody =
        "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        "&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
        "&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
        "%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const Headers headers = {
        {"X-Slack-Request-Timestamp", "1531420618"},
        {"X-Slack-Signature",
         "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"}};
    constexpr std::string_view kSecret = "8f742231b10e8888abcd99yyyzzz85a5";
    EXPECT_TRUE(judge(rules, {kSecret}, headers, kBody, 1531420618).good);
    EXPECT_FALSE(judge(rules, {kSecret}, headers, kBody, 1531420618 + 1000).good);
    EXPECT_FALSE(judge(rules, {kSecret}, {headers[1]}, kBody, 1531420618).good);
}

TEST(Signature, TakesAnyOfStripesSignatures) {
    const SignatureRules rules{.scheme = Scheme::kStripe};
    constexpr std::string_view kBody = R"({"id":"evt_1"})";
    const std::string code = [&] {
        return sign(rules, "whsec_test_secret", "", kBody, 1492774577'000000)[0].second;
    }();
    EXPECT_EQ(code.substr(0, 16), "t=1492774577,v1=");
    const auto with = [&](const std::string& value, std::int64_t now) {
        return judge(rules, {"whsec_test_secret"}, {{"Stripe-Signature", value}}, kBody, now).good;
    };
    EXPECT_TRUE(with(code, 1492774577));
    EXPECT_TRUE(with("t=1492774577,v0=00,v1=abcd," + code.substr(13), 1492774577));
    EXPECT_FALSE(with(code, 1492774577 + 301));
    EXPECT_FALSE(with("t=1,t=1492774577," + code.substr(13), 1492774577));
    EXPECT_FALSE(with("t=1492774577", 1492774577));
    EXPECT_FALSE(with(code.substr(13), 1492774577));
    std::string many = "t=1492774577";
    for (std::size_t i = 0; i <= kSignaturesMax; ++i) many += ",v1=00";
    EXPECT_FALSE(with(many, 1492774577));
}

TEST(Signature, GoesByAConfiguredForm) {
    const HmacForm form{"X-Code", "hmac ", "{timestamp}:{body}", Encoding::kBase64, "X-Time"};
    const SignatureRules rules{.scheme = Scheme::kHmac, .form = &form, .tolerance_us = 1'000'000};
    const auto made = sign(rules, "hush", "", "body", 77'000'000);
    const Headers headers = {{made[0].first, made[0].second}, {made[1].first, made[1].second}};
    EXPECT_EQ(made[1].second, "77");
    EXPECT_TRUE(judge(rules, {"hush"}, headers, "body", 77).good);
    EXPECT_FALSE(judge(rules, {"hush"}, headers, "body", 79).good);
    EXPECT_FALSE(judge(rules, {"hush"}, headers, "bodY", 77).good);
}

TEST(Signature, WhatAServerSignsItTakes) {
    for (const auto& [name, scheme] : kSchemes) {
        const HmacForm form{"X-Sig", "", "{body}", Encoding::kHex, ""};
        const SignatureRules rules{.scheme = scheme, .form = &form};
        const std::string_view secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        const auto made = sign(rules, secret, "id-1", "{}", 1'000'000'000);
        Headers headers;
        for (const auto& [header, value] : made) {
            if (!header.empty()) headers.push_back({header, value});
        }
        EXPECT_TRUE(judge(rules, {secret}, headers, "{}", 1000).good) << name;
    }
}

TEST(FactPlace, IsAHeaderOrAPath) {
    FactPlace place;
    EXPECT_TRUE(parse_fact_place("header:X-Id", place));
    EXPECT_EQ(place.header, "X-Id");
    EXPECT_TRUE(parse_fact_place("$.data.id", place));
    EXPECT_EQ(place.path, (std::vector<std::string>{"data", "id"}));
    EXPECT_TRUE(place.header.empty());
    for (const char* bad : {"", "id", "header:", "$.", "$.a..b", "$"})
        EXPECT_FALSE(parse_fact_place(bad, place)) << bad;
}

}  // namespace
}  // namespace millrace::runtime::inbound
