// Goal: sizes are read as people mean them, and what can't be meant is refused.
#include "core/byte_size.h"

#include <gtest/gtest.h>

namespace millrace::core {
namespace {

TEST(ByteSize, ReadsNumbersAndUnits) {
    const struct {
        const char* text;
        std::int64_t bytes;
    } kCases[] = {{"0", 0},
                  {"1048576", 1 << 20},
                  {"12B", 12},
                  {"10GB", 10'000'000'000},
                  {"64MiB", 64 << 20},
                  {"3 KiB", 3072},
                  {"2TiB", 2LL << 40},
                  {"7KB", 7000},
                  {"1TB", 1'000'000'000'000}};
    for (const auto& each : kCases) {
        std::int64_t bytes = -1;
        EXPECT_TRUE(parse_byte_size(each.text, bytes)) << each.text;
        EXPECT_EQ(bytes, each.bytes) << each.text;
    }
}

TEST(ByteSize, RefusesTheRestAndLeavesTheOutputAlone) {
    for (const char* text : {"", "GB", "-1", "1.5GB", "10gb", "10 GB ", "10XB", "1e3", "0x10",
                             "9223372036854775808", "9223372036854775807KB", "8388608TiB"}) {
        std::int64_t bytes = 42;
        EXPECT_FALSE(parse_byte_size(text, bytes)) << text;
        EXPECT_EQ(bytes, 42);
    }
}

}  // namespace
}  // namespace millrace::core
