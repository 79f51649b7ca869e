// Goal: the limit of the control group is found in both versions, on a machine and in a container,
// and the least of all that hold counts.
#include "runtime/server/memory_limit.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace millrace::runtime {
namespace {

class MemoryLimitTest : public testing::Test {
protected:
    void SetUp() override {
        root = testing::TempDir() + "/groups-" +
               testing::UnitTest::GetInstance()->current_test_info()->name();
        std::filesystem::remove_all(root);
    }
    void TearDown() override { std::filesystem::remove_all(root); }
    void put(const std::string& path, const std::string& text) {
        std::filesystem::create_directories(std::filesystem::path(root + path).parent_path());
        std::ofstream(root + path) << text << "\n";
    }
    std::string root;
};

TEST_F(MemoryLimitTest, OfVersionTwoIsTheLeastOfTheGroupAndThoseAroundIt) {
    put("/a/b/memory.max", "max");
    put("/a/memory.max", "268435456");
    EXPECT_EQ(control_group_limit("0::/a/b\n", root), 268435456u);
    put("/a/b/memory.max", "134217728");
    EXPECT_EQ(control_group_limit("0::/a/b\n", root), 134217728u);
}

TEST_F(MemoryLimitTest, OfVersionOneToo) {
    put("/memory/s/memory.limit_in_bytes", "9223372036854771712");
    EXPECT_EQ(control_group_limit("9:name=systemd:/x\n4:cpu,memory:/s\n0::/\n", root), 0u);
    put("/memory/s/memory.limit_in_bytes", "67108864");
    EXPECT_EQ(control_group_limit("9:name=systemd:/x\n4:cpu,memory:/s\n0::/\n", root), 67108864u);
}

TEST_F(MemoryLimitTest, InAContainerItsOwnGroupIsWhatIsMounted) {
    put("/memory.max", "67108864");
    EXPECT_EQ(control_group_limit("0::/\n", root), 67108864u);
    EXPECT_EQ(control_group_limit("0::/the/hosts/name\n", root), 67108864u);
    std::filesystem::remove(root + "/memory.max");
    put("/unified/memory.max", "67108865");
    EXPECT_EQ(control_group_limit("0::/", root), 67108865u);
}

TEST_F(MemoryLimitTest, WhatDoesNotReadSaysNothing) {
    put("/memory.max", "much");
    EXPECT_EQ(control_group_limit("0::/\n\nx\n1:y\n", root), 0u);
    EXPECT_EQ(control_group_limit("", root), 0u);
}

TEST(MemoryLimit, IsTheLesserOfWhatIsToldAndWhatIsAllowed) {
    struct LimitRow {
        std::int64_t told;
        std::uint64_t group, machine, bytes;
        std::string_view from;
    };
    for (const LimitRow& row :
         {LimitRow{0, 0, 1000, 0, "none"}, LimitRow{0, 1000, 1000, 0, "none"},
          LimitRow{0, 500, 1000, 500, "control group"}, LimitRow{400, 500, 1000, 400, "memory.max"},
          LimitRow{600, 500, 1000, 500, "control group"},
          LimitRow{600, 0, 1000, 600, "memory.max"}}) {
        const MemoryLimit limit = choose_memory_limit(row.told, row.group, row.machine);
        EXPECT_EQ(limit.bytes, row.bytes) << row.told << " " << row.group;
        EXPECT_EQ(limit.from, row.from) << row.told << " " << row.group;
    }
}

}  // namespace
}  // namespace millrace::runtime
