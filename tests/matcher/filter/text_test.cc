// Goal: folding, addresses, wildcards and expressions at their edges. Method: values one by one.
#include "matcher/filter/case_fold.h"
#include "matcher/filter/cidr.h"
#include "matcher/filter/limits.h"
#include "matcher/filter/wildcard.h"
#include "matcher/regex/regex.h"
#include "matcher/subscription_spec.h"

#include <gtest/gtest.h>

namespace millrace::matcher {
namespace {

TEST(CaseFold, FoldsLettersOfManyScripts) {
    EXPECT_EQ(folded("AbC-123"), "abc-123");
    EXPECT_EQ(folded("\u00c4\u00d6\u00dc"), "\u00e4\u00f6\u00fc");
    EXPECT_EQ(folded("\u0394\u03a3\u03c2"), "\u03b4\u03c3\u03c3");
    EXPECT_EQ(folded("\u0416"), "\u0436");
    EXPECT_EQ(folded("\u212a\u1e9e\u2126"), "k\u00df\u03c9");
    EXPECT_EQ(folded("\u13a0\uab70"), "\u13a0\u13a0");  // Cherokee folds to capitals
    EXPECT_EQ(folded("\U00010400\U0001e921"), "\U00010428\U0001e943");
    EXPECT_EQ(folded("\u0130\u0131\u00df\u4e2d"), "\u0130\u0131\u00df\u4e2d");
}

TEST(CaseFold, KeepsBrokenBytes) {
    const std::string broken =
        "A\xff\xc3"
        "B\xe2\x82";
    EXPECT_EQ(folded(broken),
              "a\xff\xc3"
              "b\xe2\x82");
}

TEST(CaseFold, IsIdempotent) {
    for (std::uint32_t code = 0x80; code < 0x20000; ++code) {
        if (code >= 0xD800 && code < 0xE000) continue;
        std::string text;
        if (code < 0x800) {
            text = {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 63))};
        } else if (code < 0x10000) {
            text = {static_cast<char>(0xE0 | (code >> 12)),
                    static_cast<char>(0x80 | ((code >> 6) & 63)),
                    static_cast<char>(0x80 | (code & 63))};
        } else {
            text = {static_cast<char>(0xF0 | (code >> 18)),
                    static_cast<char>(0x80 | ((code >> 12) & 63)),
                    static_cast<char>(0x80 | ((code >> 6) & 63)),
                    static_cast<char>(0x80 | (code & 63))};
        }
        const std::string once = folded(text);
        ASSERT_EQ(folded(once), once) << code;
        ASSERT_LE(once.size(), text.size() + text.size() / 2) << code;
    }
}

TEST(Cidr, ReadsAddressesOfBothKinds) {
    IpAddress ip;
    for (const char* text : {"0.0.0.0", "255.255.255.255", "::", "::1", "1::", "1:2:3:4:5:6:7:8",
                             "1:2:3:4:5:6:1.2.3.4", "::ffff:1.2.3.4", "2001:DB8::a"}) {
        EXPECT_TRUE(parse_ip(text, ip)) << text;
    }
    for (const char* text : {"", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ",
                             ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3",
                             "12345::", "g::", "1.2.3.4::", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4",
                             "fe80::1%eth0", "1:2:3:4:5:6:7:8::"}) {
        EXPECT_FALSE(parse_ip(text, ip)) << text;
    }
}

TEST(Cidr, RefusesBadLengths) {
    CidrBlock block;
    for (const char* text : {"10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "10.0.0.0/8/8",
                             "/8", "10.0.0.0/08"}) {
        EXPECT_FALSE(parse_cidr(text, block)) << text;
    }
}

TEST(Wildcard, SplitsIntoPieces) {
    const auto wildcard = parse_wildcard("a*\\*b*");
    ASSERT_TRUE(wildcard);
    EXPECT_EQ(wildcard->pieces, (std::vector<std::string>{"a", "*b", ""}));
    EXPECT_TRUE(wildcard->matches("aXX*bYY"));
    EXPECT_FALSE(wildcard->matches("aXXbYY"));
    EXPECT_TRUE(has_star("a*"));
    EXPECT_FALSE(has_star("a\\*"));
}

TEST(Regex, AgreesWithTheWildcardItWasMadeFrom) {
    for (const char* text :
         {"a*b", "*", "", "\u00e4*\u00df", "a\\*b", "*.created", "(*)[", "a.b*", "x\ny*"}) {
        const auto wildcard = parse_wildcard(text);
        ASSERT_TRUE(wildcard) << text;
        for (const char* value : {"ab", "aXb", "", "a", "\u00e4x\u00df", "a*b", "q.created", "(x)[",
                                  "a.bc", "axbc", "x\nyz", "ab\n", "\nab"}) {
            const auto regex = Regex::compile(wildcard_to_regex(text));
            ASSERT_TRUE(regex) << text << regex.error().message;
            EXPECT_EQ(regex->found_in(value), wildcard->matches(value)) << text << " on " << value;
        }
    }
}

TEST(Regex, CountsPositions) {
    EXPECT_EQ(regex_positions("abc"), 3u);
    EXPECT_EQ(regex_positions("a{3}b{2,5}"), 8u);
    EXPECT_EQ(regex_positions("(ab|c){10}"), 30u);
    EXPECT_EQ(regex_positions("[a-z]+\\.x"), 3u);
    EXPECT_EQ(regex_positions("a{2,}"), 3u);
}

TEST(Regex, KeepsWhatIsNoAnchor) {
    EXPECT_EQ(translate_regex("a$").value(), "a\\z");
    EXPECT_EQ(translate_regex("\\$[$]\\Q$\\E(a|$)").value(), "\\$[$]\\Q$\\E(a|\\z)");
    EXPECT_EQ(translate_regex("[]$]").value(), "[]$]");
    EXPECT_EQ(translate_regex("[[:alpha:]$]").value(), "[[:alpha:]$]");
    EXPECT_FALSE(translate_regex("(?x) a"));
    EXPECT_FALSE(translate_regex("a\\Z"));
    EXPECT_FALSE(translate_regex("(*UTF8)a"));
    EXPECT_FALSE(translate_regex("a\xff"));
}

// Repeats beside each other are no repeats within each other.
TEST(Regex, CountsRepeatsWithinRepeats) {
    const auto nested = [](std::size_t depth, const char* repeat) {
        std::string text;
        for (std::size_t i = 0; i < depth; ++i) text += "(a";
        for (std::size_t i = 0; i < depth; ++i) text.append(")").append(repeat);
        return text;
    };
    for (const char* repeat : {"*", "+", "*?"}) {
        EXPECT_TRUE(translate_regex(nested(12, repeat))) << repeat;
        const auto deeper = translate_regex(nested(13, repeat));
        ASSERT_FALSE(deeper) << repeat;
        EXPECT_EQ(deeper.error().limit, 12) << repeat;
    }
    EXPECT_TRUE(translate_regex(nested(40, "")));
    std::string row;
    for (int i = 0; i < 100; ++i) row += "(a*b+)*c*";
    EXPECT_TRUE(translate_regex(row));
    EXPECT_FALSE(translate_regex("(" + nested(12, "*") + "|x)*"));
}

core::Error refusal(const std::string& json) {
    const auto spec = parse_subscription_json(json);
    EXPECT_FALSE(spec);
    return spec ? core::Error() : spec.error();
}

std::string repeated(const std::string& part, std::size_t count, const std::string& between) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += (i ? between : "") + part;
    return out;
}

TEST(Limits, EachIsNamedWhenBroken) {
    const auto limit_of = [](const std::string& json) { return refusal(json).limit; };
    const std::string conditions =
        repeated(R"({"field":"a","operator":"equals","value":1})", 513, ",");
    EXPECT_EQ(limit_of("{\"filters\":[" + conditions + "]}"),
              static_cast<std::int64_t>(kFilterLeavesMax));
    const std::string values = repeated("12345", 10'001, ",");
    EXPECT_EQ(limit_of("{\"filters\":{\"a\":[" + values + "]}}"),
              static_cast<std::int64_t>(kFilterValuesMax));
    EXPECT_EQ(limit_of("{\"filter\":\"$.a in [" + values + "]\"}"),
              static_cast<std::int64_t>(kFilterValuesMax));
    EXPECT_EQ(limit_of("{\"filters\":{\"a\":\"" + std::string(kOperandBytesMax + 1, 'x') + "\"}}"),
              static_cast<std::int64_t>(kOperandBytesMax));
    EXPECT_EQ(limit_of("{\"filters\":{\"a\":1" + std::string(kNumberBytesMax, '0') + "}}"),
              static_cast<std::int64_t>(kNumberBytesMax));
    EXPECT_EQ(limit_of("{\"filters\":{\"" + repeated("a", 40, ".") + "\":1}}"),
              static_cast<std::int64_t>(kPathStepsMax));
    EXPECT_EQ(limit_of("{\"filters\":{\"" + std::string(3000, 'a') + "\":1}}"),
              static_cast<std::int64_t>(kPathBytesMax));
    EXPECT_EQ(limit_of("{\"filters\":{\"a\":{\"regex\":\"" + std::string(1025, 'x') + "\"}}}"),
              static_cast<std::int64_t>(kRegexBytesMax));
    EXPECT_EQ(limit_of("{\"filters\":{\"a\":{\"wildcard\":\"" + std::string(1025, 'x') + "\"}}}"),
              static_cast<std::int64_t>(kWildcardBytesMax));
    const std::string alternatives = repeated("($.a == 1 || $.b == 2)", 13, " && ");
    EXPECT_EQ(limit_of("{\"filter\":\"" + alternatives + "\"}"),
              static_cast<std::int64_t>(kFilterClausesMax));
    const std::string costly = repeated("$.a matches '" + std::string(900, 'x') + "'", 12, " && ");
    EXPECT_EQ(limit_of("{\"filter\":\"" + costly + "\"}"),
              static_cast<std::int64_t>(kComplexityMax));
}

TEST(Wildcard, ReadsAsTheTextThatItIsWrittenAs) {
    for (const char* text : {"a", "*", "a*", "*a.*", R"(a\*b*)", R"(\\*)"}) {
        const auto wildcard = parse_wildcard(text);
        ASSERT_TRUE(wildcard) << text;
        EXPECT_EQ(wildcard_text(*wildcard), text);
    }
}

TEST(Wildcard, CoversWhatItSurelyMatches) {
    const auto covers_text = [](const char* wider, const char* narrower) {
        const auto wildcard = parse_wildcard(wider);
        return wildcard && covers(*wildcard, narrower);
    };
    EXPECT_TRUE(covers_text("*", "*"));
    EXPECT_TRUE(covers_text("a.*", "a.b"));
    EXPECT_TRUE(covers_text("a.*", "a.*"));
    EXPECT_TRUE(covers_text("a.*", "a.*.c"));
    EXPECT_TRUE(covers_text("a.*", R"(a.\*)"));
    EXPECT_TRUE(covers_text(R"(a\*b)", R"(a\*b)"));
    EXPECT_FALSE(covers_text("a.*", "a*"));
    EXPECT_FALSE(covers_text("a.*", "*"));
    EXPECT_FALSE(covers_text("a.b", "a.*"));
    EXPECT_FALSE(covers_text(R"(x\\*)", R"(x\*y)")) << "an escape is no character of the event's";
}

TEST(Limits, TenMegabytesAreRefusedByTheirSize) {
    const std::string list = "[" + repeated("\"0123456789\"", 800'000, ",") + "]";
    const SubscriptionText text{"\"a\"", list, {}, {}, {}};
    const auto spec = parse_subscription(text);
    ASSERT_FALSE(spec);
    EXPECT_EQ(spec.error().field, "filters");
    EXPECT_EQ(spec.error().limit, static_cast<std::int64_t>(kFilterBytesMax));
}

TEST(Limits, NestingBombsAreRefused) {
    EXPECT_FALSE(parse_subscription_json("{\"filters\":" + std::string(100'000, '[')));
    EXPECT_FALSE(parse_subscription_json("{\"filters\":" + repeated("{\"a\":", 10'000, "")));
    EXPECT_FALSE(parse_any_filter(std::string(500'000, '(')));
    EXPECT_FALSE(parse_any_filter(std::string(500'000, '!')));
    EXPECT_FALSE(parse_any_filter("$" + repeated("[0]", 100'000, "") + " == 1"));
}

}  // namespace
}  // namespace millrace::matcher
