// Goal: each other partition is asked once a second while there is something to ask about, one
// question to each at a time, and what does not come is asked again. Method: answers by hand.
#include "runtime/crossing/canary_watch.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::crossing {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;

class CanaryWatchTest : public ::testing::Test, public courier::HttpPort {
protected:
    void SetUp() override {
        CanaryWatch::Deps deps;
        deps.clock = &clock_;
        deps.log = &log_;
        deps.port = this;
        deps.neighbours = &neighbours_;
        deps.partition = 1;
        deps.partitions = 3;
        deps.post = [](const std::function<void()>& task) { task(); };
        deps.any = [this] { return any_; };
        deps.hear = [this](std::size_t partition, std::string_view told) {
            heard_.push_back(std::to_string(partition) + ": " + std::string(told));
            return told != "nonsense";
        };
        deps.hear_nothing = [this](std::size_t partition) {
            heard_.push_back(std::to_string(partition) + " is silent");
        };
        watch_ = std::make_unique<CanaryWatch>(std::move(deps));
    }
    bool send(courier::HttpReceiver& /*receiver*/, std::uint64_t ticket,
              courier::HttpCall&& call) override {
        EXPECT_NE(call.url.find("/cluster/canaries?home=1"), std::string::npos) << call.url;
        if (takes_) asked_.push_back(ticket);
        return takes_;
    }
    void cancel(courier::HttpReceiver&, std::uint64_t) override {}
    void answer(std::uint64_t partition, int status, std::string body) {
        courier::HttpAnswer answer;
        answer.status = status;
        answer.body = std::move(body);
        watch_->receive(partition, std::move(answer));
    }
    std::vector<std::uint64_t> look_after(std::int64_t us) {
        asked_.clear();
        clock_.advance_us(us);
        watch_->do_work();
        return asked_;
    }

    core::ManualClock clock_;
    core::Log log_{clock_, core::LogLevel::kOff};
    Neighbours neighbours_;
    bool any_ = true;
    bool takes_ = true;
    std::vector<std::uint64_t> asked_;
    std::vector<std::string> heard_;
    std::unique_ptr<CanaryWatch> watch_;
};

using Asked = std::vector<std::uint64_t>;

TEST_F(CanaryWatchTest, AsksTheOthersOnceASecond) {
    EXPECT_EQ(look_after(1), (Asked{0, 2}));
    answer(0, 200, "a");
    answer(2, 200, "b");
    EXPECT_EQ(heard_, (std::vector<std::string>{"0: a", "2: b"}));
    EXPECT_EQ(look_after(kSecondUs / 2), Asked{});
    EXPECT_EQ(look_after(kSecondUs / 2), (Asked{0, 2}));
}

TEST_F(CanaryWatchTest, WhoeverHasNotAnsweredIsNotAskedTwice) {
    look_after(1);
    answer(2, 200, "b");
    EXPECT_EQ(look_after(kSecondUs), Asked{2});
    answer(0, 503, "no");
    EXPECT_EQ(heard_, (std::vector<std::string>{"2: b", "0 is silent"}));
    EXPECT_EQ(look_after(kSecondUs), Asked{0});
}

TEST_F(CanaryWatchTest, WhatDoesNotReadIsNothing) {
    look_after(1);
    answer(0, 200, "nonsense");
    EXPECT_EQ(heard_, (std::vector<std::string>{"0: nonsense", "0 is silent"}));
    EXPECT_EQ(look_after(kSecondUs), Asked{0});
}

TEST_F(CanaryWatchTest, WhatCouldNotBeSentIsAskedAgain) {
    takes_ = false;
    EXPECT_EQ(look_after(1), Asked{});
    EXPECT_EQ(heard_, (std::vector<std::string>{"0 is silent", "2 is silent"}));
    takes_ = true;
    EXPECT_EQ(look_after(kSecondUs), (Asked{0, 2}));
}

TEST_F(CanaryWatchTest, AsksNothingWhereNothingIsTried) {
    any_ = false;
    EXPECT_EQ(look_after(kSecondUs), Asked{});
    any_ = true;
    EXPECT_EQ(look_after(kSecondUs), (Asked{0, 2}));
}

}  // namespace
}  // namespace millrace::runtime::crossing
