// Goal: a bank finds what its expressions find one by one, compiled or not, reused or not, and also
//       when Hyperscan fails.
// Method: random texts against a list of expressions; a scan within a scan, which Hyperscan
// refuses.
#include "matcher/regex/regex_bank.h"

#include "core/random.h"
#include "matcher/index/eval_scratch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace millrace::matcher {
namespace {

const char* const kExpressions[] = {
    "^[a-z]+$", "[0-9]{3}",        "^.{4}$", "(?i)^[A-C]+$", "\\bx", "[^a]b*[^c]",   "^$",
    "^[ab]*$",  "^(a|bb|[c-f])+$", ".",      "[\\x{e4}k]",   "a+b+", "^\\w+\\s\\w+$"};

struct World {
    RegexSet set;
    RegexBank bank;
    EvalScratch scratch;

    World() {
        for (const char* text : kExpressions) bank.add(set.add(text).value());
    }
    ~World() { RegexSet::free_scratch(scratch); }
    std::vector<std::uint32_t> together(std::string_view text) {
        std::vector<std::uint32_t> out;
        bank.find(set, text, scratch, out);
        std::sort(out.begin(), out.end());
        return out;
    }
    std::vector<std::uint32_t> one_by_one(std::string_view text) {
        std::vector<std::uint32_t> out;
        for (std::uint32_t i = 0; i < set.size(); ++i) {
            if (set.found_in(i, text, scratch)) out.push_back(i);
        }
        return out;
    }
};

void expect_same(World& world) {
    core::Random random(11);
    std::size_t found = 0;
    for (int i = 0; i < 3000; ++i) {
        std::string text;
        for (std::uint64_t k = random.below(7); k > 0; --k) text += "aAbBcx9 \n_"[random.below(10)];
        if (i % 7 == 0) text += "\u00e4";
        const auto expected = world.one_by_one(text);
        ASSERT_EQ(world.together(text), expected) << text;
        found += expected.size();
    }
    EXPECT_GT(found, 6000u);
}

TEST(RegexBank, FindsWhatItsExpressionsFind) {
    World world;
    EXPECT_EQ(world.bank.loose(), std::size(kExpressions));
    expect_same(world);
    world.bank.compile(world.set);
    EXPECT_EQ(world.bank.loose(), 0u);
    EXPECT_EQ(world.bank.size(), std::size(kExpressions));
    expect_same(world);
}

TEST(RegexBank, NextOneTakesTheDatabaseOver) {
    World world;
    world.bank.compile(world.set);
    World next;
    RegexSet set;
    RegexBank bank;
    // All but two, in another order, of the same compiled expressions.
    for (std::uint32_t i = static_cast<std::uint32_t>(world.set.size()); i-- > 2;)
        bank.add(set.add(world.set, i));
    bank.compile(set);
    EXPECT_EQ(bank.size(), world.set.size() - 2);
    EXPECT_EQ(set.shared_place(0).database, world.set.shared_place(5).database);
    std::vector<std::uint32_t> out;
    bank.find(set, "ab", next.scratch, out);
    std::vector<std::string> texts;
    for (const std::uint32_t number : out) texts.push_back(set.text(number));
    std::sort(texts.begin(), texts.end());
    std::vector<std::string> expected;
    for (const std::uint32_t number : world.one_by_one("ab")) {
        if (number >= 2) expected.push_back(world.set.text(number));
    }
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(texts, expected);
}

struct Inner {
    World& world;
    std::vector<std::uint32_t> found;
};
int scan_within(unsigned, unsigned long long, unsigned long long, unsigned, void* context) {
    auto& inner = *static_cast<Inner*>(context);
    inner.found = inner.world.together("bab");
    return 1;
}

TEST(RegexBank, AsksOneByOneWhereHyperscanFails) {
    World world;
    world.bank.compile(world.set);
    const auto expected = world.one_by_one("bab");
    const std::uint64_t before = RegexSet::scan_failures();
    Inner inner{world, {}};
    const auto& database = *world.set.shared_place(0).database;
    ASSERT_TRUE(RegexSet::scan(database, "aaa", world.scratch, scan_within, &inner));
    EXPECT_GT(RegexSet::scan_failures(), before);
    // Those beyond our own automaton cannot be asked in there; all others must be right.
    for (const std::uint32_t number : expected) {
        const std::string& text = world.set.text(number);
        if (text.find("(?i)") != text.npos || text.find("\\b") != text.npos) continue;
        EXPECT_TRUE(std::count(inner.found.begin(), inner.found.end(), number)) << text;
    }
    for (const std::uint32_t number : inner.found)
        EXPECT_TRUE(std::count(expected.begin(), expected.end(), number));
    EXPECT_EQ(world.together("bab"), expected);
}

}  // namespace
}  // namespace millrace::matcher
