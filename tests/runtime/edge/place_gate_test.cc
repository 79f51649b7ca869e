// Goal: requests wait while somebody looks at their places, those that depend on them behind them,
// and nobody else. Method: a look that answers when the test says so.
#include "runtime/edge/place_gate.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

class PlaceGateTest : public ::testing::Test {
protected:
    IngestRequest& make(std::uint32_t tenant, bool keyed, bool made) {
        IngestRequest& request = *requests_.emplace_back(std::make_unique<IngestRequest>());
        request.reset(2);
        request.tenant = core::TenantId{tenant};
        request.keyed = keyed;
        request.items.emplace_back();
        request.place(0, core::ShardId{0}, MustAsk::kNo);
        if (made) request.made.push_back(0);
        return request;
    }
    // As a shard does.
    void start(IngestRequest& request) {
        if (gate_.may_pass(request))
            pass(request);
        else
            gate_.park(request);
    }
    void pass(const IngestRequest& request) {
        for (std::size_t i = 0; i < requests_.size(); ++i) {
            if (requests_[i].get() == &request) passed_ += static_cast<char>('a' + i);
        }
    }

    std::vector<std::unique_ptr<IngestRequest>> requests_;
    std::string passed_;
    int looks_ = 0;
    PlaceGate gate_{
        {[this](IngestRequest&) { ++looks_; }, [this](IngestRequest& request) { pass(request); }}};
};

TEST_F(PlaceGateTest, WhatDependsOnOneThatWaitsStaysBehindIt) {
    IngestRequest& first = make(1, false, true);
    start(first);
    start(make(1, true, false));   // b: its key may be one of the first one's
    start(make(1, false, false));  // c: depends on nothing
    start(make(2, true, false));   // d: another tenant's
    EXPECT_EQ(passed_, "cd");
    EXPECT_EQ(looks_, 1);
    gate_.looked(first);
    EXPECT_EQ(passed_, "cdab");
    EXPECT_EQ(gate_.waiting(), 0u);
    start(make(1, true, false));
    EXPECT_EQ(passed_, "cdabe");
}

TEST_F(PlaceGateTest, TheyPassInTheirOrderWhateverIsFoundFirst) {
    IngestRequest& first = make(1, true, true);
    IngestRequest& second = make(1, true, true);
    start(first);
    start(second);
    gate_.looked(second);
    EXPECT_EQ(passed_, "");
    gate_.looked(first);
    EXPECT_EQ(passed_, "ab");
}

TEST_F(PlaceGateTest, WhatStandsGoesToTheShardWhereItStands) {
    IngestRequest& request = make(1, false, true);
    request.items.emplace_back();
    request.place(1, core::ShardId{0}, MustAsk::kYes);
    request.made.push_back(1);
    start(request);
    for (IngestItem& item : request.items) {
        item.answer = KeeperAnswer::kStands;
        item.position = {core::ShardId{1}, core::LogOffset{5}};
    }
    gate_.looked(request);
    EXPECT_TRUE(request.by_home[0].empty());
    EXPECT_EQ(request.by_home[1], (std::vector<std::uint32_t>{0, 1}));
    EXPECT_FALSE(request.asks);
    EXPECT_TRUE(request.made.empty());
}

}  // namespace
}  // namespace millrace::runtime
