// Goal: the scanner finds the tokens and the faults that simdjson's first stage finds, wherever
//       blocks of 64 bytes begin and end.
// Method: random texts of the bytes that matter, and JSON with long strings and runs of
//       backslashes, compared token by token; pieces beside the whole.
#include "core/json_tokens.h"

#include "core/random.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::core {
namespace {

std::vector<std::uint32_t> positions(const JsonTokens& tokens) {
    return {tokens.begin(), tokens.end()};
}

std::string random_text(Random& random) {
    static const std::string kBytes = "\"\"\"\\\\{}[]:,  \n\r\tab0-\x01\x0c\x1a\x1f\x7f";
    std::string text;
    const std::uint64_t kind = random.below(4);
    for (std::uint64_t left = random.below(300) + 1; left > 0; --left) {
        if (kind == 0) {
            text += static_cast<char>(random.below(256));
        } else if (kind == 1) {
            text += kBytes[random.below(kBytes.size())];
        } else if (kind == 2) {  // long strings with backslashes
            const std::uint64_t what = random.below(40);
            text += what == 0 ? "\"" : what < 8 ? "\\" : what == 8 ? "\xc3\xa9" : "x";
        } else {
            static const std::vector<std::string> kParts = {
                "{\"key\":", "\"value\",", "[1,2.5e3,true],", "null}", "\"\\\"\\\\\"", " ", "\n"};
            text += kParts[random.below(kParts.size())];
        }
    }
    return text;
}

TEST(JsonTokens, AreThoseOfTheLibrary) {
    if (!TokenScanner::is_supported()) GTEST_LOG_(INFO) << "both sides are the library here";
    Random random(21);
    JsonTokens tokens;
    JsonTokens library;
    library.use_library();
    std::size_t good = 0;
    for (int i = 0; i < 60'000 && !HasFailure(); ++i) {
        std::string text = random_text(random);
        // In half of them strings are closed and control bytes are rare.
        if (i % 2 == 0) {
            for (char& c : text) c = static_cast<unsigned char>(c) < 0x20 && c != '\n' ? '.' : c;
        }
        const JsonFault fault = tokens.run(text.data(), text.size());
        ASSERT_EQ(fault, library.run(text.data(), text.size())) << text;
        if (fault != JsonFault::kNone) continue;
        ++good;
        EXPECT_EQ(positions(tokens), positions(library)) << text;
        EXPECT_EQ(tokens.has_sentinel(), library.has_sentinel());
        EXPECT_EQ(tokens.end()[0], library.end()[0]);
    }
    EXPECT_GT(good, 10'000u);
}

TEST(TokenScanner, FindsTheSameInBothWays) {
    if (!TokenScanner::has_avx512()) GTEST_LOG_(INFO) << "this processor has one way only";
    Random random(23);
    for (int i = 0; i < 20'000 && TokenScanner::has_avx512() && !HasFailure(); ++i) {
        const std::string text = random_text(random);
        TokenScanner narrow;
        TokenScanner wide;
        narrow.start(text.data(), text.size());
        wide.start(text.data(), text.size());
        std::vector<std::uint32_t> by_narrow(text.size() + TokenScanner::kSpare);
        std::vector<std::uint32_t> by_wide(text.size() + TokenScanner::kSpare);
        std::uint32_t* narrow_end = by_narrow.data();
        std::uint32_t* wide_end = by_wide.data();
        while (!narrow.is_done()) {
            narrow_end = narrow.scan_avx2(128, narrow_end);
            wide_end = wide.scan_avx512(128, wide_end);
        }
        by_narrow.resize(static_cast<std::size_t>(narrow_end - by_narrow.data()));
        by_wide.resize(static_cast<std::size_t>(wide_end - by_wide.data()));
        EXPECT_EQ(by_narrow, by_wide) << text;
        EXPECT_EQ(narrow.has_backslash(), wide.has_backslash()) << text;
        EXPECT_EQ(narrow.has_high_bit(), wide.has_high_bit()) << text;
        EXPECT_EQ(narrow.has_control(), wide.has_control()) << text;
        EXPECT_EQ(narrow.ends_in_string(), wide.ends_in_string()) << text;
    }
}

TEST(JsonTokens, ComeInPiecesAsTheyComeWhole) {
    Random random(22);
    JsonTokens whole;
    JsonTokens pieces;
    for (int i = 0; i < 5'000 && !HasFailure(); ++i) {
        std::string text;
        while (text.size() < 700) text += random_text(random);
        if (whole.run(text.data(), text.size()) != JsonFault::kNone) continue;
        ASSERT_TRUE(pieces.start_lazily(text.data(), text.size()));
        std::size_t found = positions(pieces).size();
        while (pieces.more()) {
            EXPECT_GT(positions(pieces).size(), found);
            found = positions(pieces).size();
        }
        EXPECT_EQ(positions(pieces), positions(whole)) << text;
    }
}

}  // namespace
}  // namespace millrace::core
