// Goal: a stream over a front's own requests tells each event with its place, reads no further than
// its client takes, and goes on where it was when an owner is lost.
#include "runtime/node/front_tail.h"

#include "core/clock.h"
#include "io/sized_pools.h"
#include "io/web_socket.h"
#include "runtime/node/front_queries.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace millrace::runtime::node {
namespace {

// Remembers what is asked; the test answers.
class Calls final : public FrontCalls {
public:
    OpenMark watch(const CallerRef&, const std::string&) override {
        return std::make_shared<std::atomic<bool>>(false);
    }
    std::uint64_t ask(OwnRequest&& request, std::unique_ptr<OwnAnswer> answer) override {
        targets.push_back(request.target);
        answers.push_back(std::move(answer));
        return answers.size();
    }
    void drop(std::uint64_t number) override { dropped.push_back(number); }
    void drained(std::uint64_t number) override { resumed.push_back(number); }
    io::BodyWriter body_writer() override { return io::BodyWriter(pools); }
    void later(std::function<void()> work) override { work(); }
    const core::Clock& clock() const override { return held; }
    core::Status admits() const override { return {}; }
    bool ends() const override { return false; }
    std::size_t partitions() const override { return 3; }

    core::ManualClock held;
    io::SizedPools pools;
    std::vector<std::string> targets;
    std::vector<std::unique_ptr<OwnAnswer>> answers;
    std::vector<std::uint64_t> dropped, resumed;
};

class FrontTailTest : public testing::Test {
protected:
    FrontTail::Deps deps() {
        FrontTail::Deps deps;
        deps.calls = &calls_;
        deps.caller = [](io::RequestToken) { return std::make_shared<const Caller>(); };
        deps.begin = [this](const StreamRequest&) {
            ++begun_;
            return true;
        };
        deps.refuse = [this](const StreamRequest&, core::Error&& error) {
            refused_ = std::move(error.message);
        };
        deps.write = [this](io::RequestToken, std::string_view bytes) {
            if (outcome_ == io::WriteOutcome::kOk) out_ += bytes;
            return outcome_;
        };
        deps.end = [this](io::RequestToken) { ++ended_; };
        return deps;
    }
    void open(std::string from = {}) {
        StreamRequest request;
        request.token = {1, 2, 3};
        request.pattern = "a.*";
        request.from = std::move(from);
        ASSERT_NE(tail_.open(std::move(request)), 0U);
    }

    Calls calls_;
    int begun_ = 0, ended_ = 0;
    std::string out_, refused_;
    io::WriteOutcome outcome_ = io::WriteOutcome::kOk;
    FrontTail tail_{deps()};
};

TEST_F(FrontTailTest, TellsEachEventWithItsPlace) {
    open("beginning");
    EXPECT_EQ(calls_.targets.back(), "/v2/events/stream?pattern=a.%2A&from=beginning");
    ASSERT_TRUE(calls_.answers[0]->begins());
    EXPECT_EQ(begun_, 1);
    // In pieces, as it comes.
    EXPECT_EQ(calls_.answers[0]->bytes("id: m1\n\nid: m2\nda"), io::WriteOutcome::kOk);
    EXPECT_EQ(out_, "");
    EXPECT_EQ(calls_.answers[0]->bytes("ta: {\"n\":1}\n\n"), io::WriteOutcome::kOk);
    EXPECT_EQ(out_, "id: m2\ndata: {\"n\":1}\n\n");
}

TEST_F(FrontTailTest, ReadsNoFurtherThanItsClientTakes) {
    open();
    ASSERT_TRUE(calls_.answers[0]->begins());
    outcome_ = io::WriteOutcome::kFull;
    EXPECT_EQ(calls_.answers[0]->bytes("id: m1\ndata: {}\n\n"), io::WriteOutcome::kOk);
    EXPECT_EQ(calls_.answers[0]->bytes("id: m2\ndata: {}\n\n"), io::WriteOutcome::kFull);
    tail_.drained({1, 2, 3});
    EXPECT_TRUE(calls_.resumed.empty());
    outcome_ = io::WriteOutcome::kOk;
    tail_.drained({1, 2, 3});
    EXPECT_EQ(out_, "id: m1\ndata: {}\n\n");
    EXPECT_EQ(calls_.resumed, std::vector<std::uint64_t>{1});
}

TEST_F(FrontTailTest, GoesOnWhereItWasWhenAnOwnerIsLost) {
    open();
    ASSERT_TRUE(calls_.answers[0]->begins());
    EXPECT_EQ(calls_.answers[0]->bytes("id: m7\n\n"), io::WriteOutcome::kOk);
    calls_.answers[0]->ended();
    tail_.look(calls_.held.monotonic_ns());
    EXPECT_EQ(calls_.answers.size(), 1U);
    calls_.held.advance_us(FrontTail::kAgainNs / 1000);
    tail_.look(calls_.held.monotonic_ns());
    ASSERT_EQ(calls_.answers.size(), 2U);
    EXPECT_EQ(calls_.targets.back(), "/v2/events/stream?pattern=a.%2A&from=m7");
    // Nobody owns yet.
    calls_.answers[1]->whole(503, R"({"error":{"message":"nobody","code":"UNAVAILABLE"}})");
    calls_.held.advance_us(FrontTail::kAgainNs / 1000);
    tail_.look(calls_.held.monotonic_ns());
    ASSERT_EQ(calls_.answers.size(), 3U);
    ASSERT_TRUE(calls_.answers[2]->begins());
    EXPECT_EQ(begun_, 1) << "its client has not noticed";
    EXPECT_EQ(calls_.answers[2]->bytes("id: m8\ndata: {}\n\n"), io::WriteOutcome::kOk);
    EXPECT_EQ(out_, "id: m8\ndata: {}\n\n");
    // For ever it does not wait.
    calls_.answers[2]->ended();
    calls_.held.advance_us(FrontTail::kGiveUpNs / 1000);
    tail_.look(calls_.held.monotonic_ns());
    calls_.answers[3]->whole(503, R"({"error":{"message":"nobody","code":"UNAVAILABLE"}})");
    EXPECT_NE(out_.find("event: error\ndata: {\"code\":\"UNAVAILABLE\""), std::string::npos)
        << out_;
    EXPECT_EQ(ended_, 1);
    EXPECT_EQ(tail_.streams(), 0U);
}

TEST_F(FrontTailTest, WhatIsRefusedIsToldAsItWasSaid) {
    open("soon");
    calls_.answers[0]->whole(400, R"({"error":{"message":"no place","code":"VALIDATION_ERROR"}})");
    EXPECT_EQ(refused_, "no place");
    EXPECT_EQ(begun_, 0);
    EXPECT_EQ(tail_.streams(), 0U);
}

TEST_F(FrontTailTest, AnErrorIsTheEnd) {
    open();
    ASSERT_TRUE(calls_.answers[0]->begins());
    EXPECT_EQ(calls_.answers[0]->bytes("event: error\ndata: {\"code\":\"FORBIDDEN\"}\n\n"),
              io::WriteOutcome::kClosed);
    EXPECT_EQ(out_, "event: error\ndata: {\"code\":\"FORBIDDEN\"}\n\n");
    EXPECT_EQ(ended_, 1);
}

// As on a server: in words, and by the code of the Close frame.
TEST_F(FrontTailTest, AWebSocketIsClosedWithWhyItEnds) {
    for (const auto& [code, close] :
         {std::pair{"UNAUTHORIZED", io::WsClose::kPolicy}, {"INTERNAL", io::WsClose::kInternal}}) {
        out_.clear();
        StreamRequest request;
        request.accept = "x";
        tail_.open(std::move(request));
        OwnAnswer& answer = *calls_.answers.back();
        ASSERT_TRUE(answer.begins());
        const std::string data =
            R"({"code":")" + std::string(code) + R"(","message":"why","position":"m1"})";
        EXPECT_EQ(answer.bytes("event: error\ndata: " + data + "\n\n"), io::WriteOutcome::kClosed);
        std::string want;
        io::append_ws_frame(want, io::WsOpcode::kText, "{\"error\":" + data + "}");
        EXPECT_EQ(out_, want + io::ws_close_frame(close, "why"));
    }
    EXPECT_EQ(ended_, 2);
}

TEST_F(FrontTailTest, AClientThatIsGoneIsAskedForNoMore) {
    open();
    tail_.closed({1, 2, 3});
    EXPECT_EQ(calls_.dropped, std::vector<std::uint64_t>{1});
    EXPECT_FALSE(calls_.answers[0]->begins());
    EXPECT_EQ(calls_.answers[0]->bytes("id: m1\n\n"), io::WriteOutcome::kClosed);
}

TEST(FrontQueries, APlaceBehindAnEventIsThatOfItsPartitionAndItsTimeInTheOthers) {
    core::JsonDom dom;
    auto event =
        dom.parse(R"({"partition":1,"offset":41,"receivedAt":"2026-01-02T03:04:05.000006Z"})");
    ASSERT_TRUE(event);
    EXPECT_EQ(FrontQueries::position_behind(*event, 3),
              "m2026-01-02T03:04:05.000006Z!0-42!2026-01-02T03:04:05.000006Z");
    EXPECT_EQ(FrontQueries::position_behind(*event, 1), "");
}

}  // namespace
}  // namespace millrace::runtime::node
