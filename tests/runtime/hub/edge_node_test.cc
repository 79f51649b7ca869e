// Goal: an edge is known by its token, of which only a hash is kept, and has a name that can stand
// in a path. Method: bodies in, documents and rows out.
#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/document_rows.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

const DocumentKind<EdgeNode>& kind() { return document_kind<EdgeNode>(); }

TEST(EdgeNode, IsKnownByItsTokenAlone) {
    EdgeNode edge;
    const std::string token = new_edge_token();
    EXPECT_NE(token, new_edge_token());
    EXPECT_EQ(token.size(), kEdgeTokenPrefix.size() + 64);
    take_edge_token(edge, token);
    EXPECT_TRUE(has_edge_token(edge, token));
    EXPECT_FALSE(has_edge_token(edge, token.substr(1)));
    EXPECT_FALSE(has_edge_token(edge, new_edge_token()));
    EXPECT_FALSE(has_edge_token(EdgeNode{}, ""));
}

TEST(EdgeNode, KeepsNoTokenInItsRow) {
    EdgeNode edge;
    edge.number = EdgeNumber(3);
    ASSERT_TRUE(kind().read(R"({"node":"shop-1","name":"first"})", edge));
    EXPECT_EQ(edge.id, "shop-1");
    const std::string token = new_edge_token();
    take_edge_token(edge, token);
    const std::string row = document_row_text(edge);
    EXPECT_EQ(row.find(token), std::string::npos);
    EXPECT_EQ(kind().show(edge).find("Sha256"), std::string::npos);

    core::JsonDocument document;
    auto in = document.parse_object(row);
    ASSERT_TRUE(in);
    EdgeNode again;
    kind().read_row(*in, again);
    EXPECT_TRUE(in->ok());
    EXPECT_TRUE(has_edge_token(again, token));
}

TEST(EdgeNode, HasANameThatCanStandInAPath) {
    const auto taken = [](std::string_view body) {
        EdgeNode edge;
        return static_cast<bool>(kind().read(body, edge));
    };
    EXPECT_TRUE(taken(R"({"id":"a.b_c-9"})"));
    EXPECT_TRUE(taken(R"({"id":"a","node":"a"})"));
    EXPECT_FALSE(taken(R"({"id":"a","node":"b"})"));
    EXPECT_FALSE(taken(R"({"name":"a"})"));
    for (const std::string_view bad : {"", ".", "..", "a/b", "a b", "a:b", "\\u00e4"})
        EXPECT_FALSE(taken("{\"node\":\"" + std::string(bad) + "\"}")) << bad;
    EXPECT_FALSE(taken("{\"node\":\"" + std::string(65, 'a') + "\"}"));
}

}  // namespace
}  // namespace millrace::runtime
