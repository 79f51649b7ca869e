// Goal: what a collector reads of a node is one text in which every family stands once, and every
// sample says which partition's it is.
#include "runtime/node/metrics_merge.h"

#include <gtest/gtest.h>

namespace millrace::runtime::node {
namespace {

TEST(MetricsMerge, FamiliesStandOnceAndSamplesSayWhoseTheyAre) {
    MetricsMerge merge;
    merge.add(
        3,
        "# HELP a_total what\n# TYPE a_total counter\na_total{x=\"1\"} 5\na_total{x=\"2\"} 6\n"
        "# HELP b how\n# TYPE b gauge\nb 7\n");
    merge.add(5,
              "# HELP b how\n# TYPE b gauge\nb 8\n# HELP a_total what\n# TYPE a_total counter\n"
              "a_total{x=\"1\"} 9\n");
    EXPECT_EQ(merge.text(),
              "# HELP a_total what\n# TYPE a_total counter\n"
              "a_total{partition=\"3\",x=\"1\"} 5\na_total{partition=\"3\",x=\"2\"} 6\n"
              "a_total{partition=\"5\",x=\"1\"} 9\n"
              "# HELP b how\n# TYPE b gauge\nb{partition=\"3\"} 7\nb{partition=\"5\"} 8\n");
}

TEST(MetricsMerge, HistogramsAndOddLinesDoNotBreakIt) {
    MetricsMerge merge;
    merge.add(
        0, "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_sum 3\nh_count{} 4\n\nodd\n");
    EXPECT_EQ(merge.text(),
              "# HELP h x\n# TYPE h histogram\nh_bucket{partition=\"0\",le=\"1\"} 2\n"
              "h_sum{partition=\"0\"} 3\nh_count{partition=\"0\"} 4\n");
    EXPECT_EQ(MetricsMerge().text(), "");
}

}  // namespace
}  // namespace millrace::runtime::node
