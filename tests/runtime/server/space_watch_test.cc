// Goal: that the disk is short of room is told once, and once that it has room again; and counted.
// Method: a guard whose reserve is beyond what any disk has, and one without a reserve.
#include "runtime/server/space_watch.h"

#include "core/clock.h"
#include "runtime/server/process_figures.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

struct Told {
    core::RealClock clock;
    std::vector<std::string> lines;
    core::Log log{clock, core::LogLevel::kInfo,
                  [this](std::string_view line) { lines.emplace_back(line); }};
    core::Metrics metrics;
};

TEST(SpaceWatch, TellsOnceThatEventsAreRefusedAndCountsIt) {
    Told told;
    store::SpaceGuard short_of_room({.folder = testing::TempDir(), .reserve_bytes = 1ull << 62});
    SpaceWatch watch(short_of_room, told.metrics, told.log);
    watch.begin();
    ASSERT_EQ(told.lines.size(), 1u);
    EXPECT_NE(told.lines[0].find("short of room"), std::string::npos);
    EXPECT_EQ(watch.do_work(), 0u);
    EXPECT_EQ(told.lines.size(), 1u) << "once";
    EXPECT_EQ(told.metrics.sum(core::Metric::kDiskShort), 1);
    std::string text;
    told.metrics.export_text(text);
    EXPECT_NE(text.find("millrace_disk_free_bytes "), std::string::npos);
}

TEST(SpaceWatch, IsSilentWhereThereIsRoom) {
    Told told;
    store::SpaceGuard plenty({.folder = testing::TempDir(), .reserve_bytes = 1});
    SpaceWatch watch(plenty, told.metrics, told.log);
    watch.begin();
    EXPECT_EQ(watch.do_work(), 0u);
    EXPECT_TRUE(told.lines.empty()) << told.lines[0];
}

TEST(ProcessFigures, AreThoseOfThisProcess) {
    const ProcessFigures figures = read_process_figures();
    EXPECT_GT(figures.resident_bytes, 1u << 20);
    EXPECT_GT(figures.virtual_bytes, figures.resident_bytes);
    EXPECT_GE(figures.threads, 1u);
    EXPECT_GE(figures.open_files, 3u);
    EXPECT_GT(figures.open_files_max, figures.open_files);
    EXPECT_GT(figures.start_seconds, 1.6e9);
    EXPECT_GE(figures.cpu_seconds, 0);
}

}  // namespace
}  // namespace millrace::runtime
