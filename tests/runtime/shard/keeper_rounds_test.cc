// Goal: requests with partition keys reach the homes in their order, what is on its way comes
// again, and nothing is held meanwhile. Method: keepers that answer when the test says so.
#include "runtime/shard/keeper_rounds.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr std::size_t kShards = 3;

class KeeperRoundsTest : public ::testing::Test {
protected:
    // `ask`: its first item has to ask the third shard.
    IngestRequest& make(bool keyed, bool ask, std::size_t items = 1) {
        IngestRequest& request = *requests_.emplace_back(std::make_unique<IngestRequest>());
        request.reset(kShards);
        request.keyed = keyed;
        for (std::uint32_t i = 0; i < items; ++i) {
            request.items.emplace_back().home = core::ShardId{1};
            // Kept by the third of three.
            request.items[i].input.id = {~std::uint64_t{0} - i, 1};
            request.place(i, core::ShardId{2}, ask && i == 0 ? MustAsk::kYes : MustAsk::kNo);
        }
        return request;
    }
    void answer(IngestRequest& request, KeeperAnswer answer) {
        for (const std::uint32_t i : request.by_keeper[2]) request.items[i].answer = answer;
        rounds_.answered(request);
    }
    std::string name(const IngestRequest& request) {
        for (std::size_t i = 0; i < requests_.size(); ++i) {
            if (requests_[i].get() == &request) return std::string(1, static_cast<char>('a' + i));
        }
        return "?";
    }

    KeeperRounds::Handlers handlers() {
        const auto tell = [this](char what) {
            return [this, what](IngestRequest& request) { told_ += what + name(request); };
        };
        const auto tell_keeper = [tell](char what) {
            return [told = tell(what)](core::ShardId, IngestRequest& request) { told(request); };
        };
        return {tell_keeper('?'), tell_keeper('-'), tell('+'), tell('.')};
    }

    std::vector<std::unique_ptr<IngestRequest>> requests_;
    std::string told_;
    KeeperRounds rounds_{handlers()};
};

TEST_F(KeeperRoundsTest, AKeyedRequestStaysBehindOnesThatAsk) {
    IngestRequest& first = make(true, true);
    IngestRequest& second = make(true, false);
    IngestRequest& third = make(true, true);
    ASSERT_TRUE(rounds_.must_wait(first));
    rounds_.begin(first);
    ASSERT_TRUE(rounds_.must_wait(second));
    EXPECT_FALSE(rounds_.must_wait(make(false, false)));
    rounds_.begin(second);
    rounds_.begin(third);
    EXPECT_EQ(told_, "?a?c");
    answer(third, KeeperAnswer::kGranted);
    EXPECT_EQ(told_, "?a?c");
    answer(first, KeeperAnswer::kGranted);
    EXPECT_EQ(told_, "?a?c+a+b+c");
    EXPECT_FALSE(rounds_.must_wait(make(true, false)));
}

TEST_F(KeeperRoundsTest, ItemsKeepTheirOrderWhetherTheyAskedOrNot) {
    IngestRequest& request = make(true, true, 4);
    rounds_.begin(request);
    answer(request, KeeperAnswer::kGranted);
    EXPECT_EQ(request.by_home[1], (std::vector<std::uint32_t>{0, 1, 2, 3}));
}

TEST_F(KeeperRoundsTest, WhatIsTakenGoesToWhereItIs) {
    IngestRequest& request = make(true, true, 2);
    rounds_.begin(request);
    request.items[0].position.shard = core::ShardId{0};
    answer(request, KeeperAnswer::kTaken);
    EXPECT_EQ(request.by_home[0], (std::vector<std::uint32_t>{0}));
    EXPECT_EQ(request.by_home[1], (std::vector<std::uint32_t>{1}));
}

TEST_F(KeeperRoundsTest, WhatIsOnItsWayComesAgainAloneAndHoldsNothing) {
    IngestRequest& request = make(true, true, 2);
    rounds_.begin(request);
    answer(request, KeeperAnswer::kOnItsWay);
    EXPECT_EQ(request.by_home[1], (std::vector<std::uint32_t>{1}));
    EXPECT_FALSE(rounds_.must_wait(make(true, false)));  // others pass
    ASSERT_TRUE(rounds_.comes_again(request));
    rounds_.end_round(request);
    EXPECT_EQ(told_, "?a+a-a");
    rounds_.released(request);
    EXPECT_LT(rounds_.sleep_limit_us(1'000'000), 1'000'000);
    EXPECT_EQ(rounds_.do_work(1), 0u);
    EXPECT_EQ(rounds_.do_work(1'000'000), 1u);
    EXPECT_EQ(told_, "?a+a-a?a");
    answer(request, KeeperAnswer::kGranted);
    EXPECT_EQ(request.by_home[1], (std::vector<std::uint32_t>{0}));
    EXPECT_FALSE(rounds_.comes_again(request));
    rounds_.end_round(request);
    rounds_.released(request);
    EXPECT_EQ(told_, "?a+a-a?a+a-a.a");
    EXPECT_EQ(rounds_.sleep_limit_us(1'000'000), 1'000'000);
}

// A home that is the keeper found it elsewhere: nobody had asked before.
TEST_F(KeeperRoundsTest, WhatItsHomeSendsBackAsksThen) {
    IngestRequest& request = make(false, false, 2);
    request.items[1].again = true;
    request.come_again();
    ASSERT_TRUE(rounds_.comes_again(request));
    rounds_.end_round(request);
    rounds_.do_work(1'000'000);
    EXPECT_EQ(told_, "?a");
    EXPECT_EQ(request.by_keeper[2], (std::vector<std::uint32_t>{1}));
    request.items[1].position.shard = core::ShardId{1};
    answer(request, KeeperAnswer::kTaken);
    EXPECT_EQ(request.by_home[1], (std::vector<std::uint32_t>{1}));
}

TEST_F(KeeperRoundsTest, NothingOfAFailedRequestComesAgain) {
    IngestRequest& request = make(true, true);
    rounds_.begin(request);
    answer(request, KeeperAnswer::kOnItsWay);
    request.fail();
    EXPECT_FALSE(rounds_.comes_again(request));
    rounds_.end_round(request);
    rounds_.released(request);
    EXPECT_EQ(told_, "?a+a-a.a");
}

// Nothing of it has reached a home, nor is anything held.
TEST_F(KeeperRoundsTest, WhatIsAllOrNoneWaitsUntilAllOfItIsSettled) {
    IngestRequest& request = make(true, true, 2);
    request.atomicity = Atomicity::kAllOrNone;
    rounds_.begin(request);
    answer(request, KeeperAnswer::kOnItsWay);
    EXPECT_EQ(told_, "?a-a");
    rounds_.released(request);
    EXPECT_EQ(rounds_.do_work(1'000'000), 1u);
    EXPECT_EQ(told_, "?a-a?a");
    EXPECT_EQ(request.by_keeper[2], (std::vector<std::uint32_t>{0}));
    answer(request, KeeperAnswer::kGranted);
    EXPECT_EQ(told_, "?a-a?a+a");
    EXPECT_EQ(request.by_home[1], (std::vector<std::uint32_t>{0, 1}));
    EXPECT_FALSE(rounds_.comes_again(request));
}

TEST_F(KeeperRoundsTest, AnIdTwiceInWhatIsAllOrNoneGoesToOneHome) {
    for (const KeeperAnswer first : {KeeperAnswer::kGranted, KeeperAnswer::kTaken}) {
        IngestRequest& request = make(true, true, 2);
        request.atomicity = Atomicity::kAllOrNone;
        request.items[1].home = core::ShardId{0};
        request.items[1].input.id = request.items[0].input.id;
        for (auto& list : request.by_home) list.clear();
        request.place(1, core::ShardId{2}, MustAsk::kYes);
        request.items[0].position.shard = core::ShardId{1};
        request.items[0].answer = first;
        request.items[1].answer = KeeperAnswer::kOnItsWay;
        rounds_.begin(request);
        rounds_.answered(request);
        EXPECT_EQ(request.by_home[1], (std::vector<std::uint32_t>{0, 1}));
        EXPECT_EQ(request.by_home[0], (std::vector<std::uint32_t>{}));
    }
}

}  // namespace
}  // namespace millrace::runtime
