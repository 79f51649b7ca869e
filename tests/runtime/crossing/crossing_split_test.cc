// Goal: of what a handler has made, each event with a key is kept for the partition that the key is
// of, and all that stays is as it was: order, depths, tenants, traces, letters.
#include "runtime/crossing/crossing_split.h"

#include "runtime/crossing/crossing_event.h"
#include "runtime/event/partition_of.h"
#include "runtime/event/tenant_names.h"
#include "store/log/pool_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

namespace millrace::runtime::crossing {
namespace {

constexpr std::uint64_t kSeed = 77;
constexpr std::size_t kPartitions = 4;
constexpr core::TenantId kAcme{9001};

struct Kept {
    std::string id;
    std::string text;
};

class CrossingSplitTest : public ::testing::Test {
protected:
    void SetUp() override { name_tenant(kAcme, "acme"); }

    // A key of that partition, for the tenant.
    static std::string key_of(std::size_t partition, std::string_view tenant, int nth = 0) {
        for (int i = 0;; ++i) {
            std::string key = "k" + std::to_string(i);
            if (partition_of_key(tenant, key, kSeed, kPartitions) == partition && nth-- == 0)
                return key;
        }
    }
    void emit(const std::string& id, const std::string& key, core::TenantId tenant,
              std::uint8_t depth = 1) {
        lines_ += R"({"eventId":")" + id + R"(","pattern":"a.b")";
        if (!key.empty()) lines_ += R"(,"partitionKey":")" + key + "\"";
        lines_ += R"(,"payload":{}})"
                  "\n";
        result_.emitted_depths.push_back(depth);
        result_.emitted_tenants.push_back(tenant);
    }
    std::size_t split() {
        if (!lines_.empty()) {
            result_.emitted = pools_.acquire(lines_.size());
            std::copy(lines_.begin(), lines_.end(), result_.emitted.data());
            result_.emitted.set_size(lines_.size());
        }
        return split_.split(result_, 5);
    }
    std::vector<Kept> kept() const {
        std::vector<Kept> out;
        std::size_t position = 0;
        store::RowBatch::OpView op;
        while (result_.rows.next(position, op)) {
            // kind, a zero, the id; a version byte and more before the text.
            const std::string key(op.key);
            const std::string value(op.value);
            out.push_back({key.substr(key.find('\0') + 1), value});
        }
        return out;
    }
    static bool ends_with(const std::string& text, const std::string& end) {
        return text.find(end) != std::string::npos;
    }

    store::PoolSet pools_;
    Outbox outbox_{kPartitions};
    CrossingSplit split_{
        {.partition = 2, .partitions = kPartitions, .seed = kSeed}, outbox_, pools_};
    LaneResult result_;
    std::string lines_;
};

TEST_F(CrossingSplitTest, WhatHasNoKeyStaysWithItsCause) {
    emit("ed_1", "", kAcme);
    emit("ed_2", "", {});
    const std::string before = lines_;
    EXPECT_EQ(split(), 0u);
    EXPECT_EQ(result_.emitted.view(), before);
    EXPECT_TRUE(result_.rows.empty());
    EXPECT_TRUE(result_.when_durable.empty());
}

TEST_F(CrossingSplitTest, NothingEmittedIsNothing) {
    EXPECT_EQ(split(), 0u);
    EXPECT_FALSE(result_.emitted);
}

TEST_F(CrossingSplitTest, EachGoesWhereItsKeyIs) {
    emit("ed_0", key_of(0, "acme"), kAcme, 3);
    emit("ed_1", key_of(2, "acme"), kAcme, 4);
    emit("ed_2", key_of(3, "default"), {}, 5);
    emit("ed_3", key_of(0, "acme", 1), kAcme, 6);
    emit("ed_4", "", {}, 7);
    result_.traces = {{0, "t0"}, {1, "t1"}, {4, "t4"}};
    EXPECT_EQ(split(), 3u);
    EXPECT_EQ(result_.emitted.view(), R"({"eventId":"ed_1","pattern":"a.b","partitionKey":")" +
                                          key_of(2, "acme") +
                                          R"(","payload":{}})"
                                          "\n"
                                          R"({"eventId":"ed_4","pattern":"a.b","payload":{}})"
                                          "\n");
    EXPECT_EQ(result_.emitted_depths, (std::vector<std::uint8_t>{4, 7}));
    EXPECT_EQ(result_.emitted_tenants, (std::vector<core::TenantId>{kAcme, {}}));
    ASSERT_EQ(result_.traces.size(), 2u);
    EXPECT_EQ(result_.traces[0].entry, 0u);
    EXPECT_EQ(result_.traces[0].text, "t1");
    EXPECT_EQ(result_.traces[1].entry, 1u);
    EXPECT_EQ(result_.traces[1].text, "t4");
    const auto rows = kept();
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[0].id, crossing_row_id(0, 1));
    EXPECT_TRUE(ends_with(rows[0].text, "acme 3 2 ")) << rows[0].text;
    EXPECT_TRUE(ends_with(rows[0].text, R"(t0{"eventId":"ed_0")")) << rows[0].text;
    EXPECT_EQ(rows[1].id, crossing_row_id(3, 2));
    EXPECT_TRUE(ends_with(rows[1].text, "default 5 0 ")) << rows[1].text;
    EXPECT_EQ(rows[2].id, crossing_row_id(0, 3));
    EXPECT_EQ(outbox_.rows(), 3u);
    ASSERT_EQ(result_.when_durable.size(), 1u);
    result_.when_durable[0]();
    EXPECT_EQ(outbox_.commits(), 1u);
}

TEST_F(CrossingSplitTest, WhoeverCountsIsToldByTheNumbersThatEntriesHad) {
    emit("ed_0", key_of(0, "acme"), kAcme);
    emit("ed_1", "", kAcme);
    emit("ed_2", key_of(1, "acme"), kAcme);
    emit("ed_3", key_of(3, "acme"), kAcme);
    emit("ed_4", key_of(2, "acme"), kAcme);
    emit("ed_5", "", kAcme);
    emit("ed_6", key_of(1, "acme"), kAcme);
    std::vector<std::uint32_t> told;
    result_.when_counted = [&told](store::RowBatch&, std::span<const std::uint32_t> there) {
        told.assign(there.begin(), there.end());
    };
    EXPECT_EQ(split(), 4u);
    const std::vector<std::uint32_t> there = {0, 1, 2};
    result_.when_counted(result_.rows, there);
    EXPECT_EQ(told, (std::vector<std::uint32_t>{1, 4, 5}));
    result_.when_counted(result_.rows, {});
    EXPECT_TRUE(told.empty());
}

TEST_F(CrossingSplitTest, WithNothingLeftThereAreNoEvents) {
    emit("ed_0", key_of(1, "acme"), kAcme);
    EXPECT_EQ(split(), 1u);
    EXPECT_FALSE(result_.emitted);
    EXPECT_TRUE(result_.emitted_depths.empty());
}

TEST_F(CrossingSplitTest, WhatComesBackAndWhatStandsInForAnotherStays) {
    emit("ed_0", key_of(1, "acme"), kAcme);
    emit("ed_1", key_of(1, "acme"), kAcme);
    emit("ed_2", key_of(1, "acme"), kAcme);
    result_.returning = {1};
    result_.letters = {{.entry = 2, .pattern = "x", .event_id = "e", .why = "w"}};
    EXPECT_EQ(split(), 1u);
    EXPECT_EQ(result_.returning, (std::vector<std::uint32_t>{0}));
    ASSERT_EQ(result_.letters.size(), 1u);
    EXPECT_EQ(result_.letters[0].entry, 1u);
    EXPECT_EQ(result_.emitted_depths.size(), 2u);
}

TEST_F(CrossingSplitTest, OneKeyIsOfDifferentPartitionsForDifferentTenants) {
    int same = 0;
    for (int i = 0; i < 400; ++i) {
        const std::string key = "order-" + std::to_string(i);
        same += partition_of_key("acme", key, kSeed, kPartitions) ==
                partition_of_key("other", key, kSeed, kPartitions);
    }
    EXPECT_GT(same, 50);
    EXPECT_LT(same, 150);
}

}  // namespace
}  // namespace millrace::runtime::crossing
