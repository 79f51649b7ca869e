// Goal: the table of a simple expression and its automaton agree about every text.
// Method: hand-made expressions and random ones over a small alphabet, on random texts.
#include "matcher/regex/regex_table.h"

#include "core/random.h"

#include <gtest/gtest.h>

#include <iterator>
#include <string>

namespace millrace::matcher {
namespace {

std::string pieces_of(core::Random& random) {
    static const char* const kPieces[] = {"a", "b", "ab", "1", "12", ".", "-", "\u00e9", "B", "\n"};
    std::string text;
    for (std::uint64_t n = random.below(8); n > 0; --n)
        text += kPieces[random.below(std::size(kPieces))];
    return text;
}

std::string expression_of(core::Random& random, unsigned depth) {
    static const char* const kAtoms[] = {"a",    "b",     "1",   "\\.", ".",      "[ab]",
                                         "[^a]", "[0-9]", "\\d", "\\w", "[a-c1-]"};
    static const char* const kRepeats[] = {"", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}"};
    std::string text;
    for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
        if (depth > 0 && random.below(4) == 0)
            text += "(" + expression_of(random, depth - 1) + "|" +
                    expression_of(random, depth - 1) + ")";
        else
            text += kAtoms[random.below(std::size(kAtoms))];
        text += kRepeats[random.below(std::size(kRepeats))];
    }
    return text;
}

TEST(RegexTable, AgreesWithTheAutomaton) {
    core::Random random(77);
    std::size_t tables = 0, found = 0;
    for (unsigned round = 0; round < 5'000; ++round) {
        std::string text = expression_of(random, 2);
        if (random.below(2) == 0) text = "^" + text;
        if (random.below(2) == 0) text += "$";
        const auto simple = SimpleRegex::compile(text);
        const auto table = simple ? RegexTable::make(*simple) : std::nullopt;
        if (!table) continue;
        ++tables;
        for (unsigned turn = 0; turn < 20; ++turn) {
            const std::string asked = pieces_of(random);
            ASSERT_EQ(table->found_in(asked), simple->found_in(asked)) << text << "\n" << asked;
            found += simple->found_in(asked);
        }
    }
    EXPECT_GT(tables, 3'500u);
    EXPECT_GT(found, 10'000u);
}

TEST(RegexTable, KnowsTheEmptyOnes) {
    for (const char* text : {"", "^$", "^a*$", "a*", "^(a|b)*$", "a$", "^a"}) {
        const auto simple = SimpleRegex::compile(text);
        if (!simple) continue;
        const auto table = RegexTable::make(*simple);
        ASSERT_TRUE(table) << text;
        for (const char* asked : {"", "a", "b", "ab", "ba", "\u00e9"})
            EXPECT_EQ(table->found_in(asked), simple->found_in(asked)) << text << " " << asked;
    }
}

}  // namespace
}  // namespace millrace::matcher
