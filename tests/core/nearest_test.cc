// Goal: "did you mean" names what was meant and keeps quiet about what was not.
#include "core/nearest.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::core {
namespace {

TEST(Nearest, FindsWhatIsAFewLettersAway) {
    const std::vector<std::string> verbs = {"create", "list", "info", "tail", "count"};
    EXPECT_EQ(nearest_name("crate", verbs), "create");
    EXPECT_EQ(nearest_name("lsit", verbs), "list");
    EXPECT_EQ(nearest_name("cuont", verbs), "count");
    EXPECT_EQ(nearest_name("infos", verbs), "info");
}

TEST(Nearest, AnotherWordIsNotMeant) {
    const std::vector<std::string> verbs = {"create", "list", "info", "tail"};
    EXPECT_EQ(nearest_name("subscribe", verbs), "");
    EXPECT_EQ(nearest_name("xy", verbs), "");
    EXPECT_EQ(nearest_name("", verbs), "");
}

TEST(Nearest, CountsLetters) {
    EXPECT_EQ(edit_distance("", "abc"), 3u);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
    EXPECT_EQ(edit_distance("same", "same"), 0u);
}

}  // namespace
}  // namespace millrace::core
