// The chain as a reader follows it: what follows is a link, what does not is told.
#include "runtime/cluster/link_reader.h"

#include "tests/runtime/cluster/noise.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime::cluster {
namespace {

using Found = LinkReader::Found;

class LinkReaderTest : public ::testing::Test {
protected:
    // Seals what would come next, and puts it into `stream_`.
    void add(MessageKind kind, std::string_view body, std::uint64_t epoch) {
        const SealedUnit unit = seal_unit(kind, {7, epoch, unit_ + 1, hash_}, body);
        ++unit_;
        hash_ = unit.hash;
        stream_.insert(stream_.end(), unit.messages.begin(), unit.messages.end());
    }
    void add_beat(std::uint64_t epoch) {
        stream_.push_back(seal_beat({7, epoch, unit_, hash_}).messages[0]);
    }
    Found take(std::size_t index) {
        const Found found = reader_.take(index + 1, stream_[index], message_, body_, behind_);
        if (found == Found::kLink) reader_.passed(behind_);
        return found;
    }

    std::uint64_t unit_ = 0, hash_ = 0;
    std::vector<std::string> stream_;
    LinkReader reader_{7, {}};
    Message message_;
    std::string body_;
    store::ReplicaPosition behind_;
};

TEST_F(LinkReaderTest, GivesWholeLinksInTheirOrder) {
    const std::string large(3 * kPartBytesMax, 'q');
    const std::string mixed = millrace::test::noise(2 * kPartBytesMax);
    add(MessageKind::kEpoch, EpochBody{"a", "", "t"}.json(), 1);
    add(MessageKind::kUnit, "one", 1);
    add_beat(1);
    add(MessageKind::kUnit, large, 1);
    add(MessageKind::kUnit, mixed, 1);
    add(MessageKind::kHandOver, HandOverBody{"b"}.json(), 1);
    std::vector<std::string> bodies;
    for (std::size_t i = 0; i < stream_.size(); ++i) {
        const Found found = take(i);
        ASSERT_NE(found, Found::kBroken) << reader_.why();
        if (found == Found::kLink) bodies.push_back(body_);
    }
    ASSERT_EQ(bodies.size(), 5u);
    EXPECT_EQ(bodies[1], "one");
    EXPECT_EQ(bodies[2], large);
    EXPECT_EQ(bodies[3], mixed);
    EXPECT_EQ(reader_.at().unit, 5u);
    EXPECT_EQ(reader_.at().hash, hash_);
    EXPECT_EQ(reader_.at().sequence, stream_.size());
}

TEST_F(LinkReaderTest, AUnitThatWasCutShortDoesNotExist) {
    add(MessageKind::kEpoch, EpochBody{"a", "", "t"}.json(), 1);
    const std::uint64_t hash = hash_;
    const std::string mixed = millrace::test::noise(3 * kPartBytesMax);
    add(MessageKind::kUnit, mixed, 1);
    stream_.pop_back();
    unit_ = 1;
    hash_ = hash;
    add(MessageKind::kEpoch, EpochBody{"b", "", "u"}.json(), 2);
    add(MessageKind::kUnit, "after it", 2);
    std::size_t links = 0;
    for (std::size_t i = 0; i < stream_.size(); ++i) {
        const Found found = take(i);
        ASSERT_NE(found, Found::kBroken) << reader_.why();
        links += found == Found::kLink ? 1 : 0;
    }
    EXPECT_EQ(links, 3u);
    EXPECT_EQ(body_, "after it");
}

TEST_F(LinkReaderTest, WhatDoesNotFollowIsTold) {
    add(MessageKind::kEpoch, EpochBody{"a", "", "t"}.json(), 3);
    ASSERT_EQ(take(0), Found::kLink);
    const auto refused = [&](const SealedUnit& unit, std::string_view why) {
        EXPECT_EQ(reader_.take(2, unit.messages[0], message_, body_, behind_), Found::kBroken);
        EXPECT_NE(reader_.why().find(why), std::string::npos) << reader_.why();
        EXPECT_EQ(reader_.at().unit, 1u);
    };
    refused(seal_unit(MessageKind::kUnit, {7, 3, 3, hash_}, "x"), "does not follow");
    refused(seal_unit(MessageKind::kUnit, {7, 3, 2, hash_ + 1}, "x"), "does not follow");
    refused(seal_unit(MessageKind::kUnit, {7, 2, 2, hash_}, "x"), "is of epoch 2");
    refused(seal_unit(MessageKind::kUnit, {7, 4, 2, hash_}, "x"), "is of epoch 4");
    refused(seal_unit(MessageKind::kEpoch, {7, 3, 2, hash_}, "{}"), "is of epoch 3");
    refused(seal_unit(MessageKind::kUnit, {8, 3, 2, hash_}, "x"), "partition 8");
    refused(seal_beat({7, 3, 1, hash_ + 1}), "another hash");
    refused(seal_beat({7, 4, 1, hash_}), "epoch 4");
}

}  // namespace
}  // namespace millrace::runtime::cluster
