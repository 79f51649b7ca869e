// Goal: RFC 3339 both ways, by hand-picked instants and a round trip over many days.
#include "core/timestamp.h"

#include <gtest/gtest.h>

namespace millrace::core {
namespace {

std::int64_t parsed(std::string_view text) {
    std::int64_t us = -1;
    EXPECT_TRUE(parse_timestamp(text, us)) << text;
    return us;
}

TEST(Timestamp, ReadsInstantsWithOffsetsAndFractions) {
    EXPECT_EQ(parsed("1970-01-01T00:00:00Z"), 0);
    EXPECT_EQ(parsed("2023-11-14T22:13:20Z"), 1'700'000'000'000'000);
    EXPECT_EQ(parsed("2023-11-14T23:13:20.5+01:00"), 1'700'000'000'500'000);
    EXPECT_EQ(parsed("2023-11-14t16:43:20.123456789-05:30"), 1'700'000'000'123'456);
    EXPECT_EQ(parsed("1969-12-31 23:59:59.999999z"), -1);
    EXPECT_EQ(parsed("2016-12-31T23:59:60Z"), parsed("2017-01-01T00:00:00Z"));
    EXPECT_EQ(parsed("2024-02-29T12:00:00Z") - parsed("2024-02-28T12:00:00Z"), 86'400'000'000);
}

TEST(Timestamp, RefusesWhatIsNoInstant) {
    std::int64_t us = 7;
    for (const char* text :
         {"", "2023-11-14", "2023-11-14T22:13:20", "2023-11-14T22:13:20.Z", "2023-11-14T22:13:20 Z",
          "2023-13-01T00:00:00Z", "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
          "2023-11-00T00:00:00Z", "2023-11-14T24:00:00Z", "2023-11-14T22:60:20Z",
          "2023-11-14T22:13:61Z", "2023-11-14T22:13:20+0100", "2023-11-14T22:13:20+24:00",
          "2023-11-14T22:13:20Zx", "2023-11-14X22:13:20Z", "20a3-11-14T22:13:20Z",
          "+023-11-14T22:13:20Z"}) {
        EXPECT_FALSE(parse_timestamp(text, us)) << text;
    }
    EXPECT_EQ(us, 7);
}

TEST(Timestamp, WritesMillisecondsOrMicroseconds) {
    EXPECT_EQ(format_timestamp(0), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(format_timestamp(1'700'000'000'123'000), "2023-11-14T22:13:20.123Z");
    EXPECT_EQ(format_timestamp(1'700'000'000'123'456), "2023-11-14T22:13:20.123456Z");
    EXPECT_EQ(format_timestamp(-1), "1969-12-31T23:59:59.999999Z");
    EXPECT_EQ(format_timestamp(INT64_MAX), "9999-12-31T23:59:59.999999Z");
    EXPECT_EQ(format_timestamp(INT64_MIN), "0000-01-01T00:00:00.000Z");
}

TEST(Timestamp, RoundTripsEveryNinetySevenHoursOfFourCenturies) {
    for (std::int64_t us = parsed("1800-01-01T00:00:00Z"); us < parsed("2200-01-01T00:00:00Z");
         us += 97 * 3'600'000'000 + 1'000'001) {
        ASSERT_EQ(parsed(format_timestamp(us)), us);
    }
}

}  // namespace
}  // namespace millrace::core
