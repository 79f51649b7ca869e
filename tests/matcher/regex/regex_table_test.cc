// Goal: the table of a simple expression and its automaton agree about every text.
// Method: hand-made expressions and random ones over a small alphabet, on random texts.
#include "matcher/regex/regex_table.h"

#include "core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

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

bool is_run(const CharRun& run, std::string_view text) {
    if (!text.starts_with(run.head)) return false;
    text.remove_prefix(run.head.size());
    return text.size() >= run.least && text.size() <= run.most &&
           std::all_of(text.begin(), text.end(),
                       [&](char c) { return c >= run.low && c <= run.high; });
}

TEST(RegexTable, KnowsRunsOfCharacters) {
    struct {
        const char* expression;
        const char* head;
        std::size_t least, most;
    } const cases[] = {{"^INV-[0-9]+$", "INV-", 1, CharRun::kNoEnd},
                       {"^[a-z]{2,4}$", "", 2, 4},
                       {"^ab$", "ab", 0, 0},
                       {"^a[0-9]*$", "a", 0, CharRun::kNoEnd}};
    for (const auto& one : cases) {
        const auto run = RegexTable::make(*SimpleRegex::compile(one.expression))->as_run();
        ASSERT_TRUE(run) << one.expression;
        EXPECT_EQ(run->head, one.head);
        EXPECT_EQ(run->least, one.least);
        EXPECT_EQ(run->most, one.most);
    }
    for (const char* other : {"^a", "a$", "^[ab1]+$", "^.+$", "^(ab)*$", "^a?b$", "^(a|aa)*b$"})
        EXPECT_FALSE(RegexTable::make(*SimpleRegex::compile(other))->as_run()) << other;
    core::Random random(78);
    std::size_t runs = 0, found = 0;
    for (unsigned round = 0; round < 5'000; ++round) {
        const std::string text = "^" + expression_of(random, 1) + "$";
        const auto simple = SimpleRegex::compile(text);
        const auto table = simple ? RegexTable::make(*simple) : std::nullopt;
        const auto run = table ? table->as_run() : std::nullopt;
        if (!run) continue;
        ++runs;
        for (unsigned turn = 0; turn < 20; ++turn) {
            const std::string asked = turn % 2 == 0 ? pieces_of(random) : run->head + "1";
            ASSERT_EQ(is_run(*run, asked), simple->found_in(asked)) << text << "\n" << asked;
            found += simple->found_in(asked);
        }
    }
    EXPECT_GT(runs, 100u);
    EXPECT_GT(found, 50u);
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
