// Goal: a canary is judged by what it has come to, over a restart too; its figures are kept when
// they have changed, and those of another canary of the script are not taken for its own. Method:
// two versions, runs told by hand; figures carried from one table to the next.
#include "runtime/executors/canary_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

ScriptRef version(std::uint32_t number) {
    auto script = std::make_shared<Script>();
    script->number = ScriptNumber(5);
    script->id = "s";
    script->version = number;
    return script;
}

CanarySpec spec(std::int64_t began_us = 100) {
    CanarySpec out;
    out.script_id = "s";
    out.number = ScriptNumber(5);
    out.candidate = version(2);
    out.baseline = version(1);
    out.current = 2;
    out.percent = 50;
    out.began_us = began_us;
    return out;
}

struct Table {
    CanaryTable table;
    std::vector<std::string> told;
    Table() {
        table.on_rollback([this](const CanarySpec& of) { told.push_back(of.rolled_back); });
    }
    void run(std::uint32_t of, int times, bool well, std::int64_t us = 100) {
        for (int i = 0; i < times; ++i) table.ran(*version(of), well, us);
    }
    std::string kept() {
        std::string out;
        table.keep([&](ScriptNumber number, std::string&& figures) {
            EXPECT_EQ(number.value, 5u);
            out = std::move(figures);
        });
        return out;
    }
    std::string shown() const {
        std::string out;
        core::JsonWriter json(out);
        json.begin_object();
        table.append(json, ScriptNumber(5));
        json.end_object();
        return out;
    }
};

TEST(CanaryTable, IsJudgedOverARestart) {
    Table before;
    before.table.begin(spec());
    before.run(1, 30, true);
    before.run(2, 15, true);
    before.run(2, 4, false);
    EXPECT_TRUE(before.told.empty()) << "19 runs are too few";
    const std::string figures = before.kept();
    ASSERT_FALSE(figures.empty());
    EXPECT_TRUE(before.kept().empty()) << "nothing has changed since";

    Table after;
    after.table.begin(spec());
    ASSERT_TRUE(after.table.restore(ScriptNumber(5), figures));
    EXPECT_EQ(after.shown(), before.shown());
    EXPECT_TRUE(after.told.empty());
    after.run(2, 1, false);
    ASSERT_EQ(after.told.size(), 1u);
    EXPECT_NE(after.told[0].find("fails in 25.0 %"), std::string::npos) << after.told[0];
}

TEST(CanaryTable, ADecisionThatWasNotWrittenIsMadeAgain) {
    Table before;
    before.table.begin(spec());
    before.run(1, 30, true);
    before.run(2, 20, false);
    ASSERT_EQ(before.told.size(), 1u);
    Table after;
    after.table.begin(spec());  // as its row was before
    ASSERT_TRUE(after.table.restore(ScriptNumber(5), before.kept()));
    EXPECT_EQ(after.told, before.told);
}

TEST(CanaryTable, FiguresOfAnotherCanaryAreNotItsOwn) {
    Table before;
    before.table.begin(spec(100));
    before.run(2, 3, true);
    const std::string figures = before.kept();
    Table after;
    EXPECT_FALSE(after.table.restore(ScriptNumber(5), figures)) << "there is none";
    after.table.begin(spec(200));
    const std::string fresh = after.shown();
    EXPECT_FALSE(after.table.restore(ScriptNumber(5), figures));
    for (const char* bad : {"", "{}", "[]", R"({"beganUs":200})"})
        EXPECT_FALSE(after.table.restore(ScriptNumber(5), bad)) << bad;
    EXPECT_EQ(after.shown(), fresh);
}

TEST(CanaryTable, LongerRunsAreSeen) {
    Table table;
    table.table.begin(spec());
    table.run(1, 100, true, 6'000);
    table.run(2, 96, true, 11'000);
    EXPECT_TRUE(table.told.empty()) << "not twice as long";
    table.run(2, 160, true, 20'000);
    ASSERT_EQ(table.told.size(), 1u);
    EXPECT_NE(table.told[0].find("p99"), std::string::npos) << table.told[0];
}

// Comparisons are made where deliveries are: those that take long are few.
TEST(CanaryTable, WhatItComparesTakesLittleOfALanesTime) {
    Table now;
    CanarySpec shadow = spec();
    shadow.percent = 0;
    now.table.begin(shadow);
    constexpr std::int64_t kMs = 1'000'000;
    const auto comparisons = [&](std::int64_t from_ms, std::int64_t each_ns) {
        int made = 0;
        for (std::int64_t at_ns = from_ms * kMs; at_ns < (from_ms + 100'000) * kMs; at_ns += kMs) {
            ScriptRef candidate, baseline;
            if (!now.table.compares(*version(2), at_ns, candidate, baseline)) continue;
            EXPECT_EQ(candidate->version, 2u);
            EXPECT_EQ(baseline->version, 1u);
            now.table.compared(ScriptNumber(5), false, at_ns, at_ns + each_ns);
            ++made;
        }
        return made;
    };
    EXPECT_EQ(comparisons(0, kMs), 500) << "in 100 s, five a second";
    EXPECT_EQ(comparisons(100'000, 2'000 * kMs), 3) << "of 2 s each";
    EXPECT_TRUE(now.told.empty());
}

TEST(DurationCounts, AreExactToASixteenth) {
    for (std::int64_t us = 1; us < 10'000'000'000; us = us * 9 / 8 + 1) {
        DurationCounts counts;
        counts.add(us);
        EXPECT_LE(std::abs(counts.p99_us() - us), us / 16 + 1) << us;
    }
    DurationCounts counts;
    EXPECT_EQ(counts.p99_us(), 0);
    for (int i = 0; i < 99; ++i) counts.add(100);
    counts.add(1'000'000);
    EXPECT_LT(counts.p99_us(), 110);
    for (int i = 0; i < 20'000; ++i) counts.add(5'000);
    EXPECT_NEAR(static_cast<double>(counts.p99_us()), 5'000, 320) << "the old ones are forgotten";
    std::string text;
    core::JsonWriter json(text);
    counts.write(json);
    core::JsonDom dom;
    core::JsonElement root;
    ASSERT_TRUE(dom.read(text, root));
    DurationCounts again;
    ASSERT_TRUE(again.read(root));
    EXPECT_EQ(again.p99_us(), counts.p99_us());
    for (const char* bad : {"{}", "[1]", "[[1]]", "[[256,1]]", "[[1,5000]]", "[[-1,1]]"}) {
        ASSERT_TRUE(dom.read(bad, root));
        EXPECT_FALSE(again.read(root)) << bad;
    }
}

}  // namespace
}  // namespace millrace::runtime
