// Goal: whoever asks for a home's documents to be in force is told so only when all that the home
// had at that moment is here; what is not answered, or breaks off between pages, is asked again
// from what is kept; nothing is delivered before every home was heard. Method: answers by hand.
#include "runtime/crossing/registry_follower.h"

#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::crossing {
namespace {

class AskedPages final : public courier::HttpPort {
public:
    struct Call {
        courier::HttpReceiver* receiver = nullptr;
        std::uint64_t ticket = 0;
        std::string path;
        std::string partition;
    };
    bool send(courier::HttpReceiver& receiver, std::uint64_t ticket,
              courier::HttpCall&& call) override {
        std::string partition;
        for (const auto& [name, value] : call.headers)
            if (name == kPartitionHeader) partition = value;
        calls.push_back({&receiver, ticket, call.url.substr(call.url.find("/cluster")), partition});
        return takes;
    }
    void cancel(courier::HttpReceiver&, std::uint64_t) override {}

    std::deque<Call> calls;
    bool takes = true;
};

class RegistryFollowerTest : public ::testing::Test {
protected:
    static constexpr std::size_t kSelf = 2;

    void SetUp() override { start(); }
    void start() {
        port_.calls.clear();
        RegistryFollower::Deps deps;
        deps.clock = &clock_;
        deps.log = &log_;
        deps.port = &port_;
        deps.neighbours = &neighbours_;
        deps.partition = kSelf;
        deps.partitions = 3;
        deps.post = [](const std::function<void()>& task) { task(); };
        deps.kept = [this](std::size_t home) { return kept_[home]; };
        deps.take = [this](std::size_t home, SpreadRows&& rows, bool whole,
                           std::uint64_t revision) -> core::Status {
            if (fails_) return core::fail(core::ErrorCode::kUnavailable, "no shard takes it up");
            kept_[home] = revision;
            taken_.push_back(std::to_string(home) + ": " + std::to_string(rows.size()) +
                             (whole ? " of all" : ""));
            return {};
        };
        follower_ = std::make_unique<RegistryFollower>(std::move(deps));
    }
    void answer(const SpreadPage& page) {
        courier::HttpAnswer answer;
        answer.status = 200;
        answer.body = spread_page_text(page);
        give(std::move(answer));
    }
    void break_line() {
        courier::HttpAnswer answer;
        answer.fault = courier::HttpFault::kConnect;
        answer.message = "no line";
        give(std::move(answer));
    }
    void give(courier::HttpAnswer&& answer) {
        ASSERT_FALSE(port_.calls.empty());
        const AskedPages::Call call = port_.calls.front();
        port_.calls.pop_front();
        call.receiver->receive(call.ticket, std::move(answer));
    }
    static SpreadPage page(std::uint64_t revision, int rows = 0, bool more = false) {
        SpreadPage out;
        out.revision = revision;
        out.more = more;
        for (int i = 0; i < rows; ++i)
            out.rows.push_back(
                {"script", "0/s" + std::to_string(revision) + std::to_string(i), 1, 0, "{}"});
        return out;
    }
    static SpreadPage all(std::uint64_t revision, int rows, const std::string& next = "") {
        SpreadPage out = page(revision, rows, !next.empty());
        out.whole = true;
        out.next = next;
        return out;
    }
    // Asks, and keeps what is said.
    std::shared_ptr<std::optional<core::Result<std::uint64_t>>> follow(std::size_t home) {
        auto said = std::make_shared<std::optional<core::Result<std::uint64_t>>>();
        follower_->follow(home, [said](core::Result<std::uint64_t>&& result) { *said = result; });
        return said;
    }
    void catch_up() {
        follower_->do_work();
        answer(page(5));
        follower_->do_work();
        answer(page(6));
        ASSERT_TRUE(follower_->caught_up());
        taken_.clear();
    }

    core::ManualClock clock_;
    core::Log log_{clock_, core::LogLevel::kOff};
    AskedPages port_;
    Neighbours neighbours_;
    std::unique_ptr<RegistryFollower> follower_;
    std::uint64_t kept_[3] = {4, 4, 0};
    std::vector<std::string> taken_;
    bool fails_ = false;
};

TEST_F(RegistryFollowerTest, TheTenantsAreAskedForFirstAndNobodyIsLeftOut) {
    follower_->do_work();
    ASSERT_EQ(port_.calls.size(), 1u);
    EXPECT_EQ(port_.calls[0].partition, "0");
    EXPECT_EQ(port_.calls[0].path, "/cluster/registry?after=4");
    answer(page(7, 2));
    EXPECT_FALSE(follower_->caught_up());
    follower_->do_work();
    ASSERT_EQ(port_.calls.size(), 1u);
    EXPECT_EQ(port_.calls[0].partition, "1");
    answer(page(9));
    EXPECT_TRUE(follower_->caught_up());
    EXPECT_EQ(taken_, (std::vector<std::string>{"0: 2", "1: 0"}));
    follower_->do_work();
    EXPECT_TRUE(port_.calls.empty()) << "for a while nothing is asked";
    clock_.advance_us(RegistryFollower::kLookNs / 1000);
    follower_->do_work();
    EXPECT_EQ(port_.calls.size(), 2u);
    EXPECT_EQ(port_.calls[0].path, "/cluster/registry?after=7");
}

TEST_F(RegistryFollowerTest, WhatIsNotAnsweredIsAskedAgain) {
    follower_->do_work();
    break_line();
    EXPECT_FALSE(follower_->caught_up());
    follower_->do_work();
    EXPECT_TRUE(port_.calls.empty());
    clock_.advance_us(RegistryFollower::kAgainNs / 1000);
    follower_->do_work();
    ASSERT_EQ(port_.calls.size(), 1u);
    EXPECT_EQ(port_.calls[0].path, "/cluster/registry?after=4");
}

TEST_F(RegistryFollowerTest, WhoAsksWhileAnotherIsAnsweredWaitsForTheNext) {
    catch_up();
    const auto first = follow(0);
    ASSERT_EQ(port_.calls.size(), 1u);
    const auto second = follow(0);
    ASSERT_EQ(port_.calls.size(), 1u);
    answer(page(7, 1));
    ASSERT_TRUE(*first);
    EXPECT_EQ(***first, 7u);
    EXPECT_FALSE(*second) << "what it means may have come after the home was asked";
    ASSERT_EQ(port_.calls.size(), 1u);
    EXPECT_EQ(port_.calls[0].path, "/cluster/registry?after=7");
    answer(page(8, 1));
    ASSERT_TRUE(*second);
    EXPECT_EQ(***second, 8u);
}

TEST_F(RegistryFollowerTest, PagesAreTakenAtOnceWhenTheLastIsHere) {
    catch_up();
    const auto said = follow(1);
    answer(page(7, 3, true));
    EXPECT_TRUE(taken_.empty());
    EXPECT_EQ(port_.calls[0].path, "/cluster/registry?after=7");
    answer(page(9, 2));
    EXPECT_EQ(taken_, std::vector<std::string>{"1: 5"});
    ASSERT_TRUE(*said);
    EXPECT_EQ(***said, 9u);
}

TEST_F(RegistryFollowerTest, OfAWholeCopyWhatCameMeanwhileIsAskedForBehindIt) {
    catch_up();
    const auto said = follow(1);
    answer(all(20, 2, "script/0/a b"));
    EXPECT_EQ(port_.calls[0].path, "/cluster/registry?after=0&next=script%2F0%2Fa%20b");
    answer(all(23, 0));
    EXPECT_EQ(port_.calls[0].path, "/cluster/registry?after=20") << "since it was begun";
    EXPECT_TRUE(taken_.empty());
    answer(page(25, 1));
    EXPECT_EQ(taken_, std::vector<std::string>{"1: 3 of all"});
    EXPECT_EQ(***said, 25u);
}

TEST_F(RegistryFollowerTest, WhereNotesEndMeanwhileItBeginsAnew) {
    catch_up();
    (void)follow(1);
    answer(all(20, 2));
    EXPECT_EQ(port_.calls[0].path, "/cluster/registry?after=20");
    answer(all(30'000, 1));  // too long ago by now
    EXPECT_EQ(port_.calls[0].path, "/cluster/registry?after=30000");
    answer(page(30'000));
    EXPECT_EQ(taken_, std::vector<std::string>{"1: 1 of all"});
}

TEST_F(RegistryFollowerTest, AWholeCopyOfNothingComesToItsEnd) {
    kept_[0] = kept_[1] = 0;
    start();
    follower_->do_work();
    answer(all(1, 0));
    EXPECT_EQ(port_.calls[0].path, "/cluster/registry?after=1");
    answer(page(1));
    follower_->do_work();
    answer(all(1, 0));
    answer(page(1));
    EXPECT_TRUE(follower_->caught_up());
}

TEST_F(RegistryFollowerTest, WhatIsNotInForceIsToldToNobody) {
    catch_up();
    fails_ = true;
    const auto said = follow(0);
    answer(page(7, 1));
    ASSERT_TRUE(*said);
    EXPECT_FALSE(**said);
    fails_ = false;
    const auto again = follow(0);
    EXPECT_EQ(port_.calls[0].path, "/cluster/registry?after=5") << "from what is kept";
    answer(page(7, 1));
    EXPECT_TRUE(**again);
    EXPECT_EQ(taken_, std::vector<std::string>{"0: 1"});
}

TEST_F(RegistryFollowerTest, ItsOwnHomeAndOneThatIsNoneAreAnsweredAtOnce) {
    EXPECT_TRUE(**follow(kSelf));
    EXPECT_FALSE(**follow(3));
    port_.takes = false;
    const auto refused = follow(0);
    ASSERT_TRUE(*refused);
    EXPECT_FALSE(**refused);
}

TEST_F(RegistryFollowerTest, AnAnswerThatNobodyWaitsForChangesNothing) {
    follower_->do_work();
    const AskedPages::Call call = port_.calls.front();
    answer(page(7, 1));
    courier::HttpAnswer late;
    late.status = 200;
    late.body = spread_page_text(page(3, 1));
    call.receiver->receive(call.ticket, std::move(late));
    EXPECT_EQ(kept_[0], 7u);
    EXPECT_EQ(taken_.size(), 1u);
}

}  // namespace
}  // namespace millrace::runtime::crossing
