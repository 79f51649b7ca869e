// Goal: a workflow is read as source documents write it, and what is wrong with one is told with
// its place. Method: definitions as JSON; refusals by field and byte.
#include "runtime/workflow/definition.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime::workflow {
namespace {

constexpr std::string_view kOrders = R"({
  "id": "order-processing",
  "name": "Order Processing Workflow",
  "version": 1,
  "steps": [
    {"id": "validate-order", "name": "Validate Order", "type": "action",
     "action": "order.validate", "next_steps": ["check-inventory"]},
    {"id": "check-inventory", "name": "Check Inventory", "type": "condition",
     "conditions": [{"field": "inventory.available", "operator": "gte",
                     "value": "{{steps.validate-order.quantity}}"}],
     "next_steps": ["process-payment", "notify-backorder"]},
    {"id": "process-payment", "name": "Process Payment", "type": "action",
     "action": "payment.process",
     "retry_policy": {"strategy": "exponential", "max_attempts": 3}}
  ],
  "error_handling": {"on_step_failure": "retry", "on_workflow_failure": "compensate"}
})";

core::Error refused(const std::string& json, Unknown unknown = Unknown::kWarn) {
    auto parsed = parse_definition(json, unknown);
    EXPECT_FALSE(parsed) << json;
    return parsed ? core::Error() : parsed.error();
}

std::string steps(const std::string& list) { return R"({"id":"w","steps":[)" + list + "]}"; }

// The byte that the error names begins with this text.
void expect_at(const std::string& json, const core::Error& error, std::string_view text) {
    ASSERT_GE(error.position, 0) << error.message;
    EXPECT_EQ(json.substr(static_cast<std::size_t>(error.position), text.size()), text)
        << error.message;
}

TEST(Definition, TakesTheSampleOfTheSourceDocumentAndWarnsOfItsMissingStep) {
    auto parsed = parse_definition(kOrders);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->version, 1u);
    ASSERT_EQ(parsed->warnings.size(), 1u);
    EXPECT_NE(parsed->warnings[0].find("steps[1].next_steps[1]"), std::string::npos);
    EXPECT_NE(parsed->warnings[0].find("notify-backorder"), std::string::npos);
    EXPECT_EQ(parsed->steps[1].next, (std::vector<StepIndex>{2, kNoStep}));
    EXPECT_EQ(parsed->steps[2].retry.attempts_max, 3u);
    EXPECT_EQ(parsed->on_failure, OnRunFailure::kCompensate);
}

TEST(Definition, RefusesAMissingStepWhereThatIsAskedFor) {
    const std::string json(kOrders);
    const core::Error error = refused(json, Unknown::kRefuse);
    EXPECT_EQ(error.field, "steps[1].next_steps[1]");
    expect_at(json, error, "\"notify-backorder\"");
}

TEST(Definition, TakesCamelCaseAsWell) {
    auto parsed = parse_definition(
        R"({"id":"w","errorHandling":{"onStepFailure":"continue"},"timeoutMs":5000,"steps":[
            {"id":"a","type":"action","action":"x","nextSteps":["b"],
             "retryPolicy":{"strategy":"fixed","maxAttempts":5,"initialDelayMs":10}},
            {"id":"b","type":"sleep","duration":"5m"}]})");
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->steps[0].retry.attempts_max, 5u);
    EXPECT_EQ(parsed->steps[0].on_failure, OnFailure::kContinue);
    EXPECT_EQ(parsed->timeout_ms, 5000);
}

TEST(Definition, RefusesCirclesAndNamesThem) {
    const std::string json = steps(R"({"id":"a","type":"action","action":"x","next_steps":["b"]},)"
                                   R"({"id":"b","type":"action","action":"x","next_steps":["c"]},)"
                                   R"({"id":"c","type":"action","action":"x","next_steps":["b"]})");
    const core::Error error = refused(json);
    EXPECT_NE(error.message.find(R"("b" -> "c" -> "b")"), std::string::npos) << error.message;
    expect_at(json, error, R"({"id":"c")");
}

TEST(Definition, RefusesStepsThatNothingReaches) {
    const std::string json = steps(R"({"id":"a","type":"action","action":"x"},)"
                                   R"({"id":"lost","type":"action","action":"x"})");
    const core::Error error = refused(json);
    EXPECT_EQ(error.field, "steps[1].id");
    expect_at(json, error, R"({"id":"lost")");
}

TEST(Definition, RefusesTemplatesThatLeadNowhere) {
    const std::string json =
        steps(R"({"id":"a","type":"action","action":"x","input":{"q":"{{steps.nobody.q}}"}})");
    const core::Error error = refused(json);
    EXPECT_EQ(error.field, "steps[0].input");
    expect_at(json, error, "steps.nobody.q");
    const std::string later =
        steps(R"({"id":"a","type":"action","action":"x","input":"{{steps.b.q}}","next_steps":"b"},)"
              R"({"id":"b","type":"action","action":"x"})");
    EXPECT_NE(refused(later).message.find("does not come before"), std::string::npos);
    const std::string secret =
        steps(R"({"id":"a","type":"action","action":"x","input":"{{secrets.k}}"})");
    EXPECT_NE(refused(secret).message.find("executor"), std::string::npos);
}

TEST(Definition, RefusesWhatIsNoMemberAndSaysWhere) {
    const std::string json = steps(R"({"id":"a","type":"action","action":"x","retries":3})");
    const core::Error error = refused(json);
    EXPECT_EQ(error.field, "steps[0].retries");
    expect_at(json, error, "3");
    EXPECT_EQ(refused(steps(R"({"id":"a","type":"task"})")).field, "steps[0].type");
    EXPECT_EQ(refused(steps(R"({"type":"action"})")).field, "steps[0].id");
    EXPECT_EQ(refused(steps(R"({"id":"a.b","type":"action"})")).field, "steps[0].id");
    EXPECT_EQ(refused(steps("")).field, "steps");
    EXPECT_EQ(refused(R"({"id":"w"})").field, "steps");
    EXPECT_EQ(refused("[1]").field, "body");
    EXPECT_EQ(refused(steps(R"({"id":"a","type":"condition","conditions":[{"field":"x",)"
                            R"("operator":"around","value":1}]})"))
                  .field,
              "steps[0].conditions");
}

TEST(Definition, HoldsBranchesApart) {
    const std::string entered =
        steps(R"({"id":"a","type":"action","action":"x","next_steps":["p","c"]},)"
              R"({"id":"p","type":"parallel","branches":["b","c"]},)"
              R"({"id":"b","type":"action","action":"x"},{"id":"c","type":"action","action":"x"})");
    EXPECT_NE(refused(entered).message.find("belongs to a branch"), std::string::npos);
    const std::string shared =
        steps(R"({"id":"p","type":"parallel","branches":["b","c"],"join":"any"},)"
              R"({"id":"b","type":"action","action":"x","next_steps":["d"]},)"
              R"({"id":"c","type":"action","action":"x","next_steps":["d"]},)"
              R"({"id":"d","type":"action","action":"x"})");
    EXPECT_NE(refused(shared).message.find("two branches"), std::string::npos);
    EXPECT_EQ(refused(steps(R"({"id":"p","type":"parallel","branches":["b"],"join":2},)"
                            R"({"id":"b","type":"action","action":"x"})"))
                  .field,
              "steps[0].join");
}

TEST(Definition, KnowsWhichParallelStepIsTheInnermost) {
    auto parsed = parse_definition(
        steps(R"({"id":"p","type":"parallel","branches":["q","c"],"next_steps":["z"]},)"
              R"({"id":"q","type":"parallel","branches":["b"]},{"id":"b","type":"sleep",)"
              R"("duration":1},{"id":"c","type":"sleep","duration":1},)"
              R"({"id":"z","type":"action","action":"x","input":"{{steps.b | default 1}}"})"));
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->steps[2].parent, 1u);
    EXPECT_EQ(parsed->steps[1].parent, 0u);
    EXPECT_EQ(parsed->steps[3].parent, 0u);
    EXPECT_EQ(parsed->steps[4].parent, kNoStep);
}

TEST(Definition, SaysSinceWhenAWaitReads) {
    const auto of = [](const std::string& since) {
        return parse_definition(R"({"id":"w","steps":[{"id":"a","type":"wait","event":"e")" +
                                since + "}]}");
    };
    ASSERT_TRUE(of(""));
    EXPECT_EQ(of("")->steps[0].since, Since::kRun);
    EXPECT_EQ(of(R"(,"since":"now")")->steps[0].since, Since::kNow);
    const auto wrong = of(R"(,"since":"ever")");
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().field, "steps[0].since");
}

TEST(RetryRule, WaitsAsItsStrategySays) {
    RetryRule rule;
    EXPECT_EQ(delay_ms(rule, 1, 0), 1000);
    EXPECT_EQ(delay_ms(rule, 3, 0), 4000);
    EXPECT_EQ(delay_ms(rule, 20, 0), 60'000);
    EXPECT_EQ(delay_ms(rule, 1, 1000), 1200);
    rule.strategy = RetryStrategy::kLinear;
    EXPECT_EQ(delay_ms(rule, 3, 0), 3000);
    rule.strategy = RetryStrategy::kFixed;
    EXPECT_EQ(delay_ms(rule, 3, 0), 1000);
}

}  // namespace
}  // namespace millrace::runtime::workflow
