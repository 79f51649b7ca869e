// Goal: what is remembered of a pattern is what the set says of it, tenant by tenant, also when
// many patterns take turns.
#include "runtime/registry/schema_lists.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

SchemaSet::Entry entry_of(std::string pattern, core::TenantId tenant, bool has_rule = false) {
    auto schema = std::make_shared<EventSchema>();
    schema->id = pattern;
    schema->tenant = tenant;
    schema->pattern = std::move(pattern);
    if (has_rule) schema->rules.push_back(schema::SchemaRule::assertion("$.a > 1"));
    return {schema, nullptr};
}

std::vector<std::string> ids_of(const SchemaLists::List& list) {
    std::vector<std::string> out;
    for (const SchemaSet::Entry* entry : list.entries) out.push_back(entry->schema->id);
    return out;
}

TEST(SchemaLists, RemembersWhatTheSetSays) {
    const core::TenantId one(1), two(2);
    SchemaSet set;
    set.add(entry_of("a.b", one));
    set.add(entry_of("a.*", one, true));
    set.add(entry_of("*", two));
    SchemaLists lists;
    for (unsigned turn = 0; turn < 2; ++turn) {
        EXPECT_EQ(ids_of(lists.of(set, one, "a.b")), (std::vector<std::string>{"a.b", "a.*"}));
        EXPECT_FALSE(lists.of(set, one, "a.b").schemas_alone);
        EXPECT_EQ(ids_of(lists.of(set, two, "a.b")), (std::vector<std::string>{"*"}));
        EXPECT_TRUE(lists.of(set, two, "a.b").schemas_alone);
        EXPECT_TRUE(lists.of(set, one, "b").entries.empty());
    }
    for (unsigned i = 0; i < 4 * SchemaLists::kListsMax; ++i) {
        const std::string pattern = (i % 2 ? "a." : "b.") + std::to_string(i * 7919);
        ASSERT_EQ(lists.of(set, one, pattern).entries.size(), i % 2) << pattern;
    }
}

// A guess at what comes next is a guess: whoever comes instead gets his own.
TEST(SchemaLists, TellsTurnsApartThatChange) {
    const core::TenantId one(1), two(2);
    SchemaSet set;
    set.add(entry_of("p.*", one));
    set.add(entry_of("p.7", two));
    SchemaLists lists;
    for (unsigned turn = 0; turn < 3; ++turn) {
        for (unsigned i = 0; i < 100; ++i) {
            const unsigned n = turn == 2 ? 99 - i : i;
            const std::string pattern = (n % 3 ? "p." : "q.") + std::to_string(n);
            EXPECT_EQ(lists.of(set, one, pattern).entries.size(), n % 3 ? 1u : 0u) << pattern;
            EXPECT_EQ(lists.of(set, two, pattern).entries.size(), pattern == "p.7" ? 1u : 0u);
        }
    }
    lists.clear();
    const SchemaSet nothing;
    for (unsigned i = 0; i < 100; ++i)
        EXPECT_TRUE(lists.of(nothing, one, "p." + std::to_string(i)).entries.empty());
}

TEST(SchemaLists, ForgetsWhenTheSetIsAnother) {
    const core::TenantId tenant(1);
    SchemaSet before, after;
    before.add(entry_of("a", tenant));
    after.add(entry_of("b", tenant));
    SchemaLists lists;
    EXPECT_EQ(lists.of(before, tenant, "a").entries.size(), 1u);
    lists.clear();
    EXPECT_TRUE(lists.of(after, tenant, "a").entries.empty());
    EXPECT_EQ(lists.of(after, tenant, "b").entries.size(), 1u);
}

}  // namespace
}  // namespace millrace::runtime
