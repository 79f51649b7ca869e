// Goal: a run goes on as its definition says: conditions, joins, branches, retries, failures,
// compensation, waits. Method: what happens is said input by input; what is to be done is checked.
#include "tests/runtime/workflow/run_fixture.h"

namespace millrace::runtime::workflow {
namespace {

constexpr std::string_view kOrders = R"({"id":"order-processing","version":1,"steps":[
    {"id":"validate-order","type":"action","action":"order.validate",
     "next_steps":["check-inventory"]},
    {"id":"check-inventory","type":"condition","conditions":[{"field":"inventory.available",
     "operator":"gte","value":"{{steps.validate-order.quantity}}"}],
     "next_steps":["process-payment","notify-backorder"]},
    {"id":"process-payment","type":"action","action":"payment.process",
     "retry_policy":{"strategy":"exponential","max_attempts":3}}],
    "error_handling":{"on_step_failure":"retry","on_workflow_failure":"compensate"}})";

const std::string kEvent =
    R"({"eventId":"e1","pattern":"order.created","payload":{"inventory":{"available":5}}})";

std::string action(const std::string& id, const std::string& more = "") {
    return R"({"id":")" + id + R"(","type":"action","action":"x")" + (more.empty() ? "" : ",") +
           more + "}";
}
std::string workflow(const std::string& steps, const std::string& more = "") {
    return R"({"id":"w","steps":[)" + steps + "]" + (more.empty() ? "" : ",") + more + "}";
}
const std::string kNoTries = R"("error_handling":{"on_step_failure":"fail"})";

TEST(Decide, RunsTheSampleOfTheSourceDocument) {
    TestRun run(kOrders);
    ASSERT_TRUE(run.start(kEvent));
    EXPECT_EQ(run.asked(), Steps{"validate-order"});
    EXPECT_EQ(run.input_of("validate-order"), R"({"inventory":{"available":5}})");
    ASSERT_TRUE(run.end("validate-order", R"({"quantity":5})"));
    EXPECT_EQ(run.asked(), Steps{"process-payment"});
    EXPECT_EQ(run.input_of("process-payment"), R"({"inventory":{"available":5},"quantity":5})");
    ASSERT_TRUE(run.end("process-payment", R"({"paid":true})"));
    EXPECT_EQ(run.state.status, RunStatus::kCompleted);
    EXPECT_EQ(run.state.output, R"({"paid":true})");
    EXPECT_TRUE(run.has_told("workflow.completed"));
}

TEST(Decide, EndsWhereTheStepIsMissing) {
    TestRun run(kOrders);
    run.start(kEvent);
    ASSERT_TRUE(run.end("validate-order", R"({"quantity":6})"));
    EXPECT_EQ(run.state.status, RunStatus::kCompleted);
    EXPECT_EQ(run.status("process-payment"), StepStatus::kSkipped);
}

TEST(Decide, LooksInDataWhateverAMemberIsCalled) {
    for (const char* field : {"version", "data.version", "input.version", "$.payload.version"}) {
        TestRun run(workflow(R"({"id":"c","type":"condition","conditions":[{"field":")" +
                             std::string(field) + R"(","operator":"equals","value":7}]})"));
        run.start("", R"({"version":7})");
        EXPECT_EQ(run.at("c").output, "true") << field;
    }
}

TEST(Decide, TriesAgainAndGivesUp) {
    TestRun run(kOrders);
    run.start(kEvent);
    run.end("validate-order", R"({"quantity":1})");
    ASSERT_TRUE(run.fail("process-payment"));
    EXPECT_EQ(run.state.status, RunStatus::kWaiting);
    EXPECT_EQ(*run.state.next_due_us(), run.now_us + 1'000'000);
    ASSERT_TRUE(run.time());
    EXPECT_EQ(run.asked(), Steps{"process-payment"});
    EXPECT_EQ(run.at("process-payment").attempt, 2u);
    run.fail("process-payment");
    EXPECT_EQ(*run.state.next_due_us(), run.now_us + 2'000'000);
    run.time();
    ASSERT_TRUE(run.fail("process-payment"));
    EXPECT_EQ(run.state.status, RunStatus::kFailed);
    EXPECT_TRUE(run.has_told("workflow.step.retrying"));
    EXPECT_TRUE(run.has_told("workflow.failed"));
}

TEST(Decide, TakesAnAnswerOnce) {
    TestRun run(workflow(action("a", R"("next_steps":["b"])") + "," + action("b")));
    run.start("", R"({"x":1})");
    const Input answer = run.of(InputKind::kStepEnded, "a");
    ASSERT_TRUE(run.say(answer));
    EXPECT_FALSE(run.say(answer));
    EXPECT_EQ(run.status("b"), StepStatus::kRunning);
}

TEST(Decide, JoinsWhatCameAndWhatNeverWill) {
    TestRun run(workflow(action("a", R"("next_steps":["c","d"])") +
                         R"(,{"id":"c","type":"condition","conditions":[{"field":"go","operator":)"
                         R"("equals","value":true}],"next_steps":["e"]},)" +
                         action("d", R"("next_steps":["f"])") + "," +
                         action("e", R"("next_steps":["f"])") + "," + action("f")));
    run.start("", R"({"go":false})");
    ASSERT_TRUE(run.end("a", "null"));
    EXPECT_EQ(run.status("e"), StepStatus::kSkipped);
    EXPECT_EQ(run.status("f"), StepStatus::kPending);
    ASSERT_TRUE(run.end("d", "1"));
    EXPECT_EQ(run.asked(), Steps{"f"});
    run.end("f", "2");
    EXPECT_EQ(run.state.status, RunStatus::kCompleted);
}

std::string parallel(const std::string& join) {
    return workflow(R"({"id":"p","type":"parallel","branches":["a","b","c"],"join":)" + join +
                        R"(,"next_steps":["z"]},)" + action("a") + "," + action("b") + "," +
                        action("c") + "," + action("z"),
                    kNoTries);
}

TEST(Decide, WaitsForAllBranches) {
    TestRun run(parallel(R"("all")"));
    run.start("", "{}");
    EXPECT_EQ(run.asked(), (Steps{"a", "b", "c"}));
    run.end("b", R"({"v":2})");
    run.end("c", R"({"v":3})");
    EXPECT_EQ(run.status("p"), StepStatus::kRunning);
    ASSERT_TRUE(run.end("a", R"({"v":1})"));
    EXPECT_EQ(run.at("p").output, R"({"a":{"v":1},"b":{"v":2},"c":{"v":3}})");
    // Of outputs side by side the definition's order counts, not that of their ends.
    EXPECT_NE(run.input_of("z").find(R"("v":3)"), std::string::npos);
}

TEST(Decide, CancelsTheLosers) {
    TestRun run(parallel(R"("any")"));
    run.start("", "{}");
    ASSERT_TRUE(run.fail("a", StepOutcome::kFatal));
    EXPECT_EQ(run.status("p"), StepStatus::kRunning);
    ASSERT_TRUE(run.end("c", "3"));
    EXPECT_EQ(run.asked(EffectKind::kAbandon), Steps{"b"});
    EXPECT_EQ(run.status("b"), StepStatus::kCancelled);
    EXPECT_EQ(run.asked(), Steps{"z"});
    EXPECT_FALSE(run.end("b", "2"));
}

TEST(Decide, FailsWhenNotEnoughBranchesAreLeft) {
    TestRun run(parallel("2"));
    run.start("", "{}");
    run.fail("a", StepOutcome::kFatal);
    ASSERT_TRUE(run.fail("b", StepOutcome::kFatal));
    EXPECT_EQ(run.status("p"), StepStatus::kFailed);
    // What is under way outside ends by itself; the run with it.
    EXPECT_EQ(run.status("c"), StepStatus::kRunning);
    ASSERT_TRUE(run.end("c", "3"));
    EXPECT_EQ(run.state.status, RunStatus::kFailed);
    EXPECT_EQ(run.status("z"), StepStatus::kCancelled);
}

TEST(Decide, GoesOnBehindAFailureWhereThatIsAskedFor) {
    TestRun run(workflow(action("a", R"("on_failure":"continue","next_steps":["b"])") + "," +
                         action("b", R"("input":"{{steps.a.x | default 0}}")")));
    run.start("", "{}");
    run.fail("a", StepOutcome::kFatal);
    EXPECT_EQ(run.input_of("b"), "0");
    run.end("b", "1");
    EXPECT_EQ(run.state.status, RunStatus::kCompleted);
}

TEST(Decide, CompensatesInTheOrderReversed) {
    TestRun run(workflow(action("a", R"("compensate":"undo.a","next_steps":["b"])") + "," +
                             action("b", R"("compensate":"undo.b","next_steps":["c"])") + "," +
                             action("c", R"("compensate":{"action":"undo.c","input":)"
                                         R"("{{steps.a.id}}"})"),
                         R"("error_handling":{"on_step_failure":"compensate"})"));
    run.start("", "{}");
    run.end("a", R"({"id":1})");
    run.end("b", R"({"id":2})");
    ASSERT_TRUE(run.fail("c"));
    EXPECT_EQ(run.state.status, RunStatus::kCompensating);
    // It was begun, and nobody knows how far it came.
    EXPECT_EQ(run.asked(EffectKind::kUndo), Steps{"c"});
    EXPECT_EQ(run.input_of("c"), "1");
    ASSERT_TRUE(run.undone("c", StepOutcome::kFailed));
    ASSERT_TRUE(run.time());
    ASSERT_TRUE(run.undone("c", StepOutcome::kFatal));
    EXPECT_EQ(run.asked(EffectKind::kUndo), Steps{"b"});
    EXPECT_EQ(run.input_of("b"), R"({"input":{"id":1},"output":{"id":2}})");
    run.undone("b");
    ASSERT_TRUE(run.undone("a"));
    EXPECT_EQ(run.state.status, RunStatus::kCompensationFailed);
    EXPECT_EQ(run.status("a"), StepStatus::kCompensated);
}

TEST(Decide, WaitsWithCompensationForWhatIsUnderWay) {
    TestRun run(workflow(action("a", R"("next_steps":["b","c"])") + "," +
                             action("b", R"("compensate":"undo.b")") + "," + action("c"),
                         R"("error_handling":{"on_step_failure":"fail",)"
                         R"("on_workflow_failure":"compensate"})"));
    run.start("", "{}");
    run.end("a", "1");
    ASSERT_TRUE(run.fail("c", StepOutcome::kFatal));
    EXPECT_TRUE(run.asked(EffectKind::kUndo).empty());
    ASSERT_TRUE(run.end("b", "2"));
    EXPECT_EQ(run.asked(EffectKind::kUndo), Steps{"b"});
}

TEST(Decide, CancelsWhileItWaitsForTheNextTry) {
    TestRun run(workflow(action("a", R"("compensate":"undo.a")")));
    run.start("", "{}");
    run.fail("a");
    EXPECT_EQ(run.status("a"), StepStatus::kRetrying);
    ASSERT_TRUE(run.simple(InputKind::kCancel));
    EXPECT_EQ(run.asked(EffectKind::kUndo), Steps{"a"});
    EXPECT_FALSE(run.simple(InputKind::kCancel));
    run.undone("a");
    EXPECT_EQ(run.state.status, RunStatus::kCompensated);
}

TEST(Decide, TerminatesWithoutCompensation) {
    TestRun run(workflow(action("a", R"("compensate":"undo.a")")));
    run.start("", "{}");
    ASSERT_TRUE(run.simple(InputKind::kTerminate));
    EXPECT_EQ(run.state.status, RunStatus::kCancelled);
    EXPECT_TRUE(run.asked(EffectKind::kUndo).empty());
}

TEST(Decide, KeepsASignalThatCameEarly) {
    TestRun run(workflow(action("a", R"("next_steps":["w"])") +
                         R"(,{"id":"w","type":"wait","signal":"approved","timeout_ms":1000,)"
                         R"("next_steps":["b"]},)" +
                         action("b")));
    run.start("", "{}");
    ASSERT_TRUE(run.signal("approved", R"({"by":"me"})"));
    ASSERT_TRUE(run.end("a", "null"));
    EXPECT_EQ(run.asked(), Steps{"b"});
    EXPECT_EQ(run.input_of("b"), R"({"by":"me"})");
}

TEST(Decide, WaitsForAnEventUntilItsTimeIsOver) {
    const std::string json = workflow(
        R"({"id":"w","type":"wait","event":"paid.*","match":[{"field":"$.payload.id","operator":)"
        R"("equals","value":"{{id}}"}],"timeout_ms":1000,"on_failure":"continue",)"
        R"("next_steps":["b"]},)" +
        action("b"));
    TestRun run(json);
    run.start("", R"({"id":7})");
    EXPECT_EQ(run.asked(EffectKind::kWait), Steps{"w"});
    EXPECT_NE(run.effects.back().input.find(R"("value":7)"), std::string::npos);
    Input event = run.of(InputKind::kEvent, "w");
    event.value = R"({"id":7,"sum":3})";
    ASSERT_TRUE(run.say(event));
    EXPECT_EQ(run.input_of("b"), R"({"id":7,"sum":3})");
    TestRun late(json);
    late.start("", R"({"id":7})");
    ASSERT_TRUE(late.time());
    EXPECT_EQ(late.at("w").code, "TIMEOUT");
    EXPECT_EQ(late.asked(), Steps{"b"});
}

// Twenty such runs held all places of the server until what they wait for came.
TEST(Decide, IsNotBusyWhileItsBranchesOrItsChildOnlyWait) {
    TestRun run(workflow(R"({"id":"p","type":"parallel","branches":["s","c","a"]},)"
                         R"({"id":"s","type":"sleep","duration":"1h"},)"
                         R"({"id":"c","type":"workflow","workflow_id":"other"},)" +
                         action("a")));
    run.start("");
    EXPECT_TRUE(run.state.is_busy(run.definition));
    EXPECT_TRUE(run.state.waits_for_run(run.definition));
    ASSERT_TRUE(run.end("a", "1"));
    EXPECT_FALSE(run.state.is_busy(run.definition));
    EXPECT_EQ(run.state.status, RunStatus::kRunning);
    ASSERT_TRUE(run.end("c", "1"));
    EXPECT_FALSE(run.state.waits_for_run(run.definition));
    EXPECT_EQ(*run.state.next_due_us(), run.now_us + 3'600'000'000);
    ASSERT_TRUE(run.time());
    EXPECT_EQ(run.state.status, RunStatus::kCompleted);
}

// It waited for ever: whoever tried to wait for it said so, and was not heard.
TEST(Decide, FailsAWaitThatNobodyCanWaitFor) {
    TestRun run(
        workflow(R"({"id":"w","type":"wait","event":"paid","match":[{"field":"$.payload.id",)"
                 R"("operator":"regex","value":"{{id}}"}]})"));
    run.start("", R"({"id":"("})");
    ASSERT_EQ(run.status("w"), StepStatus::kWaiting);
    EXPECT_FALSE(run.fail("w"));  // only for good
    Input failed = run.of(InputKind::kStepEnded, "w");
    failed.outcome = StepOutcome::kFatal;
    failed.code = "TEMPLATE";
    failed.error = "match: no regular expression";
    ASSERT_TRUE(run.say(failed));
    EXPECT_EQ(run.status("w"), StepStatus::kFailed);
    EXPECT_EQ(run.state.status, RunStatus::kFailed);
    EXPECT_EQ(run.state.code, "TEMPLATE");
    EXPECT_TRUE(play(run.definition, run.journal));
    EXPECT_FALSE(run.say(failed));
}

TEST(Decide, SleepsAsLongAsItIsTold) {
    TestRun run(workflow(R"({"id":"s","type":"sleep","duration":"{{wait}}","next_steps":["b"]},)" +
                         action("b")));
    run.start("", R"({"wait":"90s"})");
    EXPECT_EQ(*run.state.next_due_us(), run.now_us + 90'000'000);
    EXPECT_FALSE(run.state.is_busy(run.definition));
    ASSERT_TRUE(run.time());
    EXPECT_EQ(run.asked(), Steps{"b"});
}

TEST(Decide, BeginsNothingWhileItIsPaused) {
    TestRun run(workflow(action("a", R"("next_steps":["b"])") + "," + action("b")));
    run.start("", "{}");
    ASSERT_TRUE(run.simple(InputKind::kPause));
    EXPECT_EQ(run.state.status, RunStatus::kPaused);
    ASSERT_TRUE(run.end("a", "1"));
    EXPECT_TRUE(run.asked().empty());
    ASSERT_TRUE(run.simple(InputKind::kResume));
    EXPECT_EQ(run.asked(), Steps{"b"});
}

TEST(Decide, PausesInsteadOfFailingAndTriesAgainWhenResumed) {
    TestRun run(workflow(action("a", R"("next_steps":["b"])") + "," + action("b"),
                         R"("error_handling":{"on_step_failure":"fail",)"
                         R"("on_workflow_failure":"pause"})"));
    run.start("", "{}");
    run.end("a", "1");
    ASSERT_TRUE(run.fail("b"));
    EXPECT_EQ(run.state.status, RunStatus::kPaused);
    ASSERT_TRUE(run.simple(InputKind::kResume));
    EXPECT_EQ(run.asked(), Steps{"b"});
    EXPECT_EQ(run.at("b").iteration, 2u);
    ASSERT_TRUE(run.simple(InputKind::kPause));
    ASSERT_TRUE(run.simple(InputKind::kResume, "a"));
    EXPECT_EQ(run.asked(), Steps{"a"});
    EXPECT_EQ(run.at("a").iteration, 2u);
    run.end("a", "1");
    run.end("b", "2");
    EXPECT_EQ(run.state.status, RunStatus::kCompleted);
}

TEST(Decide, FailsForGoodWhatATemplateDoesNotFind) {
    TestRun run(workflow(action("a", R"("input":"{{data.nothing}}")")));
    run.start("", "{}");
    EXPECT_EQ(run.state.status, RunStatus::kFailed);
    EXPECT_EQ(run.at("a").code, "TEMPLATE");
    EXPECT_NE(run.state.error.find("nothing"), std::string::npos);
}

TEST(Decide, HoldsOutputsToTheirLimit) {
    TestRun run(workflow(action("a")));
    run.start("", "{}");
    ASSERT_TRUE(run.end("a", "\"" + std::string(kOutputBytesMax, 'x') + "\""));
    EXPECT_EQ(run.state.code, "LIMIT");
}

TEST(Decide, EndsARunThatTakesTooLong) {
    TestRun run(workflow(R"({"id":"s","type":"sleep","duration":"1h"})", R"("timeout_ms":1000)"));
    run.start("", "{}");
    ASSERT_TRUE(run.time());
    EXPECT_EQ(run.state.status, RunStatus::kFailed);
    EXPECT_TRUE(run.has_told("workflow.timeout"));
}

TEST(Journal, SaysWhichEntryAnotherVersionWouldNotHaveMet) {
    TestRun run(workflow(action("a", R"("next_steps":["b"])") + "," + action("b")));
    run.start("", "{}");
    run.end("a", "1");
    run.end("b", "2");
    auto same = play(run.definition, run.journal);
    ASSERT_TRUE(same) << same.error().message;
    EXPECT_EQ(same->status, RunStatus::kCompleted);
    TestRun other(workflow(action("a", R"("next_steps":["c"])") + "," + action("c")));
    auto differs = play(other.definition, run.journal);
    ASSERT_FALSE(differs);
    EXPECT_EQ(differs.error().position, 2);
    EXPECT_NE(differs.error().message.find("\"b\""), std::string::npos);
}

}  // namespace
}  // namespace millrace::runtime::workflow
