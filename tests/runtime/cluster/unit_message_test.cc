// What stands in a partition's stream: each kind comes back as it was sealed, and nothing else is
// taken for one.
#include "runtime/cluster/unit_message.h"

#include "runtime/cluster/stream_config.h"
#include "store/log/packed.h"
#include "tests/runtime/cluster/noise.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime::cluster {
namespace {

constexpr UnitPlace kPlace{7, 3, 41, 0x1234567890abcdef};

TEST(UnitMessage, AShortUnitIsOneMessageAndComesBack) {
    const SealedUnit unit = seal_unit(MessageKind::kUnit, kPlace, "a write");
    ASSERT_EQ(unit.messages.size(), 1u);
    const auto read = read_message(unit.messages[0]);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->body, "a write");
    EXPECT_EQ(read->head.kind, MessageKind::kUnit);
    EXPECT_EQ(read->head.partition, 7);
    EXPECT_EQ(read->head.epoch, 3u);
    EXPECT_EQ(read->head.unit, 41u);
    EXPECT_EQ(read->head.previous_hash, kPlace.previous_hash);
    EXPECT_EQ(read->head.hash, unit.hash);
    EXPECT_NE(unit.hash, kPlace.previous_hash);
}

TEST(UnitMessage, ALongUnitHasPartsOfWhichAllButTheLastAreFull) {
    const std::string body = millrace::test::noise(2 * kPartBytesMax + 100);
    const SealedUnit unit = seal_unit(MessageKind::kUnit, kPlace, body);
    ASSERT_EQ(unit.messages.size(), 3u);
    std::string whole;
    for (const std::string& message : unit.messages) {
        const auto read = read_message(message);
        ASSERT_TRUE(read) << read.error().message;
        EXPECT_EQ(read->head.parts, 3u);
        whole += read->body;
    }
    EXPECT_EQ(whole, body);
    EXPECT_GE(unit.bytes(), body.size());
}

TEST(UnitMessage, WhatPacksIsPacked) {
    const std::string body(10'000, 'x');
    const SealedUnit unit = seal_unit(MessageKind::kUnit, kPlace, body);
    const auto read = read_message(unit.messages[0]);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->head.coding, BodyCoding::kLz4);
    ASSERT_EQ(read->head.raw_bytes, body.size());
    std::string raw(body.size(), 0);
    ASSERT_TRUE(store::unpack(read->body, raw.size(), raw.data()));
    EXPECT_EQ(raw, body);
}

TEST(UnitMessage, OwnershipsAndHandOversSayWhoseTheyAre) {
    const EpochBody epoch{"a", "http://10.0.0.1:7070", "t-1", true};
    const auto read = EpochBody::read(epoch.json());
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->node, "a");
    EXPECT_EQ(read->url, epoch.url);
    EXPECT_EQ(read->token, "t-1");
    EXPECT_TRUE(read->heals);
    const auto hand_over = HandOverBody::read(HandOverBody{"b"}.json());
    ASSERT_TRUE(hand_over);
    EXPECT_EQ(hand_over->to, "b");
    EXPECT_FALSE(EpochBody::read("{}"));
    EXPECT_FALSE(HandOverBody::read("[]"));
}

TEST(UnitMessage, ABeatNamesTheLastLinkAndIsNone) {
    const SealedUnit beat = seal_beat(kPlace);
    const auto read = read_message(beat.messages[0]);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->head.kind, MessageKind::kBeat);
    EXPECT_EQ(read->head.unit, kPlace.unit);
    EXPECT_EQ(read->head.hash, kPlace.previous_hash);
}

TEST(UnitMessage, TheHashHangsOnEveryLink) {
    const std::uint64_t hash = seal_unit(MessageKind::kUnit, kPlace, "a").hash;
    UnitPlace other = kPlace;
    EXPECT_NE(seal_unit(MessageKind::kUnit, kPlace, "b").hash, hash);
    EXPECT_NE(seal_unit(MessageKind::kEpoch, kPlace, "a").hash, hash);
    other.unit = 42;
    EXPECT_NE(seal_unit(MessageKind::kUnit, other, "a").hash, hash);
    other = kPlace;
    other.epoch = 4;
    EXPECT_NE(seal_unit(MessageKind::kUnit, other, "a").hash, hash);
    other = kPlace;
    other.previous_hash = 1;
    EXPECT_NE(seal_unit(MessageKind::kUnit, other, "a").hash, hash);
}

TEST(UnitMessage, NoFlippedBitAndNoCutIsTaken) {
    const std::string good =
        seal_unit(MessageKind::kUnit, kPlace, millrace::test::noise(300)).messages[0];
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::string bad = good;
        bad[i] = static_cast<char>(bad[i] ^ 4);
        EXPECT_FALSE(read_message(bad)) << i;
    }
    for (std::size_t i = 0; i < good.size(); ++i) EXPECT_FALSE(read_message(good.substr(0, i)));
    EXPECT_FALSE(read_message(good + "x"));
}

TEST(StreamConfig, NamesAreSuchThatNatsTakesThem) {
    EXPECT_EQ(stream_name("c", 7), "MR-c-P07");
    EXPECT_EQ(stream_subject("c", 123), "mr.c.p.123");
    const std::string config = stream_config("MR-c-P07", "mr.c.p.07", 3, 1'000'000);
    EXPECT_NE(config.find(R"("num_replicas":3)"), std::string::npos) << config;
    EXPECT_NE(config.find(R"("subjects":["mr.c.p.07"])"), std::string::npos) << config;
}

}  // namespace
}  // namespace millrace::runtime::cluster
