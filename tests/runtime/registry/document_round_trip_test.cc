// Goal: what the registry takes, it can read again after a restart, letter for letter, and whatever
// it says of a document it takes back as a patch. Method: random bodies of odd but legal values; a
// refusal is fine, a kept document that reads otherwise is not.
#include "matcher/subscription_spec.h"
#include "runtime/registry/registry.h"
#include "tests/runtime/registry/memory_registry_rows.h"

#include <gtest/gtest.h>

#include <array>
#include <map>

namespace millrace::runtime {
namespace {

constexpr core::TenantId kTenant{0};
constexpr int kBodies = 600;

struct Bodies {
    core::Random random{42};

    template <std::size_t N>
    std::string any(const std::array<const char*, N>& of) {
        return of[random.below(N)];
    }
    std::string text() {
        return any(std::array{R"("")", R"("a")", R"("\u0000")", R"("\ud83d\ude00 \u00e9")",
                              R"("\"\\\/\b\f\n\r\t")", R"("caf\u00e9")", R"("</script>")"});
    }
    std::string number() {
        return any(std::array{"0", "-0", "1", "-1", "0.1", "1e3", "1E+2", "37.807807921694092",
                              "0.10000000000000001", "9007199254740993", "18446744073709551615",
                              "1.8446744073709552e19", "1e-7", "123456789.123456789", "-2.5e-3"});
    }
    std::string scalar() {
        return random.below(2) == 0 ? text() : any(std::array{"true", "false"});
    }
    std::string condition() {
        switch (random.below(5)) {
            case 0: return scalar();
            case 1: return number();
            case 2: return R"({"gt":)" + number() + "}";
            case 3: return R"({"in":[)" + number() + "," + text() + "]}";
            default: return R"({"exists":)" + any(std::array{"true", "false"}) + "}";
        }
    }
    std::string filters() {
        if (random.below(3) == 0) {
            return R"([{"field":"$.payload.a","operator":"gte","value":)" + number() + "}]";
        }
        return R"({"a":)" + condition() + R"(,"b.c":)" + condition() + "}";
    }
    std::string subscription(int n) {
        std::string out = R"({"id":"u)" + std::to_string(n) + R"(","name":)" + text() +
                          R"(,"executor":{"type":"script","scriptId":"s1"},"pattern":)";
        out += any(std::array{R"("a.b")", R"("a.*")", R"({"type":"prefix","value":"\u00e9."})",
                              R"({"type":"regex","value":"^a\\.(b|c)$"})"});
        if (random.below(4) != 0) out += R"(,"filters":)" + filters();
        if (random.below(3) == 0) out += R"(,"filter":"$.x > )" + number() + "\"";
        if (random.below(3) == 0)
            out += R"(,"retry":{"backoffFactor":)" + any(std::array{"1", "1.1", "2.50", "1e1"}) +
                   R"(,"jitter":false})";
        if (random.below(3) == 0) out += R"(,"priority":)" + any(std::array{"0", "-7", "5.0"});
        return out + "}";
    }
};

TEST(DocumentRoundTrip, WhatIsTakenIsReadAgain) {
    MemoryRegistryRows rows;
    core::ManualClock clock;
    core::Random random(1);
    auto registry = *Registry::open(rows, clock, random, {});
    ASSERT_TRUE(
        registry->create_script(kTenant, R"({"id":"s1","source":"return '\u0000\u00e9'"})"));
    Bodies bodies;
    std::map<std::string, std::string> kept;
    for (int n = 0; n < kBodies; ++n) {
        const std::string body = bodies.subscription(n);
        auto made = registry->create_subscription(kTenant, body, {core::LogOffset(n)});
        if (!made) continue;
        kept[(*made)->id] = body;
        auto again = registry->patch_subscription(kTenant, (*made)->id, (*made)->document, {});
        ASSERT_TRUE(again) << body << "\n" << (*made)->document << "\n" << again.error().message;
        EXPECT_EQ(*(*again)->spec, *(*made)->spec) << body;
    }
    EXPECT_GT(kept.size(), kBodies / 2u) << "most bodies are good ones";
    core::Random other(2);
    const auto reopened = *Registry::open(rows, clock, other, {});
    EXPECT_TRUE(rows.aside.empty()) << rows.aside.front();
    for (const auto& [id, body] : kept) {
        const SubscriptionRef before = registry->find_subscription(kTenant, id);
        const SubscriptionRef after = reopened->find_subscription(kTenant, id);
        ASSERT_TRUE(after) << body;
        EXPECT_EQ(after->document, before->document);
        EXPECT_EQ(*after->spec, *before->spec) << body;
        EXPECT_EQ(after->retry.backoff_factor, before->retry.backoff_factor);
    }
    EXPECT_EQ(reopened->find_script(kTenant, "s1")->source,
              registry->find_script(kTenant, "s1")->source);
}

}  // namespace
}  // namespace millrace::runtime
