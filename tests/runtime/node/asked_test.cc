// Goal: what a person has asked of a cluster is a line of the audit log as every other change's:
// what, of what, by whom, from where; and it comes to the log of tenant default's partition.
#include "runtime/node/asked.h"

#include "core/json_dom.h"

#include <gtest/gtest.h>

namespace millrace::runtime::node {
namespace {

std::string text_of(const core::JsonElement& root, std::string_view name) {
    core::JsonElement member;
    std::string_view text;
    return root.find(name, member) && member.get(text) ? std::string(text) : std::string("-");
}

AskedFor move_of_seven() {
    NodeOrder order;
    order.actor = "key:key_1";
    order.members = R"("actor":{"type":"key","id":"key_1"},"ip":"10.0.0.9","via":"http")";
    return asked_for("move_1", 1'000'000, {"move", "partition", "7", "to", "b"}, order);
}

TEST(Asked, IsALineOfTheAuditLog) {
    const AskedFor asked = move_of_seven();
    core::JsonDom dom;
    const auto root = dom.parse(asked.entry);
    ASSERT_TRUE(root) << asked.entry;
    EXPECT_EQ(text_of(*root, "action"), "move");
    EXPECT_EQ(text_of(*root, "kind"), "partition");
    EXPECT_EQ(text_of(*root, "id"), "7");
    EXPECT_EQ(text_of(*root, "to"), "b");
    EXPECT_EQ(text_of(*root, "by"), "key:key_1");
    EXPECT_EQ(text_of(*root, "ip"), "10.0.0.9");
    EXPECT_EQ(text_of(*root, "order"), "move_1");
    EXPECT_EQ(text_of(*root, "askedAt"), "1970-01-01T00:00:01.000Z");
    NodeOrder nobody;
    const AskedFor bare = asked_for("drain_1", 0, {"drain", "node", "a\"b"}, nobody);
    const auto read = dom.parse(bare.entry);
    ASSERT_TRUE(read) << bare.entry;
    EXPECT_EQ(text_of(*read, "id"), "a\"b");
}

TEST(Asked, AProcessIsToldTheWholeOfItInOneLine) {
    const AskedFor asked = move_of_seven();
    const std::string line = audit_order(asked);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    core::JsonDom dom;
    const auto root = dom.parse(line);
    ASSERT_TRUE(root) << line;
    EXPECT_EQ(text_of(*root, "do"), "audit");
    EXPECT_EQ(text_of(*root, "order"), "move_1");
    EXPECT_EQ(text_of(*root, "entry"), asked.entry);
}

TEST(Asked, StandsInMetaUntilItIsInTheLog) {
    Meta meta;
    meta.hash_seed = 11;
    meta.partition_by = "tenant";
    meta.lists.assign(6, {"a"});
    EXPECT_EQ(audit_partition(meta), partition_of("default", 11, 6));
    while (has_room(meta)) meta.asked.push_back(move_of_seven());
    EXPECT_EQ(meta.asked.size(), kAskedMax);
    auto again = read_meta(meta.json());
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(*again, meta);
    // As an older node has written it.
    std::string text = Meta{}.json();
    text.replace(text.find(R"(,"asked":[])"), std::string_view(R"(,"asked":[])").size(), "");
    EXPECT_TRUE(read_meta(text));
    EXPECT_FALSE(read_meta(R"({"version":1,"hashSeed":"1","partitionBy":"tenant","replicas":1,)"
                           R"("members":[],"lists":[],"moves":[],"asked":[{"id":1}]})"));
}

}  // namespace
}  // namespace millrace::runtime::node
