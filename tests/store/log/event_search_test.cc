// Goal: a search gives exactly what a walk over everything gives, in order, page after page, while
// new events come. Method: seeded random events on two shards against a plain list.
#include "store/log/event_search.h"

#include "core/random.h"
#include "tests/store/store_fixture.h"

#include <map>

namespace millrace::store::test {
namespace {

struct Known {
    TestEvent event;
    core::LogPosition position;
    std::int64_t at_us = 0;
};

class EventSearchTest : public StoreTest {
protected:
    void SetUp() override {
        open();
        for (int i = 0; i < 2000; ++i) add(i);
        commit_all();
    }
    void add(int i) {
        const core::ShardId shard{static_cast<std::uint16_t>(random_.below(2))};
        TestEvent event{.id = "e" + std::to_string(i),
                        .pattern = random_.below(2) ? "order.paid"
                                                    : "order." + std::to_string(random_.below(5)),
                        .source = "s" + std::to_string(random_.below(4)),
                        .correlation = "c" + std::to_string(random_.below(300)),
                        .tenant = core::TenantId{static_cast<std::uint32_t>(random_.below(2))}};
        const AppendResult result = append(shard, event);
        known_.push_back({event, result.position, clock_.wall_us()});
        if (random_.below(20) == 0) commit_all();
        clock_.advance_us(100);
    }
    void commit_all() {
        for (const core::ShardId shard : {kZero, kOne}) {
            if (!database_->shard_log(shard).empty()) commit(shard);
        }
    }
    std::vector<std::string> expected(const std::function<bool(const Known&)>& wanted,
                                      SearchOrder order) {
        std::vector<std::string> out;
        for (const Known& known : known_) {
            if (wanted(known)) out.push_back(known.event.text());
        }
        if (order == SearchOrder::kNewestFirst) std::reverse(out.begin(), out.end());
        return out;
    }
    std::vector<std::string> all_pages(EventQuery query, EventPage* last = nullptr) {
        std::vector<std::string> out;
        std::string cursor;
        do {
            query.cursor = cursor;
            auto page = database_->event_search().search(query);
            EXPECT_TRUE(page) << page.error().message;
            if (!page) return out;
            for (const OwnedEvent& owned : page->events) out.emplace_back(owned.event.raw);
            cursor = page->next;
            if (last) *last = std::move(*page);
        } while (!cursor.empty());
        return out;
    }
    void check(EventQuery query, const std::function<bool(const Known&)>& wanted) {
        for (const SearchOrder order : {SearchOrder::kNewestFirst, SearchOrder::kOldestFirst}) {
            for (const std::size_t limit : {7u, 1000u}) {
                query.order = order;
                query.limit = limit;
                EXPECT_EQ(all_pages(query), expected(wanted, order));
            }
        }
    }

    core::Random random_{7};
    std::vector<Known> known_;
};

TEST_F(EventSearchTest, GivesEverythingInOrderOfTime) {
    check({}, [](const Known&) { return true; });
}

TEST_F(EventSearchTest, FiltersByTenantPatternAndPrefix) {
    check({.tenant = core::TenantId{1}}, [](const Known& k) { return k.event.tenant.value == 1; });
    check({.pattern = "order.3"}, [](const Known& k) { return k.event.pattern == "order.3"; });
    check({.pattern_prefix = "order.p"},
          [](const Known& k) { return k.event.pattern == "order.paid"; });
    check({.pattern = "nothing"}, [](const Known&) { return false; });
}

TEST_F(EventSearchTest, FiltersByTime) {
    const std::int64_t from = known_[500].at_us;
    const std::int64_t to = known_[1200].at_us;
    check({.from_us = from, .to_us = to},
          [&](const Known& k) { return k.at_us >= from && k.at_us < to; });
}

// For one event the clock was far ahead, or far behind: no list ends at its block.
TEST_F(EventSearchTest, AClockThatJumpedForOneEventHidesNoOther) {
    constexpr std::int64_t kYearUs = 365LL * 24 * 3600 * 1'000'000;
    const std::int64_t hour_ago_us = clock_.wall_us() - 3'600'000'000;
    for (const std::int64_t jump_us : {2 * kYearUs, -kYearUs}) {
        clock_.step_wall_us(jump_us);
        put(kZero, {.id = "jumped" + std::to_string(jump_us)});
        clock_.step_wall_us(-jump_us);
        put(kZero, {.id = "after" + std::to_string(jump_us)});
        put(kOne, {.id = "beside" + std::to_string(jump_us)});
    }
    for (const SearchOrder order : {SearchOrder::kNewestFirst, SearchOrder::kOldestFirst}) {
        EventQuery query;
        query.from_us = hour_ago_us;
        query.to_us = clock_.wall_us() + 3'600'000'000;
        query.order = order;
        EXPECT_EQ(all_pages(query).size(), 2000u + 4u);
    }
}

TEST_F(EventSearchTest, SkipsBlocksByCorrelationAndLosesNone) {
    EventQuery query;
    query.correlation_id = "c42";
    query.accept = [](const StoredEvent& event) {
        return event.raw.find("\"correlationId\":\"c42\"") != std::string_view::npos;
    };
    check(query, [](const Known& k) { return k.event.correlation == "c42"; });
    auto page = database_->event_search().search(query);
    ASSERT_TRUE(page);
    EXPECT_GT(page->blocks_skipped, page->blocks_read);
}

TEST_F(EventSearchTest, TellsHowMuchOfTheLogItHasSearched) {
    for (const SearchOrder order : {SearchOrder::kNewestFirst, SearchOrder::kOldestFirst}) {
        EventQuery query;
        query.order = order;
        query.accept = [](const StoredEvent&) { return false; };
        query.blocks_max = 6;
        std::string cursor;
        double before = 0;
        int pages = 0;
        do {
            query.cursor = cursor;
            auto page = database_->event_search().search(query);
            ASSERT_TRUE(page);
            EXPECT_TRUE(page->events.empty());
            EXPECT_GT(page->searched, before) << "page " << pages;
            before = page->searched;
            cursor = page->next;
            EXPECT_EQ(cursor.empty(), page->searched == 1);
            ++pages;
        } while (!cursor.empty());
        EXPECT_GT(pages, 5);
    }
}

TEST_F(EventSearchTest, CursorsStandWhileEventsCome) {
    auto first = database_->event_search().search({.limit = 100});
    ASSERT_TRUE(first);
    const std::size_t before = known_.size();
    for (int i = 0; i < 100; ++i) add(10'000 + i);
    commit_all();
    std::vector<std::string> seen;
    for (const auto& owned : first->events) seen.emplace_back(owned.event.raw);
    for (std::string cursor = first->next; !cursor.empty();) {
        auto page = database_->event_search().search({.limit = 100, .cursor = cursor});
        ASSERT_TRUE(page);
        for (const auto& owned : page->events) seen.emplace_back(owned.event.raw);
        cursor = page->next;
    }
    known_.resize(before);
    EXPECT_EQ(seen, expected([](const Known&) { return true; }, SearchOrder::kNewestFirst));
}

TEST_F(EventSearchTest, ABudgetOfBlocksEndsACallNotTheSearch) {
    EventQuery query{.pattern = "order.1"};
    query.blocks_max = 3;
    query.limit = 1000;
    EXPECT_EQ(all_pages(query),
              expected([](const Known& k) { return k.event.pattern == "order.1"; },
                       SearchOrder::kNewestFirst));
}

TEST_F(EventSearchTest, APageHoldsSoManyBytes) {
    const auto whole = database_->event_search().search({.limit = 2000});
    ASSERT_TRUE(whole);
    ASSERT_EQ(whole->events.size(), 2000u);
    EventQuery query;
    query.limit = 2000;
    query.bytes_max = whole->bytes / 4;
    std::size_t events = 0;
    std::size_t pages = 0;
    std::string cursor;
    do {
        query.cursor = cursor;
        auto page = database_->event_search().search(query);
        ASSERT_TRUE(page) << page.error().message;
        EXPECT_TRUE(page->full || page->next.empty());
        for (const OwnedEvent& owned : page->events)
            EXPECT_EQ(owned.event.raw, whole->events[events++].event.raw);
        cursor = page->next;
        ++pages;
    } while (!cursor.empty() && pages < 20);
    EXPECT_EQ(events, whole->events.size());
    EXPECT_GE(pages, 4u);
}

TEST_F(EventSearchTest, RefusesForeignCursors) {
    for (const char* cursor : {"x", "n", "n1", "nzz.1", "o1.2", "n1.2.3"}) {
        EXPECT_FALSE(database_->event_search().search({.cursor = cursor})) << cursor;
    }
}

}  // namespace
}  // namespace millrace::store::test
