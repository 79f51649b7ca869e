// Goal: processes are started with their settings, told what to do, started again when they end,
// and let go when they do not belong here; what they say that does not read breaks nothing.
// Method: a shell script stands for the process of a partition.
#include "runtime/node/supervisor.h"

#include <gtest/gtest.h>

#include <sstream>
#include <thread>

namespace millrace::runtime::node {
namespace {

// Says what it was told in the member "error", where the test can see it.
constexpr const char* kEcho = R"(
    say() {
        echo "{\"role\":\"$1\",\"epoch\":$2,\"applied\":7,\"appended\":9," \
            "\"error\":\"$3\",\"http\":\"unix:/x\"}"
    }
    read settings
    say standby 1 "$settings"
    while read line; do
        case "$line" in
            *own*) echo "what is this"; say owner 2 "" ;;
            *hand_over*) exit 75 ;;
            *heal*) exit 1 ;;
            *stop*) exit 0 ;;
        esac
    done
    exit 0
)";

class SupervisorTest : public testing::Test {
protected:
    SupervisorTest() {
        Supervisor::Deps deps;
        deps.clock = &clock;
        deps.log = &log;
        deps.command = {"/bin/sh", {"sh", "-c", kEcho}};
        deps.settings = [this](std::size_t p) {
            ++starts;
            return "settings " + std::to_string(p);
        };
        supervisor = std::make_unique<Supervisor>(deps);
    }
    ~SupervisorTest() override {
        supervisor->stop();
        supervisor->hurry();
    }
    // Until it is so; a child that does not come ends the test by its own time limit.
    void until(const std::function<bool()>& so) {
        for (int i = 0; i < 20'000 && !so(); ++i) {
            supervisor->turn();
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        ASSERT_TRUE(so());
    }
    PartitionStatus status(std::size_t p) { return supervisor->statuses()[p]; }

    core::RealClock clock;
    core::Log log{clock, core::LogLevel::kOff};
    int starts = 0;
    std::unique_ptr<Supervisor> supervisor;
};

TEST_F(SupervisorTest, StartsTellsAndLetsGo) {
    supervisor->want({3, 4});
    until([&] { return status(3).role == Role::kStandby && status(4).role == Role::kStandby; });
    EXPECT_EQ(status(3).error, "settings 3");
    EXPECT_EQ(status(3).applied, 7u);
    EXPECT_EQ(status(3).lag(), 2u);
    EXPECT_EQ(supervisor->address(3), "");
    supervisor->order(3, R"({"do":"own"})");
    until([&] { return status(3).role == Role::kOwner; });
    EXPECT_EQ(status(3).epoch, 2u);
    EXPECT_EQ(supervisor->address(3), "unix:/x");
    supervisor->want({4});
    until([&] { return !supervisor->statuses().contains(3) && status(4).role == Role::kStandby; });
    supervisor->stop();
    until([&] { return supervisor->over(); });
    EXPECT_EQ(starts, 2);
}

TEST_F(SupervisorTest, AFencedOneIsBackAtOnceAsStandby) {
    supervisor->want({0});
    until([&] { return status(0).role == Role::kStandby; });
    supervisor->order(0, R"({"do":"own"})");
    until([&] { return status(0).role == Role::kOwner; });
    supervisor->order(0, R"({"do":"hand_over","to":"b"})");
    until([&] { return starts == 2 && status(0).role == Role::kStandby; });
}

TEST_F(SupervisorTest, OneThatEndsBadlyIsDownAndComesBack) {
    supervisor->want({0});
    until([&] { return status(0).role == Role::kStandby; });
    supervisor->order(0, R"({"do":"heal"})");
    until([&] { return status(0).role == Role::kDown; });
    until([&] { return starts == 2 && status(0).role == Role::kStandby; });
}

TEST(ChildReport, SaysWhichUnitItsHashIsOf) {
    const auto report =
        read_child_report(R"({"role":"standby","epoch":2,"unit":41,"hash":"1234","applied":7,)"
                          R"("audited":"move_1"})");
    ASSERT_TRUE(report);
    EXPECT_EQ(report->audited, "move_1");
    EXPECT_EQ(report->status.unit, 41u);
    EXPECT_EQ(report->status.hash, "1234");
}

TEST(ChildReport, WhatDoesNotReadIsRefused) {
    for (const char* line : {"", "x", "[]", "{}", R"({"role":"king"})", R"({"role":5})",
                             R"({"role":"owner","epoch":"1"})", R"({"role":"owner","epoch":-1})"})
        EXPECT_FALSE(read_child_report(line)) << line;
    EXPECT_TRUE(read_child_report(R"({"role":"catching-up"})"));
}

}  // namespace
}  // namespace millrace::runtime::node
