// Goal: whoever looks gets each second, whoever does not read holds up nobody, whoever is gone
// costs nothing.
// Method: an edge that writes down what it was asked for.
#include "runtime/stream/stats_tail.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

class StatsTailTest : public testing::Test {
protected:
    StatsTailTest() : tail(deps()) {}
    StatsTail::Deps deps() {
        StatsTail::Deps out;
        out.clock = &clock;
        out.edge.begin = [this](core::ShardId, io::RequestToken, const std::string&,
                                std::function<void(bool)> done) {
            begun.push_back(std::move(done));
        };
        out.edge.write = [this](core::ShardId, io::RequestToken token, std::string bytes,
                                std::function<void(io::WriteOutcome)> done) {
            written.push_back({token.connection, std::move(bytes)});
            done(answer);
        };
        out.edge.refuse = [this](core::ShardId, io::RequestToken, const core::Error& error) {
            refused.push_back(error.code);
        };
        out.edge.end = [this](core::ShardId, io::RequestToken token) {
            ended.push_back(token.connection);
        };
        return out;
    }
    void open(std::uint32_t connection) {
        tail.open(core::ShardId{0}, {.connection = connection}, {});
    }

    core::ManualClock clock;
    std::vector<std::function<void(bool)>> begun;
    std::vector<std::pair<std::uint32_t, std::string>> written;
    std::vector<core::ErrorCode> refused;
    std::vector<std::uint32_t> ended;
    io::WriteOutcome answer = io::WriteOutcome::kOk;
    StatsTail tail;
};

TEST_F(StatsTailTest, EachSecondIsOneMessage) {
    open(1);
    tail.tell("{\"at\":1}");
    EXPECT_TRUE(written.empty()) << "its head has not left yet";
    begun[0](true);
    tail.tell("{\"at\":2}");
    tail.tell("{\"at\":3}");
    ASSERT_EQ(written.size(), 2u);
    EXPECT_EQ(written[0].second, "data: {\"at\":2}\n\n");
}

TEST_F(StatsTailTest, ASlowReaderMissesSecondsAndHoldsUpNobody) {
    open(1);
    open(2);
    begun[0](true);
    answer = io::WriteOutcome::kFull;
    tail.tell("{}");
    begun[1](true);
    answer = io::WriteOutcome::kOk;
    tail.tell("{}");
    tail.drained(core::ShardId{0}, {.connection = 1});
    tail.tell("{}");
    std::vector<std::uint32_t> to;
    for (const auto& [connection, bytes] : written) to.push_back(connection);
    EXPECT_EQ(to, (std::vector<std::uint32_t>{1, 2, 1, 2}));
}

TEST_F(StatsTailTest, WhoIsGoneIsForgotten) {
    open(1);
    open(2);
    open(3);
    begun[0](true);
    begun[1](false);
    begun[2](true);
    tail.closed(core::ShardId{0}, {.connection = 1});
    answer = io::WriteOutcome::kClosed;
    tail.tell("{}");
    EXPECT_EQ(tail.streams(), 0u);
}

TEST_F(StatsTailTest, SoManyAndNoMore) {
    for (std::uint32_t i = 0; i < StatsTail::kStreamsMax; ++i) open(i);
    EXPECT_TRUE(refused.empty());
    open(9999);
    EXPECT_EQ(refused, std::vector{core::ErrorCode::kRateLimited});
}

TEST_F(StatsTailTest, WhoHasLostTheRightIsLetGo) {
    std::atomic<bool> keys_exist{false};
    identity::Principal everybody;
    everybody.keys_exist = &keys_exist;
    tail.open(core::ShardId{0}, {.connection = 4}, everybody);
    begun[0](true);
    keys_exist = true;
    tail.tell("{}");
    EXPECT_EQ(ended, std::vector<std::uint32_t>{4});
    EXPECT_EQ(tail.streams(), 0u);
}

}  // namespace
}  // namespace millrace::runtime
