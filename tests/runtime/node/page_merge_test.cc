// Goal: pages of several partitions become one list in the order of time, whose cursor goes on
// where each partition was, whatever comes in between; a page of which more is not known ends it.
// Method: partitions as lists of times, asked page by page as a front does, against all sorted.
#include "runtime/node/page_merge.h"

#include "core/json_dom.h"
#include "core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

namespace millrace::runtime::node {
namespace {

// One partition: offsets with times; newest first by "n<offset>", oldest first by "o<offset>".
struct Listed {
    std::vector<std::int64_t> times;  // by offset, not falling

    std::string page(std::string_view cursor, std::size_t limit, std::size_t budget,
                     MergeOrder order) const {
        const bool newest = order == MergeOrder::kNewestFirst;
        std::size_t bound = newest ? times.size() : 0;
        if (!cursor.empty()) bound = std::stoul(std::string(cursor.substr(1)));
        std::string items, places, begin;
        const auto at = [&](std::size_t b) { return (newest ? "n" : "o") + std::to_string(b); };
        std::size_t taken = 0, seen = 0;
        while (taken < limit && seen < budget && (newest ? bound > 0 : bound < times.size())) {
            ++seen;
            const std::size_t offset = newest ? --bound : bound++;
            if (taken++ == 0) begin = at(newest ? offset + 1 : offset);
            items += (items.empty() ? "" : ",") +
                     std::to_string(times[offset] * 1000 + static_cast<long>(offset));
            places += (places.empty() ? "" : ",") + std::string("{\"at\":") +
                      std::to_string(times[offset]) + ",\"next\":\"" + at(bound) + "\"}";
        }
        const bool more = newest ? bound > 0 : bound < times.size();
        return "{\"items\":[" + items + "],\"next\":" + (more ? "\"" + at(bound) + "\"" : "null") +
               ",\"scanned\":" + std::to_string(seen) + ",\"places\":[" + places +
               "],\"begin\":\"" + begin + "\"}";
    }
};

struct Read {
    std::vector<std::int64_t> items;
    std::string next;
};
Read read(const std::string& text) {
    core::JsonDom dom;
    Read out;
    auto root = dom.parse(text);
    core::JsonElement member;
    core::JsonArray items;
    if (!root || !root->find("items", member) || !member.get(items)) return out;
    for (const core::JsonElement item : items) {
        std::int64_t number = 0;
        item.get(number);
        out.items.push_back(number);
    }
    std::string_view next;
    if (root->find("next", member) && member.get(next)) out.next = next;
    return out;
}

Read ask(const std::vector<Listed>& parts, std::string_view text, const PageRules& rules,
         std::size_t budget) {
    auto cursor = read_merged_cursor(text, parts.size());
    EXPECT_TRUE(cursor);
    std::vector<std::string> texts(parts.size());
    std::vector<PartPage> pages;
    for (std::size_t p = 0; p < parts.size(); ++p) {
        if ((*cursor)[p] == kAtEnd) continue;
        texts[p] = parts[p].page((*cursor)[p], rules.limit, budget, rules.order);
        pages.push_back({p, texts[p]});
    }
    auto merged = merge_pages(pages, *cursor, rules);
    EXPECT_TRUE(merged);
    return merged ? read(*merged) : Read{};
}

TEST(PageMerge, EveryItemOnceInTheOrderOfTimeWhateverComesInBetween) {
    core::Random random(11);
    for (int round = 0; round < 200; ++round) {
        const bool newest = round % 2 == 0;
        const PageRules rules{.order = newest ? MergeOrder::kNewestFirst : MergeOrder::kOldestFirst,
                              .limit = 1 + random.below(7)};
        const std::size_t budget = round % 3 == 0 ? 1 + random.below(4) : 1000;
        std::vector<Listed> parts(1 + random.below(5));
        std::int64_t now = 1;
        for (std::uint64_t i = random.below(60); i > 0; --i) {
            now += static_cast<std::int64_t>(random.below(2));
            parts[random.below(parts.size())].times.push_back(now);
        }
        struct One {
            std::int64_t time;
            std::size_t partition;
            std::size_t offset;
        };
        std::vector<One> all;
        for (std::size_t p = 0; p < parts.size(); ++p) {
            for (std::size_t o = 0; o < parts[p].times.size(); ++o)
                all.push_back({parts[p].times[o], p, o});
        }
        std::sort(all.begin(), all.end(), [](const One& a, const One& b) {
            return std::tie(a.time, a.partition, a.offset) <
                   std::tie(b.time, b.partition, b.offset);
        });
        if (newest) std::reverse(all.begin(), all.end());
        std::vector<std::int64_t> want, got;
        for (const One& one : all)
            want.push_back(one.time * 1000 + static_cast<std::int64_t>(one.offset));
        std::string cursor;
        int turns = 0;
        do {
            const Read page = ask(parts, cursor, rules, budget);
            got.insert(got.end(), page.items.begin(), page.items.end());
            cursor = page.next;
            // Of what comes later a list from the newest on says nothing.
            if (newest) {
                now += 1;
                parts[random.below(parts.size())].times.push_back(now);
            }
            ASSERT_LT(++turns, 2000);
        } while (!cursor.empty());
        EXPECT_EQ(got, want) << round;
    }
}

TEST(PageMerge, CursorsAreOursOrNone) {
    const MergedCursor cursor = {"n1f", "", "-", "k00ff"};
    const std::string text = write_merged_cursor(cursor);
    EXPECT_EQ(read_merged_cursor(text, 4), cursor);
    EXPECT_EQ(read_merged_cursor("", 2), (MergedCursor{"", ""}));
    for (const std::string_view bad :
         {"n1f", "m", "mn1!n2!n3!n4!n5", "mn1!n2!n3!n 4", "mn1!\"!-!-"})
        EXPECT_EQ(read_merged_cursor(bad, 4), std::nullopt) << bad;
}

TEST(PageMerge, APageThatDoesNotReadIsNamed) {
    for (const std::string_view bad :
         {"", "{}", R"({"items":[1],"next":null})", R"({"items":[1],"next":null,"places":[]})",
          R"({"items":[],"next":7,"places":[],"begin":""})"}) {
        const std::array<PartPage, 1> pages = {{{3, bad}}};
        const auto merged = merge_pages(pages, MergedCursor(4), {});
        ASSERT_FALSE(merged) << bad;
        EXPECT_NE(merged.error().message.find("partition 3"), std::string::npos);
    }
}

TEST(PageMerge, CountsAreAddedUp) {
    const std::array<PartPage, 2> pages = {
        {{0, R"({"count":3,"next":null,"scanned":10,"searched":1})"},
         {2, R"({"count":4,"next":"n5","scanned":20,"searched":0.5})"}}};
    MergedCursor cursor = {"", "-", ""};
    const auto merged = merge_counts(pages, cursor);
    ASSERT_TRUE(merged);
    EXPECT_EQ(*merged, R"({"count":7,"next":"m-!-!n5","scanned":30,"searched":0.5})");
}

TEST(PageMerge, AnItemIsOfThePartitionThatToldIt) {
    const std::string page = R"({"items":[{"id":"a","partition":9,"n":1},{}],"next":null,)"
                             R"("places":[{"at":2,"next":"x"},{"at":1,"next":"y"}],"begin":"b"})";
    const auto merged =
        merge_pages(std::vector<PartPage>{{3, page}}, MergedCursor(4, std::string(kAtEnd)),
                    {.tells_partitions = true});
    ASSERT_TRUE(merged);
    EXPECT_EQ(*merged, R"({"items":[{"id":"a","n":1,"partition":3},{"partition":3}],"next":null})");
}

}  // namespace
}  // namespace millrace::runtime::node
