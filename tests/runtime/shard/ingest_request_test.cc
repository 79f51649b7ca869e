// Goal: items that are left out after all are in no list, the others are found where they moved.
// Method: a request over three shards.
#include "runtime/shard/ingest_request.h"

#include "runtime/shard/entries_there.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

TEST(IngestRequest, WhatIsLeftOutIsInNoListAndTheOthersMoveUp) {
    IngestRequest request;
    request.reset(3);
    for (std::uint32_t i = 0; i < 9; ++i) {
        IngestItem& item = request.items.emplace_back();
        item.entry = 100 + i;
        item.home = core::ShardId(static_cast<std::uint16_t>(i % 2));
        request.place(i, core::ShardId(2), i % 3 == 2 ? MustAsk::kYes : MustAsk::kNo);
    }
    const std::vector<std::uint32_t> out = {0, 2, 3, 8};
    request.leave_out(out);
    ASSERT_EQ(request.items.size(), 5u);
    std::vector<std::uint32_t> entries;
    const auto collect = [&](const std::vector<std::uint32_t>& list) {
        for (const std::uint32_t index : list) entries.push_back(request.items.at(index).entry);
    };
    for (const auto& list : request.by_home) collect(list);
    EXPECT_EQ(entries, (std::vector<std::uint32_t>{104, 106, 101, 107}));
    entries.clear();
    for (const auto& list : request.by_keeper) collect(list);
    EXPECT_EQ(entries, (std::vector<std::uint32_t>{105}));
    request.leave_out({});
    EXPECT_EQ(request.items.size(), 5u);
}

TEST(IngestRequest, WhatStandsForAnItemTakesItsPlaceInTheOrder) {
    IngestRequest request;
    request.reset(2);
    const auto add = [&](std::uint32_t entry, std::uint16_t home, MustAsk must_ask) {
        const auto index = static_cast<std::uint32_t>(request.items.size());
        IngestItem& item = request.items.emplace_back();
        item.entry = entry;
        item.home = core::ShardId(home);
        request.place(index, core::ShardId(0), must_ask);
    };
    for (std::uint32_t i = 0; i < 5; ++i) add(100 + i, i % 2, MustAsk::kNo);
    add(201, 0, MustAsk::kNo);  // another home than the one it stands for
    request.replace_by_last(1);
    EXPECT_EQ(request.items[1].entry, 201u);
    EXPECT_EQ(request.by_home[0], (std::vector<std::uint32_t>{0, 1, 2, 4}));
    EXPECT_EQ(request.by_home[1], (std::vector<std::uint32_t>{3}));
    add(203, 1, MustAsk::kYes);
    request.replace_by_last(3);
    EXPECT_EQ(request.items.size(), 5u);
    EXPECT_EQ(request.items[3].entry, 203u);
    EXPECT_TRUE(request.by_home[1].empty());
    EXPECT_EQ(request.by_keeper[0], (std::vector<std::uint32_t>{3}));
}

TEST(IngestRequest, WhichEntriesWereThereIsKnownAtTheEdgeOfWhatIsAllOrNone) {
    IngestRequest request;
    request.reset(2);
    const auto add = [&](std::uint32_t entry, std::uint16_t home, std::uint64_t id,
                         KeeperAnswer answer, bool duplicate) {
        IngestItem& item = request.items.emplace_back();
        item.entry = entry;
        item.home = core::ShardId(home);
        item.input.id = {id, id};
        item.answer = answer;
        item.duplicate = duplicate;
    };
    add(5, 0, 1, KeeperAnswer::kGranted, false);
    add(4, 0, 1, KeeperAnswer::kGranted, true);  // once more in the request
    add(3, 1, 2, KeeperAnswer::kTaken, false);   // its home has not got to it
    add(2, 1, 3, KeeperAnswer::kGranted, false);
    add(1, 1, 3, KeeperAnswer::kGranted, false);  // likewise
    add(0, 1, 0, KeeperAnswer::kNotAsked, false);
    EXPECT_EQ(entries_there(request), (std::vector<std::uint32_t>{4})) << "all homes are done";
    request.brings_rows = true;
    EXPECT_EQ(entries_there(request), (std::vector<std::uint32_t>{1, 3, 4}));
}

}  // namespace
}  // namespace millrace::runtime
