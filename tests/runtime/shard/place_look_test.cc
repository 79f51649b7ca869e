// Goal: an id that this server has made is a duplicate where its event stands, and only there:
// tenant, source and kind of id must be the event's. Method: a log on a disk, places asked one by
// one.
#include "runtime/shard/place_look.h"

#include "store/log/event_id.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr std::string_view kNoSource = R"({"pattern":"p","payload":{}})";
constexpr std::string_view kShopSource =
    R"({"pattern":"p","source":{"type":"external","id":"shop"},"payload":{}})";

class PlaceLookTest : public store::test::StoreTest {
protected:
    void SetUp() override {
        open();
        look_.emplace(PlaceLook::Deps{&clock_, nullptr, database_.get(),
                                      [this](core::ShardId) { return appended_; },
                                      [this](IngestRequest&) { ++looked_; }});
    }
    core::LogPosition add(std::string_view raw, core::TenantId tenant = {},
                          std::uint16_t more_flags = 0) {
        store::AppendInput input;
        input.raw = raw;
        input.pattern = "p";
        input.tenant = tenant;
        unsigned flags = more_flags | static_cast<unsigned>(store::EventFlag::kFilledEventId);
        if (raw == kNoSource) flags |= static_cast<unsigned>(store::EventFlag::kFilledSource);
        input.flags = static_cast<std::uint16_t>(flags);
        return database_->shard_log(kOne).append(input).position;
    }
    struct Sent {
        core::LogPosition place;
        std::string_view source = "unknown";
        core::TenantId tenant{};
    };
    IngestRequest& request(const std::vector<Sent>& sent) {
        IngestRequest& out = requests_.emplace_back();
        out.reset(kShards);
        for (const Sent& one : sent) {
            IngestItem& item = out.items.emplace_back();
            const auto index = static_cast<std::uint32_t>(out.items.size() - 1);
            item.event_id =
                ids_.emplace_back(store::encode_event_id(database_->hasher(), one.place));
            item.input.tenant = one.tenant;
            item.input.id =
                database_->hasher().identity({one.tenant, "external", one.source, item.event_id});
            item.position = one.place;
            out.made.push_back(index);
            out.place(index, kZero, MustAsk::kNo);
        }
        return out;
    }
    // Of each item: whether it stands where its id says.
    std::string stands(IngestRequest& of) {
        look_->ask(of);
        const int before = looked_;
        for (int i = 0; i < 100 && looked_ == before; ++i) {
            look_->do_work();
            clock_.advance_us(1'000);
        }
        EXPECT_EQ(looked_, before + 1);
        std::string out;
        for (const IngestItem& item : of.items)
            out += item.answer == KeeperAnswer::kStands ? '+' : '-';
        return out;
    }

    std::deque<IngestRequest> requests_;
    std::deque<std::string> ids_;
    core::LogOffset appended_;
    int looked_ = 0;
    std::optional<PlaceLook> look_;
};

TEST_F(PlaceLookTest, WhatStandsThereIsFoundByTenantAndSource) {
    const auto plain = add(kNoSource);
    const auto of_shop = add(kShopSource);
    const auto foreign = add(kNoSource, core::TenantId{2});
    commit(kOne);
    EXPECT_EQ(
        stands(request({{plain}, {of_shop, "shop"}, {foreign, "unknown", core::TenantId{2}}})),
        "+++");
    EXPECT_EQ(stands(request({{plain, "shop"}, {of_shop}, {foreign}})), "---");
}

TEST_F(PlaceLookTest, AnEventWithAnIdOfItsOwnIsNotMeant) {
    put(kOne, {.id = "own"});
    EXPECT_EQ(stands(request({{{kOne, core::LogOffset{0}}, "shop"}})), "-");
}

TEST_F(PlaceLookTest, BehindTheLogsEndNothingStands) {
    add(kNoSource);
    commit(kOne);
    IngestRequest& sent = request({{{kOne, core::LogOffset{7}}}});
    EXPECT_EQ(stands(sent), "-");
    EXPECT_EQ(sent.items[0].position, core::LogPosition{});
}

TEST_F(PlaceLookTest, OneThatIsOnItsWayToTheDiskIsWaitedFor) {
    const auto at = add(kNoSource);
    appended_ = core::LogOffset{1};
    IngestRequest& sent = request({{at}});
    look_->ask(sent);
    for (int i = 0; i < 50; ++i) {
        look_->do_work();
        clock_.advance_us(10'000);
    }
    EXPECT_EQ(looked_, 0);
    commit(kOne);
    while (looked_ == 0) {
        look_->do_work();
        clock_.advance_us(1'000);
    }
    EXPECT_EQ(sent.items[0].answer, KeeperAnswer::kStands);
}

TEST_F(PlaceLookTest, OneThatWaitsHoldsUpNobody) {
    const auto there = add(kNoSource);
    commit(kOne);
    appended_ = core::LogOffset{9};
    look_->ask(request({{{kOne, core::LogOffset{8}}}}));
    look_->do_work();
    EXPECT_EQ(stands(request({{there}})), "+");
}

// One block a step, however many places a request names.
TEST_F(PlaceLookTest, AStepReadsOneBlock) {
    std::vector<Sent> sent;
    for (int i = 0; i < 5; ++i) {
        sent.push_back({add(kNoSource)});
        commit(kOne);
    }
    IngestRequest& of = request(sent);
    look_->ask(of);
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(look_->do_work(), 1u);
        EXPECT_EQ(looked_, 0);
    }
    look_->do_work();
    EXPECT_EQ(looked_, 1);
}

}  // namespace
}  // namespace millrace::runtime
