// Goal: a list in one text is cut alike wherever it is read: blanks off, empty pieces told, an end
//       when the visitor says so.
#include "core/listed.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::core {
namespace {

std::vector<std::string> pieces(std::string_view list, char separator = ',') {
    std::vector<std::string> out;
    const bool all = each_listed(
        list, [&](std::string_view piece) { out.emplace_back(piece); }, separator);
    EXPECT_TRUE(all) << list;
    return out;
}

using Texts = std::vector<std::string>;

TEST(EachListed, VisitsPiecesWithoutTheBlanksAroundThem) {
    EXPECT_EQ(pieces("a,b"), (Texts{"a", "b"}));
    EXPECT_EQ(pieces(" a\t, b c ,d"), (Texts{"a", "b c", "d"}));
    EXPECT_EQ(pieces("a; b=c,d", ';'), (Texts{"a", "b=c,d"}));
}

TEST(EachListed, TellsEmptyPiecesButNoneBehindTheLastSeparator) {
    EXPECT_EQ(pieces(""), Texts());
    EXPECT_EQ(pieces(" "), (Texts{""}));
    EXPECT_EQ(pieces("a,,b"), (Texts{"a", "", "b"}));
    EXPECT_EQ(pieces(",a,"), (Texts{"", "a"}));
}

TEST(EachListed, AVisitThatAnswersFalseIsTheLast) {
    std::string seen;
    const auto until_b = [&](std::string_view piece) {
        seen += piece;
        return piece != "b";
    };
    EXPECT_FALSE(each_listed("a,b,c", until_b));
    EXPECT_EQ(seen, "ab");
    EXPECT_TRUE(each_listed("a,c", until_b));
}

TEST(Trimmed, TakesBlanksOffBothEnds) {
    EXPECT_EQ(trimmed(" \t\r\n a b\n"), "a b");
    EXPECT_EQ(trimmed("\n a", " "), "\n a");
    EXPECT_EQ(trimmed(" \n"), "");
    EXPECT_EQ(trimmed(""), "");
}

TEST(ListedPaths, TakesAbsolutePathsAndPassesOverNothing) {
    const auto paths = listed_paths("/usr/bin/env, /srv/in ,,", "links.file_allow");
    ASSERT_TRUE(paths);
    EXPECT_EQ(*paths, (Texts{"/usr/bin/env", "/srv/in"}));
    EXPECT_TRUE(listed_paths("", "links.file_allow")->empty());
}

TEST(ListedPaths, NamesTheSettingAndWhatIsNoPath) {
    const auto paths = listed_paths("/a,bin/env", "executors.command.allow");
    ASSERT_FALSE(paths);
    EXPECT_EQ(paths.error().field, "executors.command.allow");
    EXPECT_NE(paths.error().message.find("\"bin/env\""), std::string::npos);
}

TEST(ListedPaths, HasABound) {
    std::string list;
    for (std::size_t i = 0; i < kListedPathsMax; ++i) list += "/p" + std::to_string(i) + ",";
    EXPECT_EQ(listed_paths(list, "x")->size(), kListedPathsMax);
    EXPECT_FALSE(listed_paths(list + "/one/more", "x"));
}

}  // namespace
}  // namespace millrace::core
