// Goal: no secret's value is left in a text that is hidden, JSON stays JSON, and what is no secret
// stays byte for byte. Method: by hand, and random texts held against replacing one by one.
#include "runtime/registry/secret_mask.h"

#include "core/json_validate.h"
#include "core/random.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

std::string hidden(const HiddenTexts& texts, std::string text) {
    texts.hide(text);
    return text;
}

TEST(HiddenTexts, StarsStandWhereASecretStood) {
    HiddenTexts texts;
    EXPECT_TRUE(texts.empty());
    EXPECT_EQ(hidden(texts, "token-1"), "token-1");
    for (const char* value : {"token-1", "token-12", "a", "abc", "p\"w\nd"}) texts.add(value);
    EXPECT_EQ(hidden(texts, "token-12 token-1token-1"), "**** ********") << "the longest counts";
    EXPECT_EQ(hidden(texts, "abc token-"), "abc token-") << "short ones stand everywhere";
    EXPECT_EQ(hidden(texts, "x p\"w\nd"), "x ****");
    EXPECT_EQ(hidden(texts, R"({"a":"p\"w\nd"})"), R"({"a":"****"})");
    std::string same = "nothing";
    EXPECT_FALSE(texts.hide(same));
}

TEST(HiddenTexts, FewAreHiddenAsManyAre) {
    const std::string text = "aaaa-1 bbbb-1 cccc-1 dddd-1 eeee-1 ffff-1";
    std::string expected = text;
    HiddenTexts texts;
    for (const char* value : {"aaaa-1", "bbbb-1", "cccc-1", "dddd-1", "eeee-1", "ffff-1"}) {
        texts.add(value);
        expected.replace(expected.find(value), 6, "****");
        EXPECT_EQ(hidden(texts, text), expected);
    }
}

TEST(HiddenTexts, AWebhooksSecretsAreKeptWithIt) {
    const auto kept = keep_webhook_secrets(
        {.current = "whsec_bmV3LXNlY3JldA==", .previous = "whsec_b2xkLXNlY3JldA=="});
    ASSERT_TRUE(kept->hidden);
    EXPECT_EQ(kept->current, "whsec_bmV3LXNlY3JldA==");
    EXPECT_EQ(hidden(*kept->hidden, "whsec_bmV3LXNlY3JldA== b2xkLXNlY3JldA== whsec_"),
              "**** **** whsec_");
}

TEST(HiddenTexts, JsonStaysJson) {
    HiddenTexts texts;
    for (const char* value : {"123456", "secret", R"({"user":1})"}) texts.add(value);
    const auto json = [&](std::string text) {
        texts.hide_in_json(text, kHiddenJson);
        EXPECT_TRUE(core::json_validate(text)) << text;
        return text;
    };
    EXPECT_EQ(json(R"({"a":"my secret"})"), R"({"a":"my ****"})");
    EXPECT_EQ(json(R"({"a":1234567})"), R"("****")");
    EXPECT_EQ(json(R"({"user":1})"), R"("****")");
    EXPECT_EQ(json(R"({"a":"b"})"), R"({"a":"b"})");
}

TEST(HiddenTexts, NothingIsLeftOfAnyOfThem) {
    core::Random random(11);
    for (int round = 0; round < 200; ++round) {
        HiddenTexts texts;
        std::vector<std::string> values;
        for (int i = 0; i < 20; ++i) {
            std::string value;
            for (std::size_t n = 4 + random.below(4); n > 0; --n)
                value += static_cast<char>('a' + random.below(3));
            texts.add(value);
            values.push_back(value);
        }
        std::string text;
        for (int i = 0; i < 200; ++i) text += static_cast<char>('a' + random.below(3));
        const std::string out = hidden(texts, text);
        for (const std::string& value : values)
            EXPECT_EQ(out.find(value), std::string::npos) << value << " in " << out;
    }
}

TEST(SecretMask, KnowsATenantsOwn) {
    RegistrySnapshot registry;
    const auto secret = [&](std::uint32_t number, std::uint32_t tenant, std::string value) {
        auto made = std::make_shared<Secret>();
        made->number = SecretNumber(number);
        made->tenant = core::TenantId(tenant);
        made->value = std::move(value);
        registry.secrets.set(number, made);
    };
    secret(1, 0, "first-value");
    secret(2, 1, "other-value");
    SecretMask mask;
    EXPECT_EQ(hidden(mask.of(registry, core::TenantId(0)), "first-value other-value"),
              "**** other-value");
    secret(1, 0, "second-value");
    EXPECT_EQ(hidden(mask.of(registry, core::TenantId(0)), "first-value second-value"), "**** ****")
        << "what it was before may still be in somebody's hands";
    EXPECT_TRUE(mask.of(registry, core::TenantId(9)).empty());
}

}  // namespace
}  // namespace millrace::runtime
