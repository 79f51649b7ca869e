// Goal: a Subscribe call begins when its stream does, is told events in frames, waits where there
// is no room and misses nothing, and ends with the status that says why.
// Method: a real store and tail, a network that has no room when it is told so.
#include "runtime/grpc/frames.h"
#include "runtime/grpc/grpc_streams.h"
#include "runtime/grpc/wire.h"
#include "runtime/stream/event_tail.h"
#include "tests/store/store_fixture.h"

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::grpc {
namespace {

class GrpcStreamsTest : public store::test::StoreTest {
protected:
    void SetUp() override {
        open();
        EventTail::Deps tail;
        tail.clock = &clock_;
        tail.database = database_.get();
        tail.render = [](std::string& out, const store::StoredEvent& event) { out += event.raw; };
        tail.edge.write = [this](core::ShardId, io::RequestToken, std::string bytes,
                                 std::function<void(io::WriteOutcome)> written) {
            writes_.push_back({std::move(bytes), std::move(written)});
        };
        tail.edge.begin = [](core::ShardId, io::RequestToken, const std::string&,
                             std::function<void(bool)>) { FAIL() << "calls begin by themselves"; };
        tail.edge.refuse = [](core::ShardId, io::RequestToken, core::Error) { FAIL(); };
        tail.edge.end = [](core::ShardId, io::RequestToken) { FAIL() << "a status ends it"; };
        tail_ = std::make_unique<EventTail>(std::move(tail));
        streams_ = std::make_unique<GrpcStreams>(GrpcStreams::Deps{
            .tail = tail_.get(),
            .begin = [this](core::ShardId, io::RequestToken call) { begun_.push_back(call); },
            .end = [this](core::ShardId, io::RequestToken,
                          CallStatus status) { ended_.push_back(std::move(status)); }});
    }
    void follow(const std::string& after, const std::string& filter = {}, bool json = false) {
        SubscribeAsk ask;
        ask.after = after;
        ask.filter = filter;
        ask.json = json;
        identity::Principal who;
        who.scopes = identity::ScopeSet::all();
        who.keys_exist = &keys_exist_;
        streams_->open({}, kCall, who, std::move(ask));
    }
    void run(io::WriteOutcome outcome = io::WriteOutcome::kOk) {
        for (int i = 0; i < 10; ++i) {
            tail_->do_work();
            for (std::deque<Write> now = std::exchange(writes_, {}); !now.empty();
                 now.pop_front()) {
                if (outcome == io::WriteOutcome::kOk) told_ += now.front().bytes;
                now.front().written(outcome);
            }
        }
    }
    // Event ids of what was told, in frames.
    std::vector<std::string> ids(std::uint32_t field = 1) const {
        std::vector<std::string> out;
        FrameReader frames(1u << 20);
        EXPECT_TRUE(frames.take(told_, [&](bool, std::string_view message) {
            WireReader wire(message);
            while (wire.next()) {
                if (wire.is(field, WireType::kBytes)) out.emplace_back(wire.bytes());
            }
            return core::Status{};
        }));
        return out;
    }

    struct Write {
        std::string bytes;
        std::function<void(io::WriteOutcome)> written;
    };
    static constexpr io::RequestToken kCall{1, 2, 3};
    std::atomic<bool> keys_exist_{false};
    std::unique_ptr<EventTail> tail_;
    std::unique_ptr<GrpcStreams> streams_;
    std::deque<Write> writes_;
    std::vector<io::RequestToken> begun_;
    std::vector<CallStatus> ended_;
    std::string told_;
};

TEST_F(GrpcStreamsTest, ACallIsToldWhatItAsksFor) {
    put(kZero, {.id = "e0"});
    put(kZero, {.id = "e1"});
    follow("beginning");
    EXPECT_EQ(begun_, std::vector{kCall});
    run();
    EXPECT_EQ(ids(), (std::vector<std::string>{"e0", "e1"}));
    put(kZero, {.id = "e2"});
    run();
    EXPECT_EQ(ids().back(), "e2");
    const std::string behind_first = ids(25).at(0);
    told_.clear();
    follow(behind_first, {}, true);
    run();
    EXPECT_EQ(ids(), std::vector<std::string>{}) << "as JSON";
    EXPECT_EQ(ids(12).size(), 2u);
    EXPECT_TRUE(ended_.empty());
}

TEST_F(GrpcStreamsTest, WhereThereIsNoRoomItWaitsAndMissesNothing) {
    follow("beginning");
    put(kZero, {.id = "e0"});
    run(io::WriteOutcome::kFull);
    put(kZero, {.id = "e1"});
    run(io::WriteOutcome::kFull);
    EXPECT_TRUE(told_.empty());
    tail_->drained({}, kCall);
    run();
    EXPECT_EQ(ids(), (std::vector<std::string>{"e0", "e1"}));
}

TEST_F(GrpcStreamsTest, AMistakeIsItsEnd) {
    follow("soon");
    ASSERT_EQ(ended_.size(), 1u);
    EXPECT_EQ(ended_[0].code, Code::kInvalidArgument);
    EXPECT_TRUE(ended_[0].message.starts_with("after: ")) << ended_[0].message;
    follow("", "$.n >");
    EXPECT_EQ(ended_.at(1).code, Code::kInvalidArgument);
    EXPECT_TRUE(begun_.empty());
    EXPECT_EQ(tail_->streams(), 0u);
}

TEST_F(GrpcStreamsTest, WhoMaySeeNoMoreIsToldSoAndNoMore) {
    follow("beginning");
    put(kZero, {.id = "e0"});
    run();
    keys_exist_ = true;
    put(kZero, {.id = "e1"});
    run();
    ASSERT_EQ(ended_.size(), 1u);
    EXPECT_EQ(ended_[0].code, Code::kUnauthenticated);
    EXPECT_NE(ended_[0].message.find("at position"), std::string::npos);
    EXPECT_EQ(ids(), std::vector<std::string>{"e0"});
    EXPECT_EQ(tail_->streams(), 0u);
}

TEST_F(GrpcStreamsTest, ACallThatIsGoneIsForgotten) {
    follow("");
    tail_->closed({}, kCall);
    EXPECT_EQ(tail_->streams(), 0u);
    EXPECT_TRUE(ended_.empty());
}

}  // namespace
}  // namespace millrace::runtime::grpc
