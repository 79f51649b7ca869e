// Goal: items that are left out after all are in no list, the others are found where they moved.
// Method: a request over three shards.
#include "runtime/shard/ingest_request.h"

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

}  // namespace
}  // namespace millrace::runtime
