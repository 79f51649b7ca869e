// Goal: the automaton of our own and Hyperscan agree wherever both read an expression, and the
//       literals that subscriptions hang on are in every text that matches.
// Method: hand-made expressions and random ones over a small alphabet, on random texts.
#include "matcher/regex/simple_regex.h"

#include "core/random.h"
#include "matcher/index/pivot_chooser.h"
#include "matcher/regex/regex.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::matcher {
namespace {

std::string random_text(core::Random& random) {
    static const char* const kPieces[] = {"a",       "b", "ab",     "1", "12", ".",
                                          "created", "-", "\u00e9", "B", "\n", "_"};
    std::string text;
    for (std::uint64_t n = random.below(8); n > 0; --n)
        text += kPieces[random.below(std::size(kPieces))];
    return text;
}

std::string random_regex(core::Random& random, unsigned depth) {
    static const char* const kAtoms[] = {"a",    "b",     "1",   "\\.", ".",       "[ab]",
                                         "[^a]", "[0-9]", "\\d", "\\w", "[a-c1-]", "\u00e9"};
    static const char* const kRepeats[] = {"", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"};
    std::string text;
    for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
        if (depth > 0 && random.below(4) == 0) {
            text += "(" + random_regex(random, depth - 1) +
                    (random.below(2) ? "|" + random_regex(random, depth - 1) : "") + ")";
        } else {
            text += kAtoms[random.below(std::size(kAtoms))];
        }
        text += kRepeats[random.below(std::size(kRepeats))];
    }
    return text;
}

bool meets(const TextPivot& pivot, std::string_view text) {
    switch (pivot.kind) {
        case PivotKind::kEquals: return text == pivot.text;
        case PivotKind::kPrefix: return text.starts_with(pivot.text);
        case PivotKind::kSuffix: return text.ends_with(pivot.text);
        default: return text.find(pivot.text) != std::string_view::npos;
    }
}

void compare(const std::string& expression, core::Random& random, int texts, int& simple_count) {
    const auto simple = SimpleRegex::compile(expression);
    if (!simple) return;
    const auto hyperscan = Regex::compile(expression);
    if (!hyperscan) return;  // refused at the door
    ++simple_count;
    std::vector<TextPivot> pivots;
    const bool hung = simple->pivots(pivots);
    for (int i = 0; i < texts; ++i) {
        const std::string text = random_text(random);
        const bool found = simple->found_in(text);
        ASSERT_EQ(found, hyperscan->found_in(text)) << expression << " on '" << text << "'";
        if (!hung) continue;
        bool met = false;
        bool met_exactly = false;
        for (const TextPivot& pivot : pivots) {
            met = met || meets(pivot, text);
            met_exactly = met_exactly || (pivot.is_exact && meets(pivot, text));
        }
        ASSERT_TRUE(met || !found) << expression << " on '" << text << "'";
        ASSERT_TRUE(found || !met_exactly) << expression << " on '" << text << "'";
    }
}

TEST(SimpleRegex, AgreesWithHyperscanOnHandMadeOnes) {
    core::Random random(5);
    int count = 0;
    for (const char* expression : {"^[a-z]+17\\.(created|updated)$",
                                   "a",
                                   "^a",
                                   "a$",
                                   "^a$",
                                   "^$",
                                   "",
                                   "a|b",
                                   "(a|b)$",
                                   "^(a|b)*$",
                                   "a.b",
                                   "^a.*b$",
                                   "[^a]$",
                                   "^\\w+$",
                                   "^\\d{2}$",
                                   "(ab|a)(b)?",
                                   "a{2,3}",
                                   "\u00e9",
                                   "[ab]{3}",
                                   "^.$",
                                   "^[^\u00e9]$",
                                   "\\D",
                                   "(a*)*b"}) {
        compare(expression, random, 300, count);
    }
    EXPECT_GE(count, 18);
}

TEST(SimpleRegex, AgreesWithHyperscanOnRandomOnes) {
    core::Random random(6);
    int count = 0;
    for (int i = 0; i < 600 && !HasFailure(); ++i) {
        std::string expression = random_regex(random, 2);
        if (random.below(3) == 0) expression = "^" + expression;
        if (random.below(3) == 0) expression += "$";
        compare(expression, random, 60, count);
    }
    EXPECT_GT(count, 150);
}

}  // namespace
}  // namespace millrace::matcher
