// Goal: lines come out as they went in, wherever the bytes are cut. Method: every split of a text.
#include "runtime/links/line_cutter.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {
namespace {

using Cut = std::vector<std::pair<std::string, std::uint64_t>>;

Cut cut(std::initializer_list<std::string_view> pieces, std::size_t bytes_max = 100) {
    LineCutter cutter(bytes_max);
    Cut out;
    LineCutter::Line line;
    for (const std::string_view piece : pieces) {
        cutter.feed(piece);
        while (cutter.next(line)) out.emplace_back(line.text, line.whole_bytes);
    }
    if (cutter.last(line)) out.emplace_back(std::string(line.text) + "$", line.whole_bytes);
    return out;
}

TEST(LineCutter, GivesTheSameLinesAtEverySplit) {
    const std::string text = "one\n\ntwo\r\nthree";
    const Cut whole = {{"one", 4}, {"", 1}, {"two", 5}, {"three$", 5}};
    EXPECT_EQ(cut({text}), whole);
    for (std::size_t i = 0; i <= text.size(); ++i) {
        for (std::size_t j = i; j <= text.size(); ++j) {
            const std::string_view all(text);
            EXPECT_EQ(cut({all.substr(0, i), all.substr(i, j - i), all.substr(j)}), whole);
        }
    }
}

TEST(LineCutter, KeepsTheBeginningOfALongLineAndCountsTheRest) {
    const Cut wanted = {{"0123", 11}, {"ab", 3}};
    EXPECT_EQ(cut({"0123456789\nab\n"}, 4), wanted);
    EXPECT_EQ(cut({"012", "345", "6789\nab", "\n"}, 4), wanted);
}

TEST(LineCutter, BeginsAnewWhenCleared) {
    LineCutter cutter(100);
    LineCutter::Line line;
    cutter.feed("half");
    EXPECT_FALSE(cutter.next(line));
    EXPECT_EQ(cutter.open_bytes(), 4u);
    cutter.clear();
    EXPECT_EQ(cutter.open_bytes(), 0u);
    cutter.feed("whole\n");
    ASSERT_TRUE(cutter.next(line));
    EXPECT_EQ(line.text, "whole");
}

}  // namespace
}  // namespace millrace::runtime
