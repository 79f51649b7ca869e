// Goal: an edge is known by its token, of which only a hash is kept, and has a name that can stand
// in a path. Method: bodies in, documents and rows out.
#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/document_rows.h"
#include "runtime/registry/edge_book.h"
#include "runtime/registry/edge_token.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace millrace::runtime {
namespace {

const DocumentKind<EdgeNode>& kind() { return document_kind<EdgeNode>(); }

TEST(EdgeNode, IsKnownByItsTokenAlone) {
    EdgeNode edge;
    const std::string token = new_edge_token();
    EXPECT_NE(token, new_edge_token());
    EXPECT_EQ(token.size(), kEdgeTokenPrefix.size() + 64);
    take_edge_token(edge, token);
    EXPECT_TRUE(has_edge_token(edge, token, 0));
    EXPECT_FALSE(has_edge_token(edge, token.substr(1), 0));
    EXPECT_FALSE(has_edge_token(edge, new_edge_token(), 0));
    EXPECT_FALSE(has_edge_token(EdgeNode{}, "", 0));
}

TEST(EdgeToken, SaysWhoseEdgeItIs) {
    for (const char* tenant : {"default", "acme", "a.b"}) {
        const std::string token = edge_token_of(tenant);
        EXPECT_EQ(tenant_of_edge_token(token), tenant) << token;
        EdgeNode edge;
        take_edge_token(edge, token);
        EXPECT_TRUE(has_edge_token(edge, token, 0));
        EXPECT_FALSE(has_edge_token(edge, token + ".other", 0));
    }
    for (const char* other : {"", "mredge_0", "mredge_0.", "mr_live_0.acme"})
        EXPECT_EQ(tenant_of_edge_token(other), "default") << other;
}

TEST(EdgeNode, ATokenThatWasRotatedOutCountsForAWhile) {
    EdgeNode edge;
    edge.number = EdgeNumber(3);
    edge.id = "n";
    const std::string before = new_edge_token(), after = new_edge_token();
    take_edge_token(edge, before);
    retire_text(edge.retired, edge.hash, 100, 50);
    take_edge_token(edge, after);
    EXPECT_TRUE(has_edge_token(edge, before, 149) && has_edge_token(edge, after, 149));
    EXPECT_FALSE(has_edge_token(edge, before, 150));
    EXPECT_TRUE(has_edge_token(edge, after, 150));

    core::JsonDocument document;
    const std::string row = document_row_text(edge);
    auto in = document.parse_object(row);
    ASSERT_TRUE(in);
    EdgeNode again;
    kind().read_row(*in, again);
    EXPECT_TRUE(has_edge_token(again, before, 149));
    // Without an overlap nothing of it is left.
    retire_text(edge.retired, edge.hash, 100, 0);
    EXPECT_TRUE(edge.retired.empty());
    for (int i = 0; i < 20; ++i) retire_text(edge.retired, edge.hash, i, 1'000);
    EXPECT_EQ(edge.retired.size(), kRetiredTextsMax);
    retire_text(edge.retired, edge.hash, 2'000, 1'000);
    EXPECT_EQ(edge.retired.size(), 1u);
}

TEST(EdgeBook, KnowsAnEdgeByNameAndTokenAsLongAsItIsThere) {
    const auto made = [](std::uint32_t tenant, const std::string& token) {
        auto edge = std::make_shared<EdgeNode>();
        edge->id = "n";
        edge->tenant = core::TenantId(tenant);
        take_edge_token(*edge, token);
        return EdgeRef(edge);
    };
    const std::string first = new_edge_token(), second = new_edge_token();
    const EdgeRef one = made(1, first), two = made(2, second);
    EdgeBook book;
    book.follow({nullptr, one});
    book.follow({nullptr, two});
    EXPECT_EQ(book.known_by("n", first, 0), one);
    EXPECT_EQ(book.known_by("n", second, 0), two);
    EXPECT_EQ(book.known_by("m", first, 0), nullptr);
    EXPECT_EQ(book.known_by("n", "", 0), nullptr);
    const EdgeRef changed = made(1, second + "0");
    book.follow({one, changed});
    EXPECT_EQ(book.known_by("n", first, 0), nullptr);
    book.follow({two, nullptr});
    EXPECT_EQ(book.known_by("n", second, 0), nullptr);
    EXPECT_EQ(book.known_by("n", second + "0", 0), changed);
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
    EXPECT_TRUE(has_edge_token(again, token, 0));
}

TEST(EdgeNode, HasANameThatCanStandInAPath) {
    const auto taken = [](std::string_view body) {
        EdgeNode edge;
        return static_cast<bool>(kind().read(body, edge));
    };
    EXPECT_TRUE(taken(R"({"id":"a.b_c-9"})"));
    EXPECT_TRUE(taken(R"({"id":"a","node":"a"})"));
    EXPECT_FALSE(taken(R"({"id":"a","node":"b"})"));
    // One rule, whichever of the two says it, and the one that hub.node is held against.
    const std::string longest(kEdgeNodeBytesMax, 'n');
    for (const std::string& name : {std::string("a:b"), std::string("a b"), std::string("a@b"),
                                    std::string(".."), std::string(), longest + "n"}) {
        std::string words;
        for (const std::string member : {"id", "node"}) {
            EdgeNode edge;
            const auto read = kind().read(R"({")" + member + R"(":")" + name + R"("})", edge);
            ASSERT_FALSE(read) << name;
            EXPECT_EQ(read.error().field, member);
            words += read.error().message.substr(member.size());
        }
        const std::string half = words.substr(0, words.size() / 2);
        EXPECT_EQ(words, half + half);
        EXPECT_NE(half.find(kEdgeNodeNameRule), std::string::npos) << words;
    }
    EXPECT_TRUE(taken(R"({"id":")" + longest + R"("})"));
    EXPECT_FALSE(taken(R"({"name":"a"})"));
    for (const std::string_view bad : {"", ".", "..", "a/b", "a b", "a:b", "\\u00e4"})
        EXPECT_FALSE(taken("{\"node\":\"" + std::string(bad) + "\"}")) << bad;
    EXPECT_FALSE(taken("{\"node\":\"" + std::string(65, 'a') + "\"}"));
}

}  // namespace
}  // namespace millrace::runtime
