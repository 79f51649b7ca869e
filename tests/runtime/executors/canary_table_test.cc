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
    std::int64_t now_ns = 0;
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
        table.append(json, ScriptNumber(5), now_ns);
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

// ---- one canary in several partitions

constexpr std::size_t kPartitions = 3;
constexpr std::int64_t kSecond = 1'000'000'000;

struct Partition : Table {
    explicit Partition(std::size_t partition, bool home, bool fresh = false) {
        table.spread_over(partition, kPartitions, [home](core::TenantId) { return home; });
        table.begin(spec(), fresh ? std::optional(std::int64_t{0}) : std::nullopt);
    }
    std::string tell() const {
        return table.told([](core::TenantId) { return true; });
    }
};

TEST(CanaryTable, TheHomeJudgesWhatAllHaveComeTo) {
    Partition home(0, true), one(1, false), two(2, false);
    for (Partition* each : {&home, &one, &two}) {
        each->run(1, 20, true);
        each->run(2, 8, false);
        EXPECT_TRUE(each->told.empty()) << "8 runs are too few";
    }
    EXPECT_TRUE(home.table.hear(1, one.tell(), kSecond));
    EXPECT_TRUE(home.told.empty()) << "and so are 16, and not all have spoken";
    EXPECT_TRUE(home.table.hear(2, two.tell(), kSecond));
    ASSERT_EQ(home.told.size(), 1u);
    EXPECT_NE(home.told[0].find("fails in 100.0 %"), std::string::npos) << home.told[0];
    two.run(2, 50, false);
    EXPECT_TRUE(two.told.empty()) << "it is not the home";
    EXPECT_TRUE(home.table.hear(2, two.tell(), kSecond));
    EXPECT_EQ(home.told.size(), 1u) << "once";
}

// A home that has begun anew has its own figures alone.
TEST(CanaryTable, TheHomeDoesNotJudgeBeforeAllHaveSpokenOrCanNot) {
    for (const bool speaks : {true, false}) {
        Partition before(0, true), one(1, false), home(0, true);
        before.run(1, 20, true);
        before.run(2, 20, true);
        before.run(2, 10, false);
        EXPECT_TRUE(before.told.empty());
        one.run(2, 500, true);
        ASSERT_TRUE(home.table.restore(ScriptNumber(5), before.kept()));
        home.run(2, 1, false);
        EXPECT_TRUE(home.table.hear(1, one.tell(), kSecond));
        EXPECT_TRUE(home.told.empty()) << "the last one has not spoken";
        if (speaks)
            EXPECT_TRUE(home.table.hear(2, one.tell(), kSecond));
        else
            home.table.hear_nothing(2, kSecond);
        EXPECT_TRUE(home.told.empty()) << "11 of 531 are not many";
        EXPECT_EQ(home.shown().find(R"("missing":[2])") != std::string::npos, !speaks)
            << home.shown();
        home.run(2, 60, false);
        EXPECT_EQ(home.told.size(), speaks ? 1u : 0u) << "it may have no owner for a moment";
        home.table.hear_nothing(2, kSecond + CanaryTable::kSilentNs);
        EXPECT_EQ(home.told.size(), 1u);
    }
}

TEST(CanaryTable, NobodyIsMissingInTheMomentInWhichItBegins) {
    Partition home(0, true, true);
    EXPECT_EQ(home.shown().find("missing"), std::string::npos) << home.shown();
    home.now_ns = CanaryTable::kHeardNs + 1;
    EXPECT_NE(home.shown().find(R"("missing":[1,2])"), std::string::npos) << home.shown();
}

TEST(CanaryTable, OfWhatHasEndedTheOthersAreAskedOnce) {
    Partition home(0, true), one(1, false), two(2, false);
    one.run(2, 9, true);
    home.table.follow(ScriptNumber(5), 3);
    EXPECT_TRUE(home.table.asks_others());
    home.table.hear(1, one.tell(), kSecond);
    EXPECT_NE(home.shown().find(R"("missing":[2])"), std::string::npos) << home.shown();
    home.table.hear(2, two.tell(), kSecond);
    EXPECT_FALSE(home.table.asks_others());
    home.now_ns = 100 * kSecond;
    EXPECT_EQ(home.shown().find("missing"), std::string::npos) << "they are as they were";
    EXPECT_NE(home.shown().find(R"("runs":9,)"), std::string::npos) << home.shown();
}

TEST(CanaryTable, WhatHasEndedIsNotJudged) {
    Table now;
    now.table.begin(spec());
    now.table.follow(ScriptNumber(5), 3);
    now.run(1, 30, true);
    now.run(2, 30, false);
    EXPECT_TRUE(now.told.empty());
}

// A partition that has had a million runs keeps as many durations as one that has had thousands.
TEST(CanaryTable, APartitionCountsForAsManyRunsAsItHasHad) {
    Partition home(0, true, true), hot(1, false), small(2, false);
    hot.run(1, 40'000, true, 1'000);
    hot.run(2, 360'000, true, 1'000);
    small.run(1, 30, true, 20'000);
    small.run(2, 270, true, 20'000);
    home.table.hear(1, hot.tell(), kSecond);
    home.table.hear(2, small.tell(), kSecond);
    EXPECT_TRUE(home.told.empty()) << home.told[0];
    small.run(2, 20'000, true, 20'000);
    home.table.hear(2, small.tell(), kSecond);
    ASSERT_EQ(home.told.size(), 1u) << "one in twenty is slow";
    EXPECT_NE(home.told[0].find("p99"), std::string::npos) << home.told[0];
}

TEST(CanaryTable, WhatAPartitionDoesNotKnowYetIsMissing) {
    Partition home(0, true);
    EXPECT_TRUE(home.table.hear(1, R"({"items":[]})", kSecond));
    EXPECT_NE(home.shown().find(R"("missing":[1,2])"), std::string::npos) << home.shown();
}

TEST(CanaryTable, ANewerVersionEndsWhatIsTriedAndARemovedScriptToo) {
    Partition home(0, true);
    home.table.follow(ScriptNumber(5), 2);
    EXPECT_NE(home.shown().find(R"("state":"running")"), std::string::npos) << home.shown();
    home.table.follow(ScriptNumber(5), 3);
    EXPECT_NE(home.shown().find(R"("state":"superseded")"), std::string::npos) << home.shown();
    EXPECT_TRUE(home.table.follow(ScriptNumber(5), std::nullopt));
    EXPECT_EQ(home.tell(), R"({"items":[]})");
    EXPECT_FALSE(home.table.find(ScriptNumber(5)));
}

TEST(CanaryTable, WhatIsToldAgainCountsOnce) {
    Partition home(0, true), one(1, false);
    one.run(2, 7, true);
    for (int times = 0; times < 3; ++times) EXPECT_TRUE(home.table.hear(1, one.tell(), kSecond));
    EXPECT_NE(home.shown().find(R"("candidate":{"version":2,"runs":7,)"), std::string::npos)
        << home.shown();
    one.run(2, 2, false);
    EXPECT_TRUE(home.table.hear(1, one.tell(), kSecond));
    EXPECT_NE(home.shown().find(R"("runs":9,"failures":2,)"), std::string::npos) << home.shown();
}

TEST(CanaryTable, ItSaysWhoseFiguresAreMissing) {
    Partition home(0, true), one(1, false), two(2, false);
    EXPECT_TRUE(home.table.asks_others());
    EXPECT_FALSE(one.table.asks_others());
    EXPECT_NE(home.shown().find(R"("missing":[1,2])"), std::string::npos) << home.shown();
    EXPECT_EQ(one.shown().find("missing"), std::string::npos);
    home.table.hear(1, one.tell(), kSecond);
    EXPECT_NE(home.shown().find(R"("missing":[2])"), std::string::npos) << home.shown();
    home.table.hear(2, two.tell(), 2 * kSecond);
    EXPECT_EQ(home.shown().find("missing"), std::string::npos) << home.shown();
    home.now_ns = kSecond + CanaryTable::kHeardNs + 1;
    EXPECT_NE(home.shown().find(R"("missing":[1])"), std::string::npos) << home.shown();
}

TEST(CanaryTable, FiguresOfAnotherCanaryAreNotAdded) {
    Partition home(0, true), one(1, false);
    one.run(2, 50, false);
    home.table.begin(spec(200));
    EXPECT_TRUE(home.table.hear(1, one.tell(), kSecond)) << "it reads, and is of the last one";
    EXPECT_TRUE(home.told.empty());
    for (const char* bad :
         {"", "[]", "{}", R"({"items":[1]})", R"({"items":[{}]})", R"({"items":[{"number":5}]})",
          R"({"items":[{"number":-1,"figures":{}}]})"})
        EXPECT_FALSE(home.table.hear(1, bad, kSecond)) << bad;
}

// A copy hears that it was given up: the row is there again with the reason.
TEST(CanaryTable, ARowThatComesAgainLeavesTheFigures) {
    Table now;
    now.table.begin(spec());
    now.run(2, 3, true);
    CanarySpec over = spec();
    over.rolled_back = "it fails";
    now.table.begin(over);
    EXPECT_NE(now.shown().find(R"("state":"rolledBack")"), std::string::npos);
    EXPECT_NE(now.shown().find(R"("runs":3,)"), std::string::npos) << now.shown();
    now.table.begin(spec(101));
    EXPECT_EQ(now.shown().find(R"("runs":3,)"), std::string::npos) << now.shown();
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
