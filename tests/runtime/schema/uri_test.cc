// Goal: references mean what RFC 3986 says they mean.
// Method: its own examples (5.4), as far as schemas meet them.
#include "runtime/schema/uri.h"

#include <gtest/gtest.h>

namespace millrace::runtime::schema {
namespace {

TEST(Uri, ResolvesTheExamplesOfTheStandard) {
    constexpr std::string_view kBase = "http://a/b/c/d;p?q";
    EXPECT_EQ(resolve_uri(kBase, "g:h"), "g:h");
    EXPECT_EQ(resolve_uri(kBase, "g"), "http://a/b/c/g");
    EXPECT_EQ(resolve_uri(kBase, "./g"), "http://a/b/c/g");
    EXPECT_EQ(resolve_uri(kBase, "g/"), "http://a/b/c/g/");
    EXPECT_EQ(resolve_uri(kBase, "/g"), "http://a/g");
    EXPECT_EQ(resolve_uri(kBase, "//g"), "http://g");
    EXPECT_EQ(resolve_uri(kBase, "g?y#s"), "http://a/b/c/g?y#s");
    EXPECT_EQ(resolve_uri(kBase, "../g"), "http://a/b/g");
    EXPECT_EQ(resolve_uri(kBase, "../../../g"), "http://a/g");
    EXPECT_EQ(resolve_uri(kBase, ".."), "http://a/b/");
    EXPECT_EQ(resolve_uri("http://a", "g"), "http://a/g");
    EXPECT_EQ(resolve_uri("urn:x:y#z", "#w"), "urn:x:y#w");
    EXPECT_EQ(resolve_uri("http://a/b#c", ""), "http://a/b");
}

TEST(Uri, CutsAndDecodesTheFragment) {
    const CutUri cut = cut_uri("http://a/b#/a%22b~1c");
    EXPECT_EQ(cut.base, "http://a/b");
    EXPECT_EQ(cut.fragment, "/a\"b~1c");
    EXPECT_EQ(cut_uri("x").fragment, "");
}

}  // namespace
}  // namespace millrace::runtime::schema
