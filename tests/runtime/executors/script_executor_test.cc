// Goal: a script that waits answers later, through the port; whoever waits in a Lua state that had
// to be thrown away begins again without a word; what scripts log is on the server's log.
// Method: the executor alone, a host in memory with a clock moved by hand.
#include "runtime/executors/script_executor.h"

#include "core/clock.h"
#include "tests/runtime/lua/lua_fixture.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {
namespace {

struct Answers final : AnswerPort {
    std::map<std::uint64_t, AttemptResult> by_ticket;
    bool full = false;
    bool answer(AttemptTicket ticket, AttemptResult& result) override {
        if (full) return false;
        EXPECT_FALSE(by_ticket.contains(ticket.value));
        by_ticket.emplace(ticket.value, std::move(result));
        return true;
    }
};

class ScriptExecutorTest : public ::testing::Test {
protected:
    std::uint32_t add(const std::string& source, std::int64_t memory_bytes = 4 << 20) {
        const auto number = static_cast<std::uint32_t>(subscriptions_.size() + 1);
        auto script = std::make_shared<Script>();
        script->number = ScriptNumber(number);
        script->id = script->name = "s" + std::to_string(number);
        script->source = source;
        script->memory_bytes = memory_bytes;
        script->timeout_ms = 1000;
        registry_.scripts.set(number, script);
        auto subscription = std::make_shared<Subscription>();
        subscription->number = core::SubscriptionId(number);
        subscription->id = "sub" + std::to_string(number);
        subscription->executor.script = script->number;
        subscription->executor.script_id = script->id;
        registry_.subscriptions.set(number, subscription);
        subscriptions_.push_back(subscription);
        return number;
    }
    std::pair<Executor::Start, std::uint64_t> start(std::uint32_t number) {
        event_.raw = kInvoice;
        event_.pattern = "invoice.created";
        AttemptInput input;
        input.ticket = AttemptTicket(++ticket_);
        input.registry = &registry_;
        input.host = &host_;
        input.subscription = subscriptions_[number - 1].get();
        input.event = &event_;
        input.started_at_us = host_.now_us;
        input.early = early_;
        result_.reset();
        return {executor_->start(input, result_), ticket_};
    }
    // Until nothing is left to do, as far as the clock stands.
    void work() {
        while (executor_->do_work() != 0 && !answers_.full) {
        }
    }
    void pass_ms(std::int64_t ms) {
        host_.now_us += ms * 1000;
        work();
    }

    core::ManualClock clock_;
    std::string lines_;
    core::Log log_{clock_, core::LogLevel::kInfo,
                   [this](std::string_view line) { lines_ += line; }};
    MemoryHost host_;
    Answers answers_;
    RegistrySnapshot registry_;
    std::vector<std::shared_ptr<Subscription>> subscriptions_;
    std::unique_ptr<ScriptExecutor> executor_ = std::make_unique<ScriptExecutor>(
        ScriptExecutor::Deps{.watchdog_slot = nullptr, .log = &log_, .seed = 1}, answers_);
    store::StoredEvent event_;
    AttemptResult result_;
    std::uint64_t ticket_ = 0;
    bool early_ = false;
};

TEST_F(ScriptExecutorTest, AScriptThatWaitsAnswersLater) {
    const auto quick = add("return function(e) return 1 end");
    const auto slow =
        add("return function(e, ctx) sdk.kv.set('x', 1) sdk.sleep(30) "
            "sdk.events.emit('done', {}) return e.payload.amount end");
    const auto [started, ticket] = start(slow);
    EXPECT_EQ(started, Executor::Start::kPending);
    EXPECT_EQ(start(quick).first, Executor::Start::kDone);
    EXPECT_EQ(result_.result_json, "1");
    pass_ms(29);
    EXPECT_TRUE(answers_.by_ticket.empty());
    EXPECT_EQ(executor_->next_work_ns(), (host_.now_us + 1000) * 1000);
    answers_.full = true;
    pass_ms(1);
    EXPECT_TRUE(answers_.by_ticket.empty());
    answers_.full = false;
    work();
    ASSERT_EQ(answers_.by_ticket.size(), 1u);
    const AttemptResult& answer = answers_.by_ticket.at(ticket);
    EXPECT_EQ(answer.outcome, AttemptOutcome::kOk) << answer.error;
    EXPECT_EQ(answer.result_json, "129.5");
    EXPECT_EQ(answer.effects.kv_ops.size(), 1u);
    EXPECT_EQ(answer.effects.emitted.size(), 1u);
    EXPECT_EQ(answer.version, 1u);
    EXPECT_FALSE(executor_->next_work_ns());
}

TEST_F(ScriptExecutorTest, WhatIsEarlyEndsAtOnceOrIsNotBegun) {
    const auto quick = add("return function(e) sdk.kv.set('q', 1) return 1 end");
    const auto slow = add("return function(e) sdk.kv.set('s', 1) sdk.sleep(30) return 2 end");
    const auto out =
        add("return function(e) sdk.kv.set('o', 1) return sdk.http.get('http://a/').status end");
    early_ = true;
    EXPECT_EQ(start(quick).first, Executor::Start::kDone);
    EXPECT_EQ(result_.result_json, "1");
    EXPECT_EQ(result_.effects.kv_ops.size(), 1u);
    for (const auto waits : {slow, out, slow}) {
        EXPECT_EQ(start(waits).first, Executor::Start::kTooEarly);
        EXPECT_TRUE(result_.effects.kv_ops.empty());
    }
    pass_ms(2000);
    EXPECT_TRUE(answers_.by_ticket.empty());
    EXPECT_FALSE(executor_->next_work_ns());
    early_ = false;
    const auto [started, ticket] = start(slow);
    ASSERT_EQ(started, Executor::Start::kPending);
    pass_ms(30);
    ASSERT_EQ(answers_.by_ticket.size(), 1u);
    EXPECT_EQ(answers_.by_ticket.at(ticket).result_json, "2");
    EXPECT_EQ(answers_.by_ticket.at(ticket).effects.kv_ops.size(), 1u);
}

TEST_F(ScriptExecutorTest, ItsTimeIsOverWhileItWaits) {
    const auto number = add("return function() sdk.sleep(1e9) end");
    const auto [started, ticket] = start(number);
    ASSERT_EQ(started, Executor::Start::kPending);
    pass_ms(1001);
    ASSERT_EQ(answers_.by_ticket.size(), 1u);
    EXPECT_EQ(answers_.by_ticket.at(ticket).outcome_text, "timeout");
}

TEST_F(ScriptExecutorTest, WhoWaitsInAStateThatGoesBeginsAgain) {
    const auto innocent =
        add("return function(e) sdk.kv.set('n', 1) sdk.sleep(50) return sdk.kv.get('n') end");
    const auto guilty =
        add("return function() local t = {} for i = 1, 1e9 do "
            "t[i] = ('x'):rep(1000) .. i end end");
    const auto [started, ticket] = start(innocent);
    ASSERT_EQ(started, Executor::Start::kPending);
    pass_ms(20);
    EXPECT_EQ(start(guilty).first, Executor::Start::kDone);
    EXPECT_EQ(result_.outcome_text, "memory");
    work();
    EXPECT_TRUE(answers_.by_ticket.empty()) << "it waits again, in another state";
    pass_ms(49);
    EXPECT_TRUE(answers_.by_ticket.empty());
    pass_ms(1);
    ASSERT_EQ(answers_.by_ticket.size(), 1u);
    const AttemptResult& answer = answers_.by_ticket.at(ticket);
    EXPECT_EQ(answer.outcome, AttemptOutcome::kOk) << answer.error;
    EXPECT_EQ(answer.result_json, "1");
    EXPECT_EQ(answer.effects.kv_ops.size(), 1u) << "the first one's writes are gone with it";
}

TEST_F(ScriptExecutorTest, BeginsAgainAFewTimesAndNotForEver) {
    const auto innocent = add("return function(e) sdk.sleep(900) return 1 end");
    const auto guilty =
        add("return function() local t = {} for i = 1, 1e9 do "
            "t[i] = ('x'):rep(1000) .. i end end");
    const auto [started, ticket] = start(innocent);
    ASSERT_EQ(started, Executor::Start::kPending);
    for (int i = 0; i < 10 && answers_.by_ticket.empty(); ++i) {
        start(guilty);
        work();
    }
    ASSERT_EQ(answers_.by_ticket.size(), 1u);
    EXPECT_EQ(answers_.by_ticket.at(ticket).outcome, AttemptOutcome::kSilent);
}

TEST_F(ScriptExecutorTest, WhatIsAbandonedNeverAnswers) {
    const auto number = add("return function() sdk.sleep(10) end");
    const auto [started, ticket] = start(number);
    ASSERT_EQ(started, Executor::Start::kPending);
    executor_->abandon(AttemptTicket(ticket));
    pass_ms(2000);
    EXPECT_TRUE(answers_.by_ticket.empty());
    EXPECT_FALSE(executor_->next_work_ns());
}

TEST_F(ScriptExecutorTest, ADeactivatedScriptHoldsItsDeliveries) {
    const auto number = add("return function() return 1 end");
    auto off = std::make_shared<Script>(*registry_.scripts.find(number));
    off->enabled = false;
    registry_.scripts.set(number, off);
    EXPECT_EQ(start(number).first, Executor::Start::kHeld);
    registry_.scripts.set(number, nullptr);
    EXPECT_EQ(start(number).first, Executor::Start::kDone);
    EXPECT_EQ(result_.outcome, AttemptOutcome::kFailed);
}

TEST_F(ScriptExecutorTest, WhatScriptsLogIsOnTheServersLog) {
    const auto number =
        add("return function() sdk.log.debug('d1') sdk.log.info('i1') "
            "sdk.log.warn('w1', {a = 1}) sdk.log.error('e1') error('no') end");
    start(number);
    EXPECT_EQ(result_.outcome, AttemptOutcome::kFailed);
    for (const char* expected : {"\"i1\"", "\"w1\"", "\"e1\"", "\"s1\"", "\"sub1\""})
        EXPECT_NE(lines_.find(expected), std::string::npos) << expected << " in " << lines_;
    EXPECT_EQ(lines_.find("d1"), std::string::npos) << "below the server's level";
    EXPECT_NE(result_.logs_json.find("\"d1\""), std::string::npos);
    const std::size_t before = lines_.size();
    for (int i = 0; i < 10'000; ++i) start(number);
    EXPECT_LT(lines_.size(), before + 100 * 500) << "a chatty script fills no disk";
}

}  // namespace
}  // namespace millrace::runtime
