// Goal: a journal is played as it was written or not at all: what follows from an entry stands
// beside it, and a program that would decide otherwise says where, what was expected and what it
// found. Method: journals as a run writes them, changed at one place.
#include "tests/runtime/workflow/run_fixture.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime::workflow {
namespace {

constexpr std::string_view kTwoSteps =
    R"({"id":"w","version":1,"steps":[
        {"id":"a","type":"action","action":"x","next_steps":["b"]},
        {"id":"b","type":"sleep","duration":1000}]})";

struct Written {
    Definition definition;
    std::vector<std::string> journal;
};

Written written(std::string_view json = kTwoSteps) {
    TestRun run(json);
    Written out;
    const auto keep = [&](Input input) {
        input.at_us = run.now_us;
        std::vector<Effect> effects;
        ASSERT_TRUE(decide(run.definition, run.state, input, effects));
        out.journal.push_back(
            write_input(run.definition, input, outline(run.definition, run.state, effects)));
    };
    Input start;
    start.source = {"run_1", {}, "{}"};
    keep(start);
    Input end = run.of(InputKind::kStepEnded, "a");
    end.value = R"({"n":1})";
    keep(end);
    out.definition = run.definition;
    return out;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    const std::size_t at = text.find(what);
    EXPECT_NE(at, std::string::npos) << text;
    return text.replace(at, what.size(), by);
}

TEST(Journal, SaysBesideAnInputWhatFollowedFromIt) {
    const Written run = written();
    EXPECT_NE(run.journal[0].find("running; start a 1.1; "), std::string::npos) << run.journal[0];
    Difference difference;
    EXPECT_TRUE(play(run.definition, run.journal, {}, &difference));
    EXPECT_EQ(difference, Difference{});
}

TEST(Journal, IsNotPlayedByAProgramThatDecidesOtherwise) {
    Written run = written();
    // As if the program that wrote it had begun b too.
    run.journal[0] = replaced(run.journal[0], "start a 1.1", "start b 1.1");
    Difference difference;
    const auto played = play(run.definition, run.journal, {}, &difference);
    ASSERT_FALSE(played);
    EXPECT_EQ(difference.index, 0u);
    EXPECT_NE(difference.expected.find("start b 1.1"), std::string::npos);
    EXPECT_NE(difference.found.find("start a 1.1"), std::string::npos);
    EXPECT_NE(played.error().message.find("expected"), std::string::npos);
}

TEST(Journal, IsNotPlayedWhereOnlyATimeDiffers) {
    Written run = written();
    run.journal[1] = replaced(run.journal[1], R"("at":1000000)", R"("at":1000001)");
    Difference difference;
    EXPECT_FALSE(play(run.definition, run.journal, {}, &difference));
    EXPECT_EQ(difference.index, 1u);
}

TEST(Journal, OfAnotherVersionIsComparedByItsInputsAlone) {
    Written run = written();
    Definition other = run.definition;
    other.version = 2;
    other.steps[1].duration = "2000";
    EXPECT_TRUE(play(other, run.journal));
    other.steps[0].id = "z";
    Difference difference;
    EXPECT_FALSE(play(other, run.journal, {}, &difference));
    EXPECT_EQ(difference.index, 1u);
}

TEST(Journal, WithoutOutlinesIsPlayedAsBefore) {
    TestRun run(kTwoSteps);
    ASSERT_TRUE(run.start("", "{}"));
    ASSERT_TRUE(run.end("a", "{}"));
    EXPECT_TRUE(play(run.definition, run.journal));
}

}  // namespace
}  // namespace millrace::runtime::workflow
