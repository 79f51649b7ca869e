// Goal: the two looks at UTF-8, a sequence and a whole text, agree about what it is.
// Method: what RFC 3629 allows and forbids at each length; then every text of up to three bytes out
//         of those where the rules change.
#include "core/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace millrace::core {
namespace {

bool by_sequences(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t bytes = utf8_sequence_bytes(text, at);
        if (bytes == 0) return false;
        at += bytes;
    }
    return true;
}

TEST(Utf8, SequencesHaveTheirLengths) {
    EXPECT_EQ(utf8_sequence_bytes("a", 0), 1u);
    EXPECT_EQ(utf8_sequence_bytes("\xc3\xa9", 0), 2u);
    EXPECT_EQ(utf8_sequence_bytes("x\xe2\x82\xac", 1), 3u);
    EXPECT_EQ(utf8_sequence_bytes("\xf0\x9f\x98\x80", 0), 4u);
}

TEST(Utf8, OverlongCutSurrogatesAndBeyondTheLastAreNone) {
    for (const std::string_view text :
         {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80",
          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
        EXPECT_EQ(utf8_sequence_bytes(text, 0), 0u);
        EXPECT_FALSE(is_utf8(text));
    }
    EXPECT_TRUE(is_utf8(""));
    EXPECT_TRUE(is_utf8("gr\xc3\xbcn \xf0\x9f\x98\x80"));
}

TEST(Utf8, BothLooksAgree) {
    constexpr std::string_view kEdges(
        "\x00\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf3\xf4\xf5"
        "\xff",
        23);
    const auto agree = [](const std::string& text) {
        EXPECT_EQ(is_utf8(text), by_sequences(text)) << ::testing::PrintToString(text);
    };
    for (const char a : kEdges) {
        agree({a});
        for (const char b : kEdges) {
            agree({a, b});
            for (const char c : kEdges) agree({a, b, c});
        }
    }
}

}  // namespace
}  // namespace millrace::core
