// Goal: what a partition's bounds mean for a reader who has come so far is decided as it should be,
// and a position reads as it was written. Method: a table of bounds and places.
#include "runtime/links/kafka_topic.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime {
namespace {

// As "read_at[v][ missed N]" or what it says when it stops, and where the place stands then.
std::string decided(const KafkaBounds& bounds, KafkaFrom from, KafkaPlace& place) {
    const KafkaCheck check = check_kafka_partition(3, bounds, from, place);
    if (!check.stops.empty()) return check.stops;
    std::string out = std::to_string(check.read_at) + (check.verifies ? "v" : "");
    if (check.missed > 0) out += " missed " + std::to_string(check.missed);
    return out + " next " + std::to_string(place.next);
}

TEST(KafkaTopic, BoundsSayWhereReadingBegins) {
    struct Row {
        KafkaBounds bounds;
        KafkaFrom from;
        KafkaPlace place;
        std::string expected;
    };
    const std::vector<Row> rows = {
        {{5, 9}, KafkaFrom::kStart, {}, "5 next 5"},
        {{5, 9}, KafkaFrom::kEnd, {}, "9 next 9"},
        {{0, 0}, KafkaFrom::kStart, {}, "0 next 0"},
        // Nothing was read yet.
        {{0, 9}, KafkaFrom::kPlace, {.next = 7}, "7 next 7"},
        // The last one is read once more.
        {{0, 9}, KafkaFrom::kPlace, {.next = 7, .last = 6}, "6v next 7"},
        {{0, 7}, KafkaFrom::kPlace, {.next = 7, .last = 6}, "6v next 7"},
        // Marks of a transaction lay behind it.
        {{0, 9}, KafkaFrom::kPlace, {.next = 9, .last = 6}, "6v next 9"},
        // It is gone; what follows is there.
        {{7, 9}, KafkaFrom::kPlace, {.next = 7, .last = 6}, "7 next 7"},
        {{8, 9}, KafkaFrom::kPlace, {.next = 7, .last = 6}, "8 missed 1 next 8"},
        {{9, 9}, KafkaFrom::kPlace, {.next = 7, .last = 6}, "9 missed 2 next 9"},
    };
    for (const Row& row : rows) {
        KafkaPlace place = row.place;
        EXPECT_EQ(decided(row.bounds, row.from, place), row.expected);
    }
}

TEST(KafkaTopic, OneThatEndsBeforeOurPlaceHasGoneBack) {
    KafkaPlace place{.next = 7, .last = 6};
    const std::string said = decided({0, 6}, KafkaFrom::kPlace, place);
    EXPECT_NE(said.find("partition 3 has gone back: it ends at offset 6"), std::string::npos)
        << said;
    EXPECT_EQ(place.next, 7);
    EXPECT_EQ(place.last, 6);
}

TEST(KafkaTopic, AnotherMessageAtOurPlaceTellsOfAnotherTopic) {
    const KafkaPlace place{
        .next = 8, .last = 7, .last_ms = 1'700'000'000'123, .last_sum = kafka_sum("k", "text")};
    EXPECT_EQ(kafka_differs(0, place, 1'700'000'000'123, kafka_sum("k", "text")), "");
    EXPECT_NE(kafka_differs(0, place, 1'700'000'000'124, kafka_sum("k", "text")), "");
    EXPECT_NE(kafka_differs(0, place, 1'700'000'000'123, kafka_sum("", "ktext")), "");
    EXPECT_NE(kafka_sum("a", "b"), kafka_sum("b", "a"));
}

TEST(KafkaTopic, PositionsReadAsTheyWereWritten) {
    KafkaPlaces places;
    places.partitions[0] = {.next = 12, .last = 11, .last_ms = 5, .last_sum = UINT64_MAX};
    places.partitions[7] = {.next = 3};
    const std::string json = places.json();
    EXPECT_EQ(json, R"({"partitions":[{"partition":0,"next":12,"last":11,"lastMs":5,)"
                    R"("lastSum":"ffffffffffffffff"},{"partition":7,"next":3}]})");
    const auto read = KafkaPlaces::read(json);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->json(), json);
}

TEST(KafkaTopic, PositionsThatAreNoneAreRefused) {
    for (const char* const text :
         {"", "{}", "[]", R"({"partitions":{}})", R"({"partitions":[1]})",
          R"({"partitions":[{"next":1}]})", R"({"partitions":[{"partition":-1,"next":1}]})",
          R"({"partitions":[{"partition":0,"next":1,"last":0,"lastMs":0,"lastSum":"x"}]})",
          R"({"partitions":[{"partition":0,"next":1,"more":0}]})"})
        EXPECT_FALSE(KafkaPlaces::read(text)) << text;
}

}  // namespace
}  // namespace millrace::runtime
