// Goal: what a webhook signs, sends and makes of an answer is what the standard and the rules say;
// a breaker opens, probes and closes; templates of commands stay in their element.
// Method: the published vector of Standard Webhooks, a table of answers, a clock moved by hand.
#include "core/base64.h"
#include "core/crypto/random_bits.h"
#include "core/crypto/secret_bytes.h"
#include "runtime/executors/circuit_breaker.h"
#include "runtime/executors/command_executor.h"
#include "runtime/executors/command_template.h"
#include "runtime/executors/endpoints.h"
#include "runtime/executors/webhook_answer.h"
#include "runtime/executors/webhook_call.h"
#include "runtime/executors/webhook_signature.h"
#include "runtime/registry/executor_body.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime {
namespace {

constexpr std::int64_t kNowUs = 1'700'000'000'000'000;
constexpr std::int64_t kSecondNs = 1'000'000'000;

TEST(WebhookSignature, IsThatOfTheStandard) {
    const SignedText text{"msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})"};
    const std::string expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const std::string secret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    EXPECT_EQ(webhook_signature(text, "whsec_" + secret, WebhookSigning::kHmac), expected);
    EXPECT_EQ(webhook_signature(text, secret, WebhookSigning::kHmac), expected);
    WebhookSecrets both{"whsec_" + secret, new_webhook_secret(WebhookSigning::kHmac), kNowUs + 1};
    EXPECT_EQ(webhook_signatures(text, both, WebhookSigning::kHmac, kNowUs).find(expected + " v1,"),
              0u);
    EXPECT_EQ(webhook_signatures(text, both, WebhookSigning::kHmac, kNowUs + 1), expected)
        << "the old one is over";
}

// RFC 8032, 7.1, test 2.
TEST(WebhookSignature, ByEd25519) {
    const auto from_hex = [](std::string_view hex) {
        std::string out;
        for (std::size_t i = 0; i < hex.size(); i += 2)
            out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
        return out;
    };
    const std::string seed =
        from_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    EXPECT_EQ(core::crypto::public_key_ed25519(seed),
              from_hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"));
    EXPECT_EQ(core::crypto::sign_ed25519(seed, "\x72"),
              from_hex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                       "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"));
    EXPECT_EQ(webhook_signature({"i", 1, "b"}, new_webhook_secret(WebhookSigning::kEd25519),
                                WebhookSigning::kEd25519)
                  .substr(0, 4),
              "v1a,");
}

TEST(SealedTexts, OpenOnlyWhereTheyWereSealed) {
    const std::string key = core::crypto::random_bytes(core::crypto::kSealKeyBytes);
    std::string sealed = core::crypto::seal(key, "text", "here");
    EXPECT_NE(sealed, core::crypto::seal(key, "text", "here"));
    EXPECT_EQ(core::crypto::open_sealed(key, sealed, "here"), "text");
    EXPECT_FALSE(core::crypto::open_sealed(key, sealed, "there"));
    sealed[14] = static_cast<char>(sealed[14] ^ 1);
    EXPECT_FALSE(core::crypto::open_sealed(key, sealed, "here"));
    EXPECT_FALSE(core::crypto::open_sealed(key, "short", "here"));
    for (const std::string& text : {std::string(), std::string("f"), std::string("fo"),
                                    std::string("foo"), std::string("\0\xff", 2)}) {
        std::string encoded = core::encode_base64(text);
        EXPECT_EQ(core::decode_base64(encoded, core::Base64Form::kPaddingOrNone), text);
        while (encoded.ends_with('=')) encoded.pop_back();
        EXPECT_EQ(core::decode_base64(encoded, core::Base64Form::kPaddingOrNone), text);
    }
    EXPECT_FALSE(core::decode_base64("a", core::Base64Form::kPaddingOrNone));
    EXPECT_FALSE(core::decode_base64("ab=c", core::Base64Form::kPaddingOrNone));
}

AttemptResult judged(int status, courier::HttpHeaders headers = {}, std::uint32_t silent = 0) {
    courier::HttpAnswer answer;
    answer.status = status;
    answer.headers = std::move(headers);
    answer.body = "why";
    AttemptResult result;
    judge_answer(answer, silent, kNowUs, result);
    return result;
}

TEST(WebhookAnswer, Table) {
    struct Row {
        int status;
        courier::HttpHeaders headers;
        std::uint32_t silent;
        AttemptOutcome outcome;
        bool pauses;
        std::int64_t retry_after_ms;
    };
    using Outcome = AttemptOutcome;
    const Row rows[] = {
        {200, {}, 0, Outcome::kOk, false, 0},
        {204, {{"retry-after", "5"}}, 0, Outcome::kOk, false, 0},
        {299, {}, 0, Outcome::kOk, false, 0},
        {199, {}, 0, Outcome::kFailed, false, 0},
        {302, {{"location", "/x"}}, 0, Outcome::kFailed, false, 0},
        {404, {}, 0, Outcome::kFailed, false, 0},
        {410, {}, 0, Outcome::kFatal, true, 0},
        {500, {{"webhook-delivery", "abort-message"}}, 0, Outcome::kFatal, false, 0},
        {200, {{"webhook-delivery", "abort-message"}}, 0, Outcome::kFatal, false, 0},
        {500, {{"retry-after", "5"}}, 0, Outcome::kFailed, false, 0},
        {503, {{"retry-after", "5"}}, 0, Outcome::kFailed, false, 5'000},
        {429, {{"retry-after", "7"}}, 0, Outcome::kSilent, false, 7'000},
        {429, {}, 9, Outcome::kSilent, false, 0},
        {429, {}, 10, Outcome::kFailed, false, 0},
    };
    for (const Row& row : rows) {
        const AttemptResult result = judged(row.status, row.headers, row.silent);
        EXPECT_EQ(result.outcome, row.outcome) << row.status;
        EXPECT_EQ(result.pauses, row.pauses) << row.status;
        EXPECT_EQ(result.retry_after_ms, row.retry_after_ms) << row.status;
        EXPECT_NE(result.result_json.find("\"body\":\"why\""), std::string::npos);
    }
    courier::HttpAnswer broken;
    broken.fault = courier::HttpFault::kTls;
    broken.message = "no";
    AttemptResult result;
    judge_answer(broken, 0, kNowUs, result);
    EXPECT_EQ(result.error, "TLS: no");
    EXPECT_EQ(result.outcome, AttemptOutcome::kFailed);
}

TEST(WebhookAnswer, RetryAfterOfEveryKind) {
    EXPECT_EQ(retry_after_ms("", kNowUs), 0);
    EXPECT_EQ(retry_after_ms("12", kNowUs), 12'000);
    EXPECT_EQ(retry_after_ms(" 0 ", kNowUs), 0);
    EXPECT_EQ(retry_after_ms("-5", kNowUs), 0);
    EXPECT_EQ(retry_after_ms("soon", kNowUs), 0);
    EXPECT_EQ(retry_after_ms("99999999999999999999999", kNowUs), 30LL * 86'400'000);
    EXPECT_EQ(retry_after_ms("9999999999", kNowUs), 30LL * 86'400'000);
    EXPECT_EQ(retry_after_ms("Tue, 14 Nov 2023 22:14:00 GMT", kNowUs), 40'000);
    EXPECT_EQ(retry_after_ms("Tue, 14 Nov 2023 22:13:00 GMT", kNowUs), 0) << "past";
}

TEST(CircuitBreaker, OpensAfterTenInARowAndProbes) {
    CircuitBreaker breaker;
    std::int64_t now = kSecondNs;
    for (int i = 0; i < 9; ++i) breaker.failed(now);
    EXPECT_TRUE(breaker.lets_through(now));
    breaker.failed(now);
    EXPECT_TRUE(breaker.open());
    EXPECT_FALSE(breaker.lets_through(now + 29 * kSecondNs));
    now += 30 * kSecondNs;
    EXPECT_TRUE(breaker.lets_through(now)) << "the probe";
    EXPECT_FALSE(breaker.lets_through(now)) << "one only";
    breaker.failed(now);
    EXPECT_FALSE(breaker.lets_through(now + 59 * kSecondNs));
    now += 60 * kSecondNs;
    EXPECT_TRUE(breaker.lets_through(now));
    breaker.passed();
    EXPECT_TRUE(breaker.lets_through(now)) << "it said nothing: another one";
    breaker.succeeded(now);
    EXPECT_FALSE(breaker.open());
    for (int i = 0; i < 9; ++i) breaker.failed(now);
    EXPECT_FALSE(breaker.open()) << "it begins anew";
    for (int i = 0; i < 20; ++i) {
        breaker.failed(now);
        now = std::max(now, breaker.open_until_ns());
        ASSERT_TRUE(breaker.lets_through(now));
        EXPECT_LE(breaker.open_until_ns() - now, CircuitBreaker::kOpenNsMax);
    }
}

TEST(CircuitBreaker, OpensWhenMostFail) {
    CircuitBreaker breaker;
    for (int i = 0; i < 4; ++i) {
        breaker.succeeded(kSecondNs);
        breaker.failed(kSecondNs);
        breaker.failed(kSecondNs);
        EXPECT_FALSE(breaker.open()) << "two of three";
    }
    breaker.failed(kSecondNs);
    breaker.failed(kSecondNs);
    EXPECT_TRUE(breaker.open()) << "10 of 14";
}

TEST(CircuitBreaker, ForgetsWhatIsLongAgo) {
    CircuitBreaker breaker;
    for (int i = 0; i < 8; ++i) breaker.failed(kSecondNs);
    breaker.succeeded(kSecondNs);
    const std::int64_t later = kSecondNs + CircuitBreaker::kWindowNs + 60 * kSecondNs;
    for (int i = 0; i < 3; ++i) breaker.failed(later);
    EXPECT_FALSE(breaker.open());
}

AttemptResult after(Endpoints& endpoints, AttemptOutcome outcome, std::int64_t now_ns,
                    std::int64_t now_us) {
    AttemptResult result;
    result.outcome = outcome;
    endpoints.ended(core::SubscriptionId(1), now_ns, now_us, result);
    return result;
}

TEST(Endpoints, PauseAfterFiveBadDays) {
    Endpoints endpoints;
    constexpr std::int64_t kDayUs = 86'400'000'000;
    constexpr auto kFailed = AttemptOutcome::kFailed;
    EXPECT_FALSE(after(endpoints, kFailed, 1, kNowUs).pauses);
    EXPECT_FALSE(after(endpoints, kFailed, 1, kNowUs + 4 * kDayUs).pauses);
    EXPECT_TRUE(after(endpoints, kFailed, 1, kNowUs + 5 * kDayUs).pauses);
    EXPECT_FALSE(after(endpoints, kFailed, 1, kNowUs + 5 * kDayUs + 1).pauses);
}

TEST(Endpoints, TellAtStepsOfTheFiveDaysOnceEach) {
    constexpr std::int64_t kHourUs = 3'600'000'000;
    constexpr auto kFailed = AttemptOutcome::kFailed;
    const core::SubscriptionId one(1);
    Endpoints endpoints;
    const auto told = [&](Endpoints& of, std::int64_t hours) {
        return after(of, kFailed, 1, kNowUs + hours * kHourUs).failing_percent;
    };
    EXPECT_EQ(told(endpoints, 0), 0u);
    EXPECT_EQ(told(endpoints, 59), 0u);
    const AttemptResult half = after(endpoints, kFailed, 1, kNowUs + 60 * kHourUs);
    EXPECT_EQ(half.failing_percent, 50u);
    EXPECT_EQ(half.failing_since_us, kNowUs);
    EXPECT_FALSE(half.pauses);
    EXPECT_EQ(told(endpoints, 61), 0u) << "once";
    Endpoints next;
    ASSERT_TRUE(half.kept_state);
    ASSERT_TRUE(next.restore(one, *half.kept_state, 1, kNowUs + 61 * kHourUs));
    EXPECT_EQ(told(next, 62), 0u) << "over a start too";
    EXPECT_EQ(told(next, 109), 90u) << "the highest of those that were reached";
    const AttemptResult last = after(next, kFailed, 1, kNowUs + 121 * kHourUs);
    EXPECT_EQ(last.failing_percent, 100u);
    EXPECT_TRUE(last.pauses);
    EXPECT_EQ(told(next, 122), 0u) << "it begins anew";
    after(next, AttemptOutcome::kOk, 1, kNowUs + 123 * kHourUs);
    EXPECT_EQ(told(next, 300), 0u);
    EXPECT_EQ(told(next, 361), 50u) << "of another time";
}

TEST(Endpoints, AreKnownAfterAStart) {
    const core::SubscriptionId one(1);
    constexpr auto kFailed = AttemptOutcome::kFailed;
    Endpoints before;
    const auto first = after(before, kFailed, kSecondNs, kNowUs).kept_state;
    ASSERT_TRUE(first);
    EXPECT_FALSE(after(before, kFailed, kSecondNs, kNowUs).kept_state) << "nothing new";
    AttemptResult last;
    for (int i = 0; i < 8; ++i) last = after(before, kFailed, kSecondNs, kNowUs);
    ASSERT_TRUE(last.kept_state) << "the breaker has opened";
    EXPECT_EQ(before.left_alone_ms(one, kSecondNs), 30'000);

    Endpoints next;  // ten seconds later, with another monotonic clock
    const auto pauses = next.restore(one, *last.kept_state, 77, kNowUs + 10'000'000);
    ASSERT_TRUE(pauses) << pauses.error().message;
    EXPECT_FALSE(*pauses);
    EXPECT_EQ(next.left_alone_ms(one, 77), 20'000);
    EXPECT_FALSE(next.lets_through(one, 77 + 19 * kSecondNs));
    EXPECT_TRUE(next.lets_through(one, 77 + 21 * kSecondNs));
    EXPECT_EQ(after(next, AttemptOutcome::kOk, kSecondNs, kNowUs).kept_state, std::string());

    constexpr std::int64_t kFiveDaysUs = 5 * 86'400'000'000;
    Endpoints third;
    ASSERT_TRUE(third.restore(one, *first, 1, kNowUs));
    last = after(third, kFailed, 1, kNowUs + kFiveDaysUs);
    EXPECT_TRUE(last.pauses);
    EXPECT_EQ(third.restore(one, last.kept_state.value(), 1, kNowUs).value(), true);
    for (const char* bad : {"", "[]", R"({"openUs":-1})", R"({"else":1})"})
        EXPECT_FALSE(third.restore(one, bad, 1, kNowUs)) << bad;
}

TEST(ExecutorBody, SecretTemplates) {
    const auto find = [](std::string_view name) -> core::Result<std::string> {
        if (name == "a") return std::string("{{secrets.b}}");
        return core::fail(core::ErrorCode::kNotFound, "none");
    };
    EXPECT_EQ(fill_secrets("x{{secrets.a}}y{{ secrets.a }}", find).value(),
              "x{{secrets.b}}y{{secrets.b}}")
        << "what is filled in is not read again";
    EXPECT_FALSE(fill_secrets("{{secrets.b}}", find));
    EXPECT_FALSE(fill_secrets("{{payload.a}}", find));
    EXPECT_FALSE(fill_secrets("{{secrets.a", find));
    EXPECT_FALSE(fill_secrets("{{secrets.}}", find));
}

TEST(CommandTemplate, StaysInItsElement) {
    CommandFiller filler(
        R"({"pattern":"p","payload":{"s":"a b","n":1.50,"o":{"k":[1,{"x":true}]},"d":"-rf","z":null}})",
        [](std::string_view name, std::string& value) {
            value = "S";
            return name == "own";
        });
    EXPECT_EQ(filler.fill("{{payload.s}}").value(), "a b");
    EXPECT_EQ(filler.fill("<{{ payload.n }}|{{pattern}}>").value(), "<1.50|p>");
    EXPECT_EQ(filler.fill("{{payload.o}}").value(), R"({"k":[1,{"x":true}]})");
    EXPECT_EQ(filler.fill("{{payload.o.k[1].x}}{{event.payload.o.k[0]}}").value(), "true1");
    EXPECT_EQ(filler.fill("{{payload.none | default \"x y\"}}{{payload.z|default 0}}").value(),
              "x y0");
    EXPECT_EQ(filler.fill("{{secrets.own}}").value(), "S");
    for (const char* bad : {"{{payload.none}}", "{{payload.o.k[9]}}", "{{payload.z}}", "{{}}",
                            "{{payload.s", "{{secrets.other}}", "{{payload.s | upper}}"})
        EXPECT_FALSE(filler.fill(bad)) << bad;
    EXPECT_FALSE(filler.fill_argument("{{payload.d}}", false));
    EXPECT_EQ(filler.fill_argument("{{payload.d}}", true).value(), "-rf");
    EXPECT_EQ(filler.fill_argument("-x{{payload.s}}", false).value(), "-xa b");
}

// Thousands of templates, each worth as much as an event may be.
TEST(CommandTemplate, StaysInItsBounds) {
    CommandFiller filler(R"({"payload":{"s":")" + std::string(1u << 20, 'x') + R"("}})",
                         [](std::string_view, std::string&) { return false; });
    std::string text, json = "[";
    for (int i = 0; i < 1'000; ++i) {
        text += "{{payload.s}}";
        json += R"("{{payload.s}}",)";
    }
    json.back() = ']';
    const auto filled = filler.fill(text);
    ASSERT_FALSE(filled);
    EXPECT_NE(filled.error().message.find("over 32768 bytes"), std::string::npos);
    const auto body = filler.fill_json(json);
    ASSERT_FALSE(body);
    EXPECT_NE(body.error().message.find("over 4194304 bytes"), std::string::npos);
    EXPECT_TRUE(filler.fill_json(R"(["{{payload.s}}","{{payload.s}}"])"));
}

TEST(CommandResult, Table) {
    const auto judge = [](CommandEnd end) {
        AttemptResult result;
        judge_command(end, kNowUs, result);
        return result;
    };
    CommandEnd end;
    end.how = CommandEnd::How::kExited;
    end.out = "{\"a\":1}\n";
    EXPECT_EQ(judge(end).result_json, "{\"a\":1}");
    end.out = "text\n";
    EXPECT_EQ(judge(end).result_json, "\"text\"");
    EXPECT_EQ(judge(end).outcome, AttemptOutcome::kOk);
    end.err = "why\n";
    end.code = 65;
    EXPECT_EQ(judge(end).outcome, AttemptOutcome::kFatal);
    end.code = 1;
    EXPECT_EQ(judge(end).error, "exit code 1: why");
    end.how = CommandEnd::How::kTimeout;
    EXPECT_EQ(judge(end).outcome_text, "timeout");
    end.how = CommandEnd::How::kRefused;
    EXPECT_EQ(judge(end).outcome, AttemptOutcome::kFatal);
}

}  // namespace
}  // namespace millrace::runtime
