// Goal: the keys of all partitions are one list, whatever pages it is read in, and a key that
// several have is there for each of them.
// Method: partitions as sets of keys, read page by page as a front does, against all sorted.
#include "runtime/node/kv_merge.h"

#include "core/json_dom.h"
#include "core/random.h"
#include "store/rows/page_cursor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::node {
namespace {

using Keys = std::set<std::string>;
using Told = std::vector<std::pair<std::string, std::uint64_t>>;

std::string page_of(const Keys& keys, const std::string& behind, std::size_t limit) {
    std::string items, last;
    std::size_t told = 0;
    auto at = behind.empty() ? keys.begin() : keys.upper_bound(behind);
    for (; at != keys.end() && told < limit; ++at, ++told) {
        items += (items.empty() ? "" : ",") + std::string("{\"key\":\"") + *at + "\",\"value\":1}";
        last = *at;
    }
    const std::string next =
        at == keys.end() ? "null" : "\"" + store::encode_cursor_key(last) + "\"";
    return "{\"items\":[" + items + "],\"next\":" + next + R"(,"at":null,"historySince":null})";
}

std::string ask(const std::vector<Keys>& parts, const std::string& cursor, std::size_t limit,
                Told& told) {
    const auto place = read_kv_cursor(cursor);
    EXPECT_TRUE(place) << cursor;
    std::vector<std::string> texts(parts.size());
    std::vector<PartPage> pages;
    for (std::size_t p = 0; p < parts.size(); ++p) {
        texts[p] = page_of(parts[p], place->behind(p), limit);
        pages.push_back({p, texts[p]});
    }
    const auto merged = merge_kv(pages, *place, limit);
    EXPECT_TRUE(merged);
    core::JsonDom dom;
    auto root = dom.parse(*merged);
    core::JsonElement member, value;
    core::JsonArray items;
    EXPECT_TRUE(root && root->find("items", member) && member.get(items));
    EXPECT_LE(items.size(), limit);
    for (const core::JsonElement item : items) {
        std::string_view key;
        std::uint64_t partition = 99;
        EXPECT_TRUE(item.find("key", value) && value.get(key));
        EXPECT_TRUE(item.find("partition", value) && value.get(partition));
        told.emplace_back(key, partition);
    }
    std::string_view next;
    EXPECT_TRUE(root->find("next", member));
    (void)member.get(next);
    return std::string(next);
}

TEST(KvMerge, AllKeysInOrderWhateverThePages) {
    core::Random random(18);
    for (unsigned round = 0; round < 200; ++round) {
        std::vector<Keys> parts(1 + random.below(6));
        Told want;
        for (std::size_t p = 0; p < parts.size(); ++p) {
            for (std::size_t i = random.below(12); i > 0; --i)
                parts[p].insert(
                    std::string(1 + random.below(3), static_cast<char>('a' + random.below(4))));
            for (const std::string& key : parts[p]) want.emplace_back(key, p);
        }
        std::sort(want.begin(), want.end());
        const std::size_t limit = 1 + random.below(7);
        Told told;
        std::string cursor;
        do {
            cursor = ask(parts, cursor, limit, told);
        } while (!cursor.empty());
        ASSERT_EQ(told, want) << "round " << round;
    }
}

TEST(KvMerge, ReadsNoOtherCursor) {
    for (const std::string_view text : {"x", "k", "k!", "k!!", "k!61!", "k61!62!x", "m61!62!1"})
        EXPECT_FALSE(read_kv_cursor(text)) << text;
    EXPECT_EQ(read_kv_cursor(write_kv_cursor({"", "a/b", 3}))->some, "a/b");
}

}  // namespace
}  // namespace millrace::runtime::node
