// Goal: an entity's document keeps what its author wrote, digit for digit, and two of them differ
// by what they say, not by how. Method: texts in, texts out.
#include "runtime/entity/document.h"

#include "runtime/entity/change.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

TEST(EntityDocument, ABodyIsItsMembersWithoutTheServers) {
    const auto body = read_entity_body(
        R"({"id":"o1","version":3,"createdAt":"x","total": 1.10, "n":1e400,"tags":[1, 2]})");
    ASSERT_TRUE(body) << body.error().message;
    EXPECT_EQ(body->members, R"({"total":1.10,"n":1e400,"tags":[1,2]})");
    EXPECT_EQ(body->id, "o1");
    EXPECT_EQ(body->version, 3u);
}

TEST(EntityDocument, BadBodiesSayWhy) {
    EXPECT_NE(read_entity_body("[1]").error().message.find("an array"), std::string::npos);
    EXPECT_EQ(read_entity_body(R"({"a":1,"a":2})").error().code, core::ErrorCode::kValidation);
    EXPECT_EQ(read_entity_body(R"({"version":"x"})").error().field, "version");
    EXPECT_EQ(read_entity_body("").error().code, core::ErrorCode::kValidation);
    std::string deep;
    for (std::size_t i = 0; i < kEntityDepthMax; ++i) deep += R"({"a":)";
    deep += "1" + std::string(kEntityDepthMax, '}');
    EXPECT_TRUE(read_entity_body(deep));
    EXPECT_FALSE(read_entity_body(R"({"a":)" + deep + "}"));
    const auto large = read_entity_body(R"({"a":")" + std::string(kEntityBytesMax, 'x') + "\"}");
    EXPECT_EQ(large.error().code, core::ErrorCode::kPayloadTooLarge);
}

TEST(EntityDocument, TheViewAddsWhatTheServerKnows) {
    EXPECT_EQ(entity_view("o1", R"({"a":1})", {}), R"({"id":"o1","a":1})");
    EXPECT_EQ(entity_view("o1", "{}", {2, 0, 1'000'000}),
              R"({"id":"o1","version":2,"createdAt":"1970-01-01T00:00:00.000Z",)"
              R"("updatedAt":"1970-01-01T00:00:01.000Z"})");
    EXPECT_EQ(entity_view("", R"({"a":1})", {}), R"({"a":1})");
}

TEST(EntityDocument, TheDifferenceIsAMergePatchOfWhatIsOther) {
    EXPECT_EQ(entity_difference(R"({"a":1,"b":{"x":1,"y":2},"c":[1],"d":4})",
                                R"({"d":4.0,"b":{"y":3,"x":1},"a":1,"e":null})"),
              R"({"b":{"y":3},"e":null,"c":null})");
    EXPECT_EQ(entity_difference(R"({"a":"\u0041"})", R"({"a":"A"})"), "{}");
    EXPECT_EQ(entity_difference(R"({"a":9007199254740993})", R"({"a":9007199254740992})"),
              R"({"a":9007199254740992})");
    EXPECT_TRUE(is_same_entity(R"({"a":1,"b":2})", R"({"b":2.0,"a":1e0})"));
    EXPECT_FALSE(is_same_entity(R"({"a":[1,2]})", R"({"a":[2,1]})"));
}

TEST(EntityDocument, WhatAScriptLeavesKeepsItsOrderAndItsDigits) {
    EXPECT_EQ(in_words_of(R"({"z":1.50,"a":12345678901234567890,"l":[1.0,{"k":2.00}]})",
                          R"({"a":12345678901234567890,"l":[1,{"k":2,"n":1}],"new":true,"z":1.5})"),
              R"({"z":1.50,"a":12345678901234567890,"l":[1.0,{"k":2.00,"n":1}],"new":true})");
}

TEST(EntityChangeTest, ItsEventSaysWhatWasAndWhatIs) {
    EntityChange change;
    change.verb = EntityVerb::kUpdated;
    change.type = "order";
    change.id = "o1";
    change.before = R"({"total":1})";
    change.doc = R"({"total":2})";
    change.stamp = {4, 10, 20};
    change.chain = {"hk_1@order/o1"};
    EXPECT_NE(hook_input(change).find(R"("payload":{"total":2})"), std::string::npos);
    std::string why;
    EXPECT_FALSE(take_hook_doc(change, R"({"id":"other"})", why));
    EXPECT_TRUE(take_hook_doc(change, R"({"id":"o1","total":3,"version":9})", why)) << why;
    settle_change(change, 30);
    change.event_id = "ed_1";
    const std::string event = entity_event(change, 30);
    EXPECT_NE(event.find(R"("pattern":"entity.order.updated")"), std::string::npos);
    EXPECT_NE(event.find(R"("version":5,"doc":{"id":"o1","total":3,"version":5,)"),
              std::string::npos)
        << event;
    EXPECT_NE(event.find(R"("beforeUpdateDoc":{"id":"o1","total":1,"version":4,)"),
              std::string::npos);
    EXPECT_NE(event.find(R"("payload":{"total":3}})"), std::string::npos);
    EXPECT_EQ(chain_of_event(event), change.chain);

    change.doc = change.before;
    settle_change(change, 40);
    EXPECT_FALSE(change.changed);
}

TEST(EntityChangeTest, AChainIsReadAsItWasWritten) {
    std::vector<std::string> chain;
    EXPECT_TRUE(read_chain("a@order/1,b@order/2", chain));
    EXPECT_EQ(join_chain(chain), "a@order/1,b@order/2");
    EXPECT_TRUE(is_in_chain(chain, hook_link("b", "order", "2")));
    EXPECT_FALSE(read_chain("no link", chain));
    std::string_view type;
    EntityVerb verb = EntityVerb::kCreated;
    EXPECT_TRUE(read_entity_pattern("entity.order.deleted", type, verb));
    EXPECT_EQ(verb, EntityVerb::kDeleted);
    EXPECT_FALSE(read_entity_pattern("entity.order.moved", type, verb));
    for (const std::string_view word : {"beforeCreate", "afterCreate", "beforeUpdate",
                                        "afterUpdate", "beforeDelete", "afterDelete"})
        EXPECT_EQ(hook_point_text(*parse_hook_point(word)), word);
    EXPECT_FALSE(parse_hook_point("during"));
}

}  // namespace
}  // namespace millrace::runtime
