// Goal: an action's call is made of its templates and the input on the parsed tree, nothing of the
// input becomes another part of it, and what comes back is judged as the rules say; cancelled
// events are known by their place. Method: pure functions by hand; a port of our own that answers
// at once.
#include "runtime/executors/action_caller.h"

#include "core/clock.h"
#include "runtime/delivery/cancelled_events.h"
#include "runtime/executors/database_client.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {
namespace {

bool find_secret(std::string_view name, std::string& value) {
    value = "s3cret value";
    return name == "token";
}

Action http_action(std::string url, std::string body = {}) {
    auto http = std::make_shared<ActionHttp>();
    http->url = std::move(url);
    http->body_json = std::move(body);
    http->headers = {{"X-Token", "{{secrets.token}}"}};
    Action action;
    action.id = "a.b";
    action.number = ActionNumber(7);
    action.http = std::move(http);
    return action;
}

OutsideAsk ask_with(std::string input) {
    OutsideAsk ask;
    ask.input_json = std::move(input);
    ask.key = "dv_1-1";
    return ask;
}

TEST(ActionCall, TemplatesAreFilledOnTheTree) {
    const Action action = http_action(
        "https://a.test/{{input.id}}?q={{ input.q | default none }}",
        R"({"to":"{{input.to}}","n":"{{input.n}}","t":"n={{input.n}}","l":["{{input.l}}",1,null],"{{x}}":true})");
    const auto call = make_action_call(
        action, ask_with(R"({"id":"../x","to":"a\"b","n":1.50,"l":{"k":[1]}})"), 0, find_secret);
    ASSERT_TRUE(call) << call.error().message;
    EXPECT_EQ(call->url, "https://a.test/..%2Fx?q=none");
    EXPECT_EQ(call->body,
              R"({"to":"a\"b","n":1.50,"t":"n=1.50","l":[{"k":[1]},1,null],"{{x}}":true})");
    EXPECT_EQ(call->headers[0].second, "s3cret value");
    EXPECT_EQ(call->group, 7u);
}

TEST(ActionCall, WhatCanNotBeFilledIsNamed) {
    const auto missing = make_action_call(http_action("https://a.test/{{input.id}}"),
                                          ask_with("{}"), 0, find_secret);
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().message.find("input.id"), std::string::npos);
    Action action = http_action("https://a.test/");
    auto http = std::make_shared<ActionHttp>(*action.http);
    http->headers = {{"X", "{{input.h}}"}};
    action.http = http;
    EXPECT_FALSE(make_action_call(action, ask_with(R"({"h":"a\r\nb: c"})"), 0, find_secret));
    http = std::make_shared<ActionHttp>(*http);
    http->headers = {{"X", "{{secrets.none}}"}};
    action.http = http;
    EXPECT_FALSE(make_action_call(action, ask_with("{}"), 0, find_secret));
}

TEST(ActionCall, WithoutABodyTheInputGoes) {
    Action action = http_action("https://a.test/");
    auto http = std::make_shared<ActionHttp>(*action.http);
    http->secret = "whsec_" + std::string(43, 'A') + "=";
    action.http = http;
    const auto call = make_action_call(action, ask_with(R"({"a":1})"), 1'000'000, find_secret);
    ASSERT_TRUE(call);
    EXPECT_EQ(call->body, R"({"a":1})");
    bool is_signed = false;
    for (const auto& [name, value] : call->headers)
        is_signed |= name == "webhook-signature" && value.starts_with("v1,");
    EXPECT_TRUE(is_signed);
}

TEST(ActionAnswer, IsJudged) {
    courier::HttpAnswer http;
    http.status = 201;
    http.body = R"({"a":1})";
    EXPECT_EQ(judge_action(http).json, R"({"a":1})");
    EXPECT_EQ(judge_action(http).code, "");
    http.body = "plain\n";
    EXPECT_EQ(judge_action(http).json, "\"plain\"");
    http.status = 500;
    EXPECT_EQ(judge_action(http).code, "FAILED");
    http.fault = courier::HttpFault::kTimeout;
    EXPECT_EQ(judge_action(http).code, "TIMEOUT");
    CommandEnd end;
    end.how = CommandEnd::How::kExited;
    end.out = "[1]\n";
    EXPECT_EQ(judge_action(end).json, "[1]");
    end.code = 3;
    end.err = "why\n";
    EXPECT_EQ(judge_action(end).message, "exit code 3: why");
}

class Port final : public courier::HttpPort {
public:
    bool send(courier::HttpReceiver& receiver, std::uint64_t ticket,
              courier::HttpCall&& call) override {
        calls.push_back(std::move(call));
        tickets.push_back(ticket);
        to = &receiver;
        return room;
    }
    void cancel(courier::HttpReceiver&, std::uint64_t ticket) override {
        cancelled.push_back(ticket);
    }
    bool room = true;
    courier::HttpReceiver* to = nullptr;
    std::vector<courier::HttpCall> calls;
    std::vector<std::uint64_t> tickets, cancelled;
};

class Asker final : public OutsideReceiver {
public:
    void answered(std::uint64_t ticket, OutsideAnswer&& answer) override {
        answers.emplace_back(ticket, std::move(answer));
    }
    std::vector<std::pair<std::uint64_t, OutsideAnswer>> answers;
};

TEST(ActionCaller, FindsAnActionOfItsTenantAndAnswersOnce) {
    auto registry = std::make_shared<RegistrySnapshot>();
    registry->actions.set(7, std::make_shared<Action>(http_action("https://a.test/")));
    auto secret = std::make_shared<Secret>();
    secret->number = SecretNumber(1);
    secret->id = secret->name = "token";
    secret->value = "s3cret value";
    registry->secrets.set(1, secret);
    core::ManualClock clock;
    Port port;
    ActionCaller::Deps deps;
    deps.clock = &clock;
    deps.http = &port;
    deps.registry = [&] { return registry; };
    ActionCaller caller(std::move(deps));
    Asker asker;
    const auto ask = [&](std::string name, std::uint32_t tenant) {
        OutsideAsk out = ask_with("{}");
        out.name = std::move(name);
        out.tenant = core::TenantId(tenant);
        return out;
    };
    EXPECT_TRUE(caller.ask(asker, 1, ask("a.b", 5)));
    EXPECT_TRUE(caller.ask(asker, 2, ask("a", 0)));
    ASSERT_EQ(asker.answers.size(), 2u);
    EXPECT_EQ(asker.answers[0].second.code, "NOT_FOUND") << "another tenant's";
    EXPECT_TRUE(caller.ask(asker, 3, ask("a.b", 0)));
    ASSERT_EQ(port.calls.size(), 1u);
    courier::HttpAnswer answer;
    answer.status = 400;
    answer.body = "token s3cret value is bad";
    port.to->receive(port.tickets[0], std::move(answer));
    ASSERT_EQ(asker.answers.size(), 3u);
    EXPECT_EQ(asker.answers[2].first, 3u);
    EXPECT_EQ(asker.answers[2].second.message, "HTTP 400: token **** is bad");
    port.to->receive(port.tickets[0], {});
    EXPECT_EQ(asker.answers.size(), 3u);
    EXPECT_TRUE(caller.ask(asker, 4, ask("a.b", 0)));
    caller.cancel(asker, 4);
    EXPECT_EQ(port.cancelled, (std::vector<std::uint64_t>{port.tickets[1]}));
    port.room = false;
    EXPECT_FALSE(caller.ask(asker, 5, ask("a.b", 0)));
    EXPECT_EQ(asker.answers.size(), 3u);
}

TEST(QueryParameters, AreTexts) {
    const auto read = query_parameters(R"(["a\"b",1.50,true,null,{"k":[1]}])");
    ASSERT_TRUE(read);
    ASSERT_EQ(read->size(), 5u);
    EXPECT_EQ((*read)[0], "a\"b");
    EXPECT_EQ((*read)[1], "1.50");
    EXPECT_EQ((*read)[2], "true");
    EXPECT_FALSE((*read)[3]);
    EXPECT_EQ((*read)[4], R"({"k":[1]})");
    EXPECT_TRUE(query_parameters("{}")->empty());
    for (const char* bad : {"", "1", R"({"a":1})", R"(["\u0000"])"})
        EXPECT_FALSE(query_parameters(bad)) << bad;
}

TEST(CancelledEvents, AreKnownByTheirPlace) {
    CancelledEvents cancelled;
    const core::LogPosition at{core::ShardId{3}, core::LogOffset{0x123456789abcdefull}};
    EXPECT_FALSE(cancelled.any());
    EXPECT_TRUE(cancelled.add(at));
    EXPECT_TRUE(cancelled.add(at));
    EXPECT_EQ(cancelled.size(), 1u);
    EXPECT_TRUE(cancelled.holds(at));
    EXPECT_FALSE(cancelled.holds({core::ShardId{2}, at.offset}));
    EXPECT_EQ(parse_cancelled_event_id(cancelled_event_id(at)), at);
    for (const char* bad : {"", "3", "00030123456789abcdeg", "00030123456789abcdef0"})
        EXPECT_FALSE(parse_cancelled_event_id(bad)) << bad;
}

}  // namespace
}  // namespace millrace::runtime
