// Goal: a transform reshapes what a webhook sends and does nothing else; what it may not do, or
// returns wrongly, is named; what it sends is the same on each attempt, and that is what is signed.
// Method: scripts over one event, a host in memory; the call that is made of it.
#include "runtime/executors/webhook_transform.h"

#include "runtime/executors/webhook_call.h"
#include "runtime/executors/webhook_signature.h"
#include "runtime/registry/secret_mask.h"
#include "tests/runtime/lua/lua_fixture.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace millrace::runtime {
namespace {

constexpr std::int64_t kReceivedUs = 1'700'000'000'000'000;
constexpr std::string_view kEvent =
    R"({"pattern":"order.paid","eventId":"e1","payload":{"amount":12.50,"to":"a"}})";

class WebhookTransformTest : public ::testing::Test {
protected:
    WebhookTransformTest() {
        subscription_.id = "sub";
        subscription_.number = core::SubscriptionId(7);
        event_.text = kEvent;
        event_.tenant_id = "default";
        event_.received_at_us = kReceivedUs;
        auto spec = std::make_shared<WebhookSpec>();
        spec->url = "http://example.com/";
        spec->headers = {{"X-Own", "spec"}, {"X-Other", "kept"}};
        subscription_.executor.type = ExecutorType::kWebhook;
        subscription_.executor.webhook = spec;
        subscription_.executor.secrets =
            keep_webhook_secrets({.current = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"});
    }
    bool run(const std::string& source, std::uint32_t attempt = 1) {
        Script script;
        script.number = ScriptNumber(1);
        script.version = ++version_;
        script.id = script.name = "t";
        script.source = source;
        script.memory_bytes = 4 << 20;
        out_ = {};
        result_.reset();
        return transform_.run(script, {&subscription_, &event_, "order.paid", "dv_1", attempt},
                              host_, out_, result_);
    }
    void expect_error(const std::string& source, const std::string& what) {
        EXPECT_FALSE(run(source)) << source;
        EXPECT_TRUE(result_.error.starts_with("TRANSFORM_FAILED: ")) << result_.error;
        EXPECT_NE(result_.error.find(what), std::string::npos) << result_.error;
        EXPECT_EQ(result_.outcome, AttemptOutcome::kFailed);
    }
    courier::HttpCall call() {
        OutgoingEvent event;
        event.envelope.pattern = "order.paid";
        event.event_id = "e1";
        OutgoingAttempt attempt{&subscription_, &event, "dv_1", 1, kReceivedUs, &out_};
        auto made =
            make_webhook_call(attempt, [](std::string_view, std::string&) { return false; });
        EXPECT_TRUE(made) << made.error().message;
        return *made;
    }
    static std::string header(const courier::HttpCall& call, std::string_view name) {
        std::string found;
        for (const auto& [key, value] : call.headers) {
            if (key == name) found += (found.empty() ? "" : "|") + value;
        }
        return found;
    }

    Subscription subscription_;
    EventInput event_;
    MemoryHost host_;
    WebhookTransform transform_{nullptr, 1};
    Reshaped out_;
    AttemptResult result_;
    std::uint32_t version_ = 0;
};

TEST_F(WebhookTransformTest, ABodyIsSentAsItIsAndIsWhatIsSigned) {
    ASSERT_TRUE(
        run("return function(e) return {body = {sum = e.payload.amount, "
            "all = e.payload}} end"))
        << result_.error;
    EXPECT_NE(out_.body.find(R"("all":{"amount":12.50,"to":"a"})"), std::string::npos) << out_.body;
    const courier::HttpCall made = call();
    EXPECT_EQ(made.body, out_.body);
    EXPECT_EQ(header(made, "content-type"), "application/json");
    EXPECT_EQ(header(made, "webhook-signature"),
              webhook_signature({"dv_1", kReceivedUs / 1'000'000, out_.body},
                                subscription_.executor.secrets->current, WebhookSigning::kHmac));
    EXPECT_EQ(header(made, "webhook-id"), "dv_1");
}

TEST_F(WebhookTransformTest, ATextIsSentWithoutQuotes) {
    ASSERT_TRUE(run("return function() return {body = 'a \"b\"\\n'} end")) << result_.error;
    EXPECT_EQ(out_.body, "a \"b\"\n");
    EXPECT_EQ(header(call(), "content-type"), "text/plain; charset=utf-8");
    ASSERT_TRUE(run("return function() return {body = '{\"a\":1}'} end"));
    EXPECT_EQ(header(call(), "content-type"), "application/json");
}

TEST_F(WebhookTransformTest, ItsHeadersStandInTheSubscriptionsPlace) {
    ASSERT_TRUE(
        run("return function() return {body = 'x', headers = {['x-own'] = 'mine', "
            "['Content-Type'] = 'text/csv'}} end"))
        << result_.error;
    const courier::HttpCall made = call();
    EXPECT_EQ(header(made, "x-own"), "mine");
    EXPECT_EQ(header(made, "X-Own"), "");
    EXPECT_EQ(header(made, "X-Other"), "kept");
    EXPECT_EQ(header(made, "Content-Type"), "text/csv");
    EXPECT_EQ(header(made, "content-type"), "");
    ASSERT_TRUE(run("return function() return {body = 'x', headers = {}} end")) << result_.error;
}

TEST_F(WebhookTransformTest, NilSendsNothing) {
    for (const char* source : {"return function() end", "return function() return nil end"}) {
        ASSERT_TRUE(run(source)) << result_.error;
        EXPECT_TRUE(out_.skipped);
    }
}

TEST_F(WebhookTransformTest, WhatItReturnsWronglyIsNamed) {
    expect_error("return function() return 'x' end", "must return {body");
    expect_error("return function() return {a = 1, body = 1} end", "member \"a\"");
    expect_error("return function() return {headers = {}} end", "no body");
    expect_error("return function() return {body = sdk.json.null} end", "no body");
    expect_error("return function() return {body = 1, headers = 'x'} end", "headers");
    expect_error("return function() return {body = 1, headers = {a = 1}} end", "headers.a");
    expect_error("return function() return {body = 1, headers = {a = 'b\\nc: d'}} end",
                 "headers.a");
    expect_error("return function() return {body = 1, headers = {['webhook-id'] = 'x'}} end",
                 "headers.webhook-id");
    expect_error("return function() error('why') end", "why");
    expect_error("return function(", "line 1");
}

TEST_F(WebhookTransformTest, ItOnlyReshapes) {
    expect_error("return function() sdk.kv.set('a', 1) return {body = 1} end", "only reshapes");
    expect_error("return function() sdk.events.emit('a', {}) return {body = 1} end",
                 "only reshapes");
    expect_error("return function() sdk.sleep(1) return {body = 1} end", "AWAIT_NOT_ALLOWED");
    expect_error("return function() sdk.http.get('http://example.com/') return {body = 1} end",
                 "AWAIT_NOT_ALLOWED");
    ASSERT_TRUE(run("return function() return {body = 'still there'} end")) << result_.error;
    EXPECT_FALSE(run("return function(e, ctx) ctx.fail('fatal', 'no') end"));
    EXPECT_EQ(result_.outcome, AttemptOutcome::kFatal);
}

TEST_F(WebhookTransformTest, EachAttemptSendsTheSame) {
    host_.rooms[0][std::string(1, '\0') + "rate"] = "3";
    host_.secrets["token"] = "s3cret";
    const std::string source =
        "return function(e, ctx) return {body = {sdk.crypto.uuid(), sdk.time.now(), "
        "sdk.kv.get('rate'), sdk.secrets.get('token'), ctx.eventName}} end";
    ASSERT_TRUE(run(source)) << result_.error;
    const std::string first = out_.body;
    EXPECT_NE(first.find("\"s3cret\""), std::string::npos) << first;
    EXPECT_NE(first.find("order.paid"), std::string::npos) << first;
    host_.now_us += 60'000'000;
    ASSERT_TRUE(run(source, 2));
    EXPECT_EQ(out_.body, first);
}

TEST_F(WebhookTransformTest, WhatItLogsIsKept) {
    ASSERT_TRUE(run("return function() sdk.log.info('seen') return {body = 1} end"));
    EXPECT_NE(out_.logs_json.find("seen"), std::string::npos);
    expect_error("return function() sdk.log.info('seen') error('x') end", "x");
    EXPECT_NE(result_.logs_json.find("seen"), std::string::npos);
}

}  // namespace
}  // namespace millrace::runtime
