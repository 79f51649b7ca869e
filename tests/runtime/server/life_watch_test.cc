// Goal: the service manager hears that all is well only when every thread has come back from its
// work, or is busy with what has time left; a silent one is named, once.
// Method: threads that the test turns by hand; a manager's socket of its own; time in numbers.
#include "runtime/server/life_watch.h"

#include "core/agent.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace millrace::runtime {
namespace {

constexpr std::int64_t kWatchdogUs = 3'000'000;
constexpr std::int64_t kRoundNs = kWatchdogUs * 1000 / 3;

class LifeWatchTest : public ::testing::Test {
protected:
    LifeWatchTest() {
        socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, name_.data(), name_.size());
        address.sun_path[0] = '\0';
        const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
        EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), length), 0);
    }
    ~LifeWatchTest() override { ::close(socket_); }

    LifeWatch watch() {
        std::vector<LifeWatch::Member> members;
        members.push_back({"shard-0", [this] { return shard_turns_; }, {}});
        members.push_back({"lane-0", [this] { return lane_turns_; }, [this] { return busy_; }});
        return LifeWatch(notify_, std::move(members), log_, 0);
    }
    int heard() {
        char bytes[64];
        int count = 0;
        while (::recv(socket_, bytes, sizeof bytes, 0) > 0) ++count;
        return count;
    }

    const std::string name_ = "@millrace-life-" + std::to_string(::getpid());
    int socket_ = -1;
    const ServiceNotify notify_{name_, kWatchdogUs};
    core::ManualClock clock_;
    std::vector<std::string> said_;
    core::Log log_{clock_, core::LogLevel::kInfo,
                   [this](std::string_view line) { said_.emplace_back(line); }};
    std::uint64_t shard_turns_ = 0;
    std::uint64_t lane_turns_ = 0;
    bool busy_ = false;
};

TEST_F(LifeWatchTest, TellsOnceARoundWhenAllHaveTurned) {
    LifeWatch life = watch();
    for (std::int64_t now = 0; now < 3 * kRoundNs; now += kRoundNs / 10) {
        ++shard_turns_;
        ++lane_turns_;
        life.look(now);
    }
    EXPECT_EQ(heard(), 2);
    EXPECT_TRUE(said_.empty());
}

TEST_F(LifeWatchTest, OneThatStandsStillKeepsTheManagerFromHearing) {
    LifeWatch life = watch();
    std::int64_t now = 0;
    for (; now < 5 * kRoundNs; now += kRoundNs / 10) {
        ++lane_turns_;
        life.look(now);
    }
    EXPECT_EQ(heard(), 0);
    EXPECT_EQ(life.silent(), "shard-0");
    ASSERT_EQ(said_.size(), 1u) << "told once";
    EXPECT_NE(said_.front().find("shard-0"), std::string::npos);
    ++shard_turns_;
    life.look(now);
    EXPECT_EQ(heard(), 1) << "it has come back before the manager lost its patience";
}

TEST_F(LifeWatchTest, AHandlerThatHasTimeLeftIsNoHang) {
    LifeWatch life = watch();
    busy_ = true;
    for (std::int64_t now = 0; now < 3 * kRoundNs; now += kRoundNs / 10) {
        ++shard_turns_;
        life.look(now);
    }
    EXPECT_EQ(heard(), 2);
    busy_ = false;
    for (std::int64_t now = 3 * kRoundNs; now < 9 * kRoundNs; now += kRoundNs / 10) {
        ++shard_turns_;
        life.look(now);
    }
    EXPECT_LE(heard(), 1) << "its time is over and it does not come back";
    EXPECT_EQ(life.silent(), "lane-0");
}

TEST_F(LifeWatchTest, NobodyWhoAsksIsTold) {
    const ServiceNotify silent(name_, 0);
    LifeWatch life(silent, {{"shard-0", [] { return std::uint64_t{0}; }, {}}}, log_, 0);
    life.look(100 * kRoundNs);
    EXPECT_EQ(heard(), 0);
    EXPECT_TRUE(said_.empty());
}

class Sleeper final : public core::Agent {
public:
    std::string_view name() const override { return "sleeper"; }
    std::size_t do_work() override { return 0; }
};

TEST(AgentThread, AnIdleAgentTurns) {
    Sleeper agent;
    core::AgentThread thread(agent, core::AgentThread::kNotPinned);
    const std::uint64_t before = thread.turns();
    while (thread.turns() < before + 2) agent.wake();
    EXPECT_TRUE(thread.stop_within(10'000'000));
}

class BusyAgent final : public core::Agent {
public:
    std::string_view name() const override { return "busy"; }
    std::size_t do_work() override {
        begun = true;
        while (!let_go) std::this_thread::yield();
        return 0;
    }
    std::atomic<bool> begun{false}, let_go{false};
};

TEST(AgentThread, OneThatIsBusyIsLeftAndStoppedLater) {
    BusyAgent agent;
    core::AgentThread thread(agent, core::AgentThread::kNotPinned);
    while (!agent.begun) std::this_thread::yield();
    EXPECT_FALSE(thread.stop_within(2'000));
    agent.let_go = true;
    EXPECT_TRUE(thread.stop_within(10'000'000));
}

}  // namespace
}  // namespace millrace::runtime
