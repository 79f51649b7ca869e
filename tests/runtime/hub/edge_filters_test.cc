// Goal: what a hub wants of its edges reaches them as it is meant: an edge sends what some wanted
// subscription matches at the hub, or more, never less. Method: subscriptions to text, text to a
// matcher, events through it.
#include "runtime/hub/edge_filters.h"

#include "core/buffer.h"
#include "runtime/hub/edge_mark.h"
#include "runtime/hub/wanted_events.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace millrace::runtime::hub {
namespace {

SubscriptionRef wanted(std::uint32_t number, std::string_view matching, bool of_edges = true,
                       std::uint32_t tenant = 0) {
    auto out = std::make_shared<Subscription>();
    out->number = core::SubscriptionId(number);
    out->tenant = core::TenantId(tenant);
    out->of_edges = of_edges;
    out->document = R"({"id":"s","name":"n",)" + std::string(matching) +
                    R"(,"executor":{"pattern":"not this"},"priority":3,"edges":"*"})";
    return out;
}

class EdgeFiltersTest : public ::testing::Test {
protected:
    std::string json() { return filters_.of(core::TenantId(0)).json; }
    bool crosses(std::string_view event) {
        auto read = WantedEvents::read(json());
        EXPECT_TRUE(read) << read.error().message;
        EXPECT_EQ((*read)->version(), filters_.of(core::TenantId(0)).version);
        text_ = std::string(event) + std::string(core::kPaddingBytes, ' ');
        store::StoredEvent stored;
        stored.raw = std::string_view(text_).substr(0, event.size());
        return (*read)->wants(stored);
    }

    EdgeFilters filters_;
    std::string text_;
};

TEST_F(EdgeFiltersTest, WithoutAnyEverythingIsWanted) {
    EXPECT_EQ(json(), R"({"version":"0000000000000000","all":true,"patterns":[],"filters":[]})");
    EXPECT_TRUE(crosses(R"({"pattern":"a"})"));
    filters_.follow({nullptr, wanted(1, R"("pattern":"a")", false)});
    EXPECT_EQ(filters_.of(core::TenantId(0)).version, 0u);
}

TEST_F(EdgeFiltersTest, OnlyWhatIsWantedCrosses) {
    filters_.follow({nullptr, wanted(1, R"("pattern":"order.*")")});
    filters_.follow({nullptr, wanted(2, R"("pattern":"temp","filter":"$.payload.c > 90")")});
    const std::string text = json();
    EXPECT_NE(text.find(R"("patterns":["order.*"])"), std::string::npos) << text;
    EXPECT_NE(text.find(R"("filters":[{"pattern":"temp","filter":"$.payload.c > 90"}])"),
              std::string::npos)
        << text;
    EXPECT_TRUE(crosses(R"({"pattern":"order.placed"})"));
    EXPECT_FALSE(crosses(R"({"pattern":"log"})"));
    EXPECT_TRUE(crosses(R"({"pattern":"temp","payload":{"c":91}})"));
    EXPECT_FALSE(crosses(R"({"pattern":"temp","payload":{"c":20}})"));
}

TEST_F(EdgeFiltersTest, VersionsFollowTheTextAlone) {
    filters_.follow({nullptr, wanted(1, R"("pattern":"a")")});
    const std::uint64_t one = filters_.of(core::TenantId(0)).version;
    EXPECT_NE(one, 0u);
    filters_.follow({nullptr, wanted(2, R"("pattern":"a")")});
    EXPECT_EQ(filters_.of(core::TenantId(0)).version, one);
    filters_.follow({nullptr, wanted(3, R"("pattern":"b")")});
    EXPECT_NE(filters_.of(core::TenantId(0)).version, one);
    filters_.follow({wanted(3, R"("pattern":"b")"), nullptr});
    EXPECT_EQ(filters_.of(core::TenantId(0)).version, one);
    EXPECT_EQ(filters_.of(core::TenantId(1)).version, 0u);
    filters_.follow({wanted(1, R"("pattern":"a")"), wanted(1, R"("pattern":"a")", false)});
    filters_.follow({wanted(2, R"("pattern":"a")"), nullptr});
    EXPECT_EQ(filters_.of(core::TenantId(0)).version, 0u);
}

TEST_F(EdgeFiltersTest, WhatIsSwitchedOffWantsNothing) {
    const auto off = std::make_shared<Subscription>(*wanted(1, R"("pattern":"a")"));
    off->active = false;
    filters_.follow({wanted(1, R"("pattern":"a")"), off});
    EXPECT_NE(filters_.of(core::TenantId(0)).version, 0u);
    EXPECT_FALSE(crosses(R"({"pattern":"a"})"));
    filters_.follow({nullptr, wanted(2, R"("pattern":"b")")});
    EXPECT_FALSE(crosses(R"({"pattern":"a"})"));
    EXPECT_TRUE(crosses(R"({"pattern":"b"})"));
    filters_.follow({wanted(2, R"("pattern":"b")"), nullptr});
    filters_.follow({off, nullptr});
    EXPECT_TRUE(crosses(R"({"pattern":"a"})"));
}

TEST_F(EdgeFiltersTest, MoreThanAnEdgeReadsIsEverything) {
    const std::string long_word(1000, 'x');
    const std::size_t enough = WantedEvents::kTextBytesMax / long_word.size() + 1;
    for (std::uint32_t n = 0; n < enough; n += 100) {
        std::string any = "[";
        for (std::uint32_t i = n; i < n + 100; ++i)
            any += (i == n ? "\"" : ",\"") + std::to_string(i) + long_word + "\"";
        filters_.follow({nullptr, wanted(n, R"("filters":)" + any + "]")});
    }
    EXPECT_EQ(filters_.of(core::TenantId(0)).version, 0u);
    EXPECT_TRUE(crosses(R"({"pattern":"a"})"));
    filters_.follow({wanted(0, ""), nullptr});
    filters_.follow({wanted(100, ""), nullptr});
    EXPECT_NE(filters_.of(core::TenantId(0)).version, 0u);
}

TEST_F(EdgeFiltersTest, WhatIsDifferentAtTheHubIsFilteredThere) {
    for (const std::string filter :
         {R"($.source.id == \"shop-1/till\")", R"($.eventId == \"shop-1:x\")",
          R"($.payload.n == 7 && !($.tenantId == \"default\"))",
          R"($[\"x-edge\"].node == \"shop-1\")"}) {
        EdgeFilters fresh;
        fresh.follow({nullptr, wanted(1, R"("pattern":"a","filter":")" + filter + "\"")});
        filters_ = fresh;
        EXPECT_TRUE(crosses(R"({"pattern":"a","payload":{"n":1}})")) << filter;
        EXPECT_FALSE(crosses(R"({"pattern":"b"})")) << filter;
    }
}

TEST(WantedEvents, AFilterThatIsNotKnownIsItsPattern) {
    auto read = WantedEvents::read(
        R"({"version":"0000000000000003","all":false,"patterns":[],"filters":[{"pattern":"a",)"
        R"("filter":"$.payload.n sounds-like 'x'"}],"later":1})");
    ASSERT_TRUE(read) << read.error().message;
    const auto wants = [&](std::string_view event) {
        const std::string text = std::string(event) + std::string(core::kPaddingBytes, ' ');
        store::StoredEvent stored;
        stored.raw = std::string_view(text).substr(0, event.size());
        return (*read)->wants(stored);
    };
    EXPECT_TRUE(wants(R"({"pattern":"a"})"));
    EXPECT_FALSE(wants(R"({"pattern":"b"})"));
    EXPECT_FALSE(WantedEvents::read("{}"));
    EXPECT_FALSE(WantedEvents::read("[]"));
}

TEST(EdgeMark, ReadsAsItWasWritten) {
    EdgeMark mark;
    mark.tenant = core::TenantId(3);
    mark.edge = 4;
    mark.incarnation = ~std::uint64_t{0};
    mark.to = 20;
    mark.hash = 77;
    mark.taken = 5;
    mark.at_us = -1;
    note_skips(mark, {9, 0, 10});
    note_skips(mark, {9, 10, 20});
    note_skips(mark, {8, 20, 21});
    EXPECT_EQ(mark.skips, (std::vector<SkipRun>{{9, 0, 20}, {8, 20, 21}}));
    EXPECT_EQ(edge_mark_id(mark), "3/4/ffffffffffffffff/0");
    for (std::uint64_t i = 0; i < 100; ++i) note_skips(mark, {i, 2 * i, 2 * i + 1});
    EXPECT_EQ(mark.skips.size(), kSkipRunsMax);
    EXPECT_EQ(mark.skips.back().filter_version, 99u);
}

}  // namespace
}  // namespace millrace::runtime::hub
