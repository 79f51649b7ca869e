// Goal: a run whose steps its code asks for goes by the same rules as others: retries, waits,
// compensation in reverse order, limits; and its journal brings it back. Method: what code asks for
// is said by hand; the journal is played again after each input.
#include "runtime/workflow/asked.h"

#include "tests/runtime/workflow/run_fixture.h"

namespace millrace::runtime::workflow {
namespace {

class CodeRun : public TestRun {
public:
    CodeRun() : TestRun(R"({"id":"w","steps":[{"id":"s","type":"sleep","duration":1}]})") {
        definition = code_definition("w", "w", 3);
        start(R"({"payload":{"n":1}})");
    }
    bool ask(std::vector<std::string> steps, std::vector<std::string> left = {}) {
        const std::string text = write_asked(steps, left);
        const auto grown = grow(definition, text);
        EXPECT_TRUE(grown) << grown.error().message;
        Input in;
        in.kind = InputKind::kAsked;
        in.value = text;
        return say(std::move(in));
    }
    bool give_back(StepOutcome how, std::string value, std::string code = {}) {
        Input in;
        in.kind = InputKind::kReturned;
        in.outcome = how;
        in.value = std::move(value);
        in.code = std::move(code);
        return say(std::move(in));
    }
    void check_replay() const {
        auto played = play(definition, journal);
        ASSERT_TRUE(played) << played.error().message;
        EXPECT_EQ(played->status, state.status);
        EXPECT_EQ(played->ended, state.ended);
        EXPECT_EQ(played->settled, state.settled);
        for (std::size_t i = 0; i < state.steps.size(); ++i) {
            EXPECT_EQ(played->steps[i].status, state.steps[i].status) << i;
            EXPECT_EQ(played->steps[i].output, state.steps[i].output) << i;
        }
    }
};

const std::string kTakeStep =
    R"({"id":"take:1","type":"action","retry":{"maxAttempts":2},"compensate":true})";
const std::string kMailStep =
    R"({"id":"mail:1","type":"action","action":"sms.send","input":{"x":"{{y}}"},)"
    R"("compensate":{"action":"sms.back","input":{"v":"{{z}}"}}})";

TEST(CodeRunTest, HasNoEndBeforeItsCodeSaysSo) {
    CodeRun run;
    EXPECT_TRUE(run.state.wants_code());
    EXPECT_TRUE(run.state.is_busy(run.definition));
    ASSERT_TRUE(run.ask({kTakeStep}));
    EXPECT_FALSE(run.state.wants_code());
    EXPECT_EQ(run.asked(), Steps{"take:1"});
    ASSERT_TRUE(run.end("take:1", R"({"id":1})"));
    EXPECT_EQ(run.state.status, RunStatus::kRunning);
    EXPECT_TRUE(run.state.wants_code());
    EXPECT_EQ(run.state.ended, (std::vector<StepIndex>{0}));
    run.check_replay();
    ASSERT_TRUE(run.give_back(StepOutcome::kOk, R"({"all":true})"));
    EXPECT_EQ(run.state.status, RunStatus::kCompleted);
    EXPECT_EQ(run.state.output, R"({"all":true})");
    EXPECT_TRUE(run.has_told("workflow.completed"));
    run.check_replay();
}

TEST(CodeRunTest, ValuesAreNoTemplates) {
    CodeRun run;
    ASSERT_TRUE(run.ask({kMailStep}));
    EXPECT_EQ(run.input_of("mail:1"), R"({"x":"{{y}}"})");
    ASSERT_TRUE(run.end("mail:1", "1"));
    ASSERT_TRUE(run.give_back(StepOutcome::kFailed, "", "BAD"));
    EXPECT_EQ(run.asked(EffectKind::kUndo), Steps{"mail:1"});
    EXPECT_EQ(run.input_of("mail:1"), R"({"v":"{{z}}"})");
}

TEST(CodeRunTest, AFailureIsTriedAgainAndThenToldToTheCode) {
    CodeRun run;
    ASSERT_TRUE(run.ask({kTakeStep}));
    ASSERT_TRUE(run.fail("take:1"));
    EXPECT_EQ(run.status("take:1"), StepStatus::kRetrying);
    EXPECT_FALSE(run.state.wants_code());
    ASSERT_TRUE(run.time());
    EXPECT_EQ(run.asked(), Steps{"take:1"});
    ASSERT_TRUE(run.fail("take:1"));
    EXPECT_EQ(run.status("take:1"), StepStatus::kFailed);
    EXPECT_EQ(run.state.status, RunStatus::kRunning);
    EXPECT_TRUE(run.state.wants_code());
    run.check_replay();
}

TEST(CodeRunTest, AnErrorOfTheCodeUndoesInReverseOrder) {
    CodeRun run;
    ASSERT_TRUE(run.ask({kTakeStep}));
    ASSERT_TRUE(run.end("take:1", R"({"id":1})"));
    ASSERT_TRUE(run.ask({kMailStep}));
    ASSERT_TRUE(run.end("mail:1", "null"));
    ASSERT_TRUE(run.give_back(StepOutcome::kFailed, "", "DECLINED"));
    EXPECT_EQ(run.asked(EffectKind::kUndo), Steps{"mail:1"});
    ASSERT_TRUE(run.undone("mail:1"));
    EXPECT_EQ(run.asked(EffectKind::kUndo), Steps{"take:1"});
    EXPECT_EQ(run.input_of("take:1"), R"({"input":null,"output":{"id":1}})");
    ASSERT_TRUE(run.undone("take:1"));
    EXPECT_EQ(run.state.status, RunStatus::kCompensated);
    EXPECT_EQ(run.state.code, "DECLINED");
    run.check_replay();
}

TEST(CodeRunTest, SleepsWaitsAndSignals) {
    CodeRun run;
    ASSERT_TRUE(run.signal("go", R"({"n":1})"));
    ASSERT_TRUE(run.ask({R"({"id":"sleep:1","type":"sleep","durationMs":500})",
                         R"({"id":"w:1","type":"wait","event":"paid","timeoutMs":100})",
                         R"({"id":"s:1","type":"wait","signal":"go"})"}));
    EXPECT_EQ(run.asked(EffectKind::kWait), Steps{"w:1"});
    EXPECT_EQ(run.at("s:1").output, R"({"n":1})");
    EXPECT_EQ(run.state.ended, (std::vector<StepIndex>{2}));
    ASSERT_TRUE(run.time());
    EXPECT_EQ(run.at("w:1").code, "TIMEOUT");
    ASSERT_TRUE(run.time());
    EXPECT_EQ(run.state.ended, (std::vector<StepIndex>{2, 1, 0}));
    run.check_replay();
}

TEST(CodeRunTest, WhatIsLeftDoesNotGoOnNorBegin) {
    CodeRun run;
    ASSERT_TRUE(run.ask({R"({"id":"a:1","type":"wait","signal":"go"})"}));
    ASSERT_TRUE(
        run.ask({R"({"id":"b:1","type":"sleep","durationMs":1})", kTakeStep}, {"a:1", "b:1"}));
    EXPECT_EQ(run.status("a:1"), StepStatus::kCancelled);
    EXPECT_EQ(run.status("b:1"), StepStatus::kCancelled);
    EXPECT_EQ(run.asked(), Steps{"take:1"});
    ASSERT_TRUE(run.signal("go", "1"));
    EXPECT_TRUE(run.state.ended.empty());
    run.check_replay();
}

TEST(CodeRunTest, ADifferenceStopsTheStepUntilItIsResumed) {
    CodeRun run;
    ASSERT_TRUE(run.ask({kTakeStep}));
    Input in = run.of(InputKind::kPause, "take:1");
    in.code = "NON_DETERMINISTIC";
    in.name = "expected this, found that";
    ASSERT_TRUE(run.say(std::move(in)));
    EXPECT_EQ(run.state.status, RunStatus::kPaused);
    EXPECT_EQ(run.state.code, "NON_DETERMINISTIC");
    EXPECT_FALSE(run.state.is_busy(run.definition));
    ASSERT_TRUE(run.simple(InputKind::kResume));
    EXPECT_EQ(run.asked(), Steps{"take:1"});
    EXPECT_TRUE(run.state.wants_code()) << "the code looks at its way again";
    EXPECT_FALSE(run.simple(InputKind::kResume));
    run.check_replay();
}

TEST(CodeRunTest, CancelUndoesWhatHasBegun) {
    CodeRun run;
    ASSERT_TRUE(run.ask({kTakeStep, R"({"id":"sleep:1","type":"sleep","durationMs":500})"}));
    ASSERT_TRUE(run.simple(InputKind::kCancel));
    EXPECT_FALSE(run.state.wants_code());
    ASSERT_TRUE(run.end("take:1", "1"));
    EXPECT_EQ(run.asked(EffectKind::kUndo), Steps{"take:1"});
    EXPECT_FALSE(run.ask({R"({"id":"late:1","type":"sleep","durationMs":5})"}));
}

TEST(CodeRunTest, TheStepsOfARunAreBounded) {
    Definition definition = code_definition("w", "w", 1);
    const std::vector<std::string> many(kStepsMax, R"({"id":"a:1","type":"sleep","durationMs":1})");
    ASSERT_TRUE(grow(definition, write_asked(many, {})));
    const auto over = grow(definition, write_asked({many.data(), 1}, {}));
    ASSERT_FALSE(over);
    EXPECT_NE(over.error().message.find("wf.continueAsNew"), std::string::npos);
    EXPECT_EQ(definition.steps.size(), kStepsMax);
}

TEST(CodeRunTest, ARunWarnsBeforeItsBound) {
    CodeRun run;
    std::vector<std::string> many;
    for (int i = 0; i < 9'000; ++i)
        many.push_back(R"({"id":"a:)" + std::to_string(i) + R"(","type":"sleep","durationMs":1})");
    ASSERT_TRUE(run.ask(many));
    const bool warned = std::any_of(run.effects.begin(), run.effects.end(), [](const Effect& one) {
        return one.kind == EffectKind::kWarn && one.code == "steps";
    });
    EXPECT_TRUE(warned);
}

TEST(CodeRunTest, AStepThatIsWrongIsRefusedByItsMember) {
    Definition definition = code_definition("w", "w", 1);
    for (const auto& [step, field] : std::vector<std::pair<std::string, std::string>>{
             {R"({"id":"a","type":"action","retry":{"maxAttempts":0}})", "maxAttempts"},
             {R"({"id":"a","type":"action","action":"*"})", "action"},
             {R"({"id":"a","type":"wait"})", "event"},
             {R"({"id":"a","type":"wait","event":"x","match":"1 +"})", "match"},
             {R"({"id":"a","type":"condition"})", "type"},
             {R"({"id":"a","type":"sleep","durationMs":-1})", "durationMs"}}) {
        const auto grown = grow(definition, write_asked({&step, 1}, {}));
        ASSERT_FALSE(grown) << step;
        EXPECT_NE(grown.error().message.find(field), std::string::npos) << grown.error().message;
        EXPECT_TRUE(definition.steps.empty());
    }
}

}  // namespace
}  // namespace millrace::runtime::workflow
