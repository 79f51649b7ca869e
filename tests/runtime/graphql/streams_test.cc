// Goal: operations of one connection do not disturb each other, whatever room there is for what
// they send. Method: a real store and tail, a network that has no room when it is told so.
#include "io/web_socket.h"
#include "runtime/graphql/graphql_streams.h"
#include "runtime/stream/event_tail.h"
#include "tests/store/store_fixture.h"

#include <algorithm>
#include <deque>

namespace millrace::runtime::graphql {
namespace {

class GraphqlStreamsTest : public store::test::StoreTest {
protected:
    void SetUp() override {
        open();
        StreamEdge edge;
        edge.begin = [this](core::ShardId, io::RequestToken, const std::string&,
                            std::function<void(bool)> begun) { begins_.push_back(begun); };
        edge.write = [this](core::ShardId, io::RequestToken, std::string bytes,
                            std::function<void(io::WriteOutcome)> written) {
            writes_.push_back({std::move(bytes), std::move(written)});
        };
        edge.refuse = [](core::ShardId, io::RequestToken, core::Error) { FAIL(); };
        edge.end = [this](core::ShardId, io::RequestToken) { ++ends_; };
        EventTail::Deps tail;
        tail.clock = &clock_;
        tail.database = database_.get();
        tail.render = [](std::string& out, const store::StoredEvent& event) { out += event.raw; };
        tail.edge = edge;
        tail_ = std::make_unique<EventTail>(std::move(tail));
        GraphqlStreams::Deps deps;
        deps.clock = &clock_;
        deps.tail = tail_.get();
        deps.edge = edge;
        deps.begin_socket = [](const GraphqlPeer&, const std::string&, std::string_view,
                               std::function<void(bool)> begun) { begun(true); };
        deps.answer = [this](const GraphqlPeer&, OperationRef, Answered done) {
            answers_.push_back(std::move(done));
        };
        deps.run_after = [this](std::int64_t, std::function<void()> work) {
            timers_.push_back(std::move(work));
        };
        streams_ = std::make_unique<GraphqlStreams>(std::move(deps));
    }
    static GraphqlPeer peer() {
        GraphqlPeer out;
        out.principal.scopes = identity::ScopeSet::all();
        return out;
    }
    void connect(bool protocol = true) { streams_->open_socket(peer(), "accept", protocol); }
    void say(std::string_view text) { streams_->message({}, {}, text); }
    void follow(const std::string& id) {
        say(R"({"id":")" + id +
            R"(","type":"subscribe","payload":{"query":)"
            R"("subscription{events(after:\"beginning\"){eventId position}}"}})");
    }
    // What is on its way arrives, or finds no room.
    void deliver(io::WriteOutcome outcome = io::WriteOutcome::kOk) {
        for (const auto& begun : std::exchange(begins_, {})) begun(true);
        for (std::deque<Write> now = std::exchange(writes_, {}); !now.empty(); now.pop_front()) {
            if (outcome == io::WriteOutcome::kOk) told_ += now.front().bytes;
            now.front().written(outcome);
        }
    }
    void run() {
        for (int i = 0; i < 10; ++i) {
            tail_->do_work();
            deliver();
        }
    }
    std::size_t count(std::string_view text) const {
        std::size_t out = 0;
        for (std::size_t at = 0; (at = told_.find(text, at)) != std::string::npos; ++at) ++out;
        return out;
    }

    struct Write {
        std::string bytes;
        std::function<void(io::WriteOutcome)> written;
    };
    std::unique_ptr<EventTail> tail_;
    std::unique_ptr<GraphqlStreams> streams_;
    std::deque<Write> writes_;
    std::vector<std::function<void(bool)>> begins_;
    std::vector<Answered> answers_;
    std::vector<std::function<void()>> timers_;
    std::string told_;
    int ends_ = 0;
};

TEST_F(GraphqlStreamsTest, EachOperationIsToldUnderItsId) {
    put(kZero, {.id = "e0"});
    connect();
    say(R"({"type":"connection_init"})");
    follow("a");
    follow("b");
    run();
    EXPECT_EQ(count(R"({"type":"connection_ack"})"), 1u);
    EXPECT_EQ(count(R"({"id":"a","type":"next","payload":{"data":{"events":{"eventId":"e0")"), 1u);
    EXPECT_EQ(count(R"({"id":"b","type":"next","payload":{"data":{"events":{"eventId":"e0")"), 1u);
    say(R"({"id":"a","type":"complete"})");
    EXPECT_EQ(tail_->streams(), 1u);
    put(kZero, {.id = "e1"});
    run();
    EXPECT_EQ(count(R"("eventId":"e1")"), 1u);
    streams_->closed({}, {});
    EXPECT_EQ(tail_->streams(), 0u);
    EXPECT_EQ(streams_->connections(), 0u);
}

// A drain that one operation has waited for finds the other's write on its way: sent again, it
// would be told twice.
TEST_F(GraphqlStreamsTest, RoomForOneIsNoSecondWriteOfAnother) {
    put(kZero, {.id = "e0"});
    connect();
    say(R"({"type":"connection_init"})");
    deliver();
    follow("a");
    tail_->do_work();
    deliver(io::WriteOutcome::kFull);
    follow("b");
    tail_->do_work();
    say(R"({"type":"ping"})");
    ASSERT_EQ(writes_.size(), 2u);
    tail_->drained({}, {});
    streams_->drained({}, {});
    run();
    EXPECT_EQ(count(R"("id":"a","type":"next")"), 1u);
    EXPECT_EQ(count(R"("id":"b","type":"next")"), 1u);
    EXPECT_EQ(count(R"({"type":"pong"})"), 1u);
}

TEST_F(GraphqlStreamsTest, AQueryIsAnsweredOnceAndItsIdIsFree) {
    connect();
    say(R"({"type":"connection_init"})");
    const std::string_view query =
        R"({"id":"q","type":"subscribe","payload":{"query":"{position}"}})";
    say(query);
    ASSERT_EQ(answers_.size(), 1u);
    answers_[0](R"({"data":{"position":"0-0"}})");
    run();
    EXPECT_EQ(count(R"({"id":"q","type":"next","payload":{"data":{"position":"0-0"}}})"), 1u);
    EXPECT_EQ(count(R"({"id":"q","type":"complete"})"), 1u);
    say(query);
    ASSERT_EQ(answers_.size(), 2u);
    say(R"({"id":"q","type":"complete"})");
    answers_[1](R"({"data":null})");  // nobody wants it any more
    run();
    EXPECT_EQ(count(R"("id":"q")"), 2u);
}

TEST_F(GraphqlStreamsTest, ALateAnswerIsNotThatOfTheNextOperationOfItsId) {
    connect();
    say(R"({"type":"connection_init"})");
    const std::string_view query =
        R"({"id":"q","type":"subscribe","payload":{"query":"{position}"}})";
    say(query);
    say(R"({"id":"q","type":"complete"})");
    say(query);
    ASSERT_EQ(answers_.size(), 2u);
    answers_[0](R"({"data":{"position":"0-1"}})");
    run();
    EXPECT_EQ(count(R"("id":"q")"), 0u);
    answers_[1](R"({"data":{"position":"0-2"}})");
    run();
    EXPECT_EQ(count(R"({"id":"q","type":"next","payload":{"data":{"position":"0-2"}}})"), 1u);
    EXPECT_EQ(count(R"({"id":"q","type":"complete"})"), 1u);
}

TEST_F(GraphqlStreamsTest, WhoDoesNotSayHelloIsClosed) {
    connect();
    ASSERT_EQ(timers_.size(), 1u);
    timers_[0]();
    run();
    EXPECT_EQ(told_, io::ws_close_frame(static_cast<io::WsClose>(4408),
                                        "Connection initialisation timeout"));
    EXPECT_EQ(ends_, 1);
    EXPECT_EQ(streams_->connections(), 0u);
}

TEST_F(GraphqlStreamsTest, AnotherProtocolIsClosed) {
    connect(false);
    run();
    EXPECT_EQ(told_,
              io::ws_close_frame(static_cast<io::WsClose>(4406), "Subprotocol not acceptable"));
    EXPECT_EQ(ends_, 1);
}

TEST_F(GraphqlStreamsTest, AMistakeIsTheOperationsAlone) {
    connect();
    say(R"({"type":"connection_init"})");
    say(R"({"id":"x","type":"subscribe","payload":{"query":"subscription{color}"}})");
    say(R"({"id":"y","type":"subscribe","payload":{"query":)"
        R"("subscription{events(after:\"nonsense\"){eventId}}"}})");
    run();
    EXPECT_EQ(count(R"({"id":"x","type":"error","payload":[{"message":"Cannot query field)"), 1u);
    EXPECT_EQ(count(R"({"id":"y","type":"error","payload":[{"message":"position 'nonsense')"), 1u);
    EXPECT_EQ(count(R"("field":"after")"), 1u);
    EXPECT_EQ(ends_, 0);
    EXPECT_EQ(tail_->streams(), 0u);
}

TEST_F(GraphqlStreamsTest, ServerSentEventsEndWithComplete) {
    put(kZero, {.id = "e0"});
    streams_->open_events(peer(), GraphqlRequest{"{position}", {}, {}}, {});
    ASSERT_EQ(answers_.size(), 1u);
    answers_[0](R"({"data":{"position":"0-1"}})");
    run();
    EXPECT_EQ(
        told_,
        "event: next\ndata: {\"data\":{\"position\":\"0-1\"}}\n\nevent: complete\ndata: \n\n");
    EXPECT_EQ(ends_, 1);
    told_.clear();
    streams_->open_events(
        peer(), GraphqlRequest{"subscription{events(after:\"beginning\"){eventId}}", {}, {}}, {});
    run();
    EXPECT_NE(told_.find("event: next\nid: 0-1"), std::string::npos) << told_;
    EXPECT_NE(told_.find("data: {\"data\":{\"events\":{\"eventId\":\"e0\"}}}\n\n"),
              std::string::npos)
        << told_;
}

}  // namespace
}  // namespace millrace::runtime::graphql
