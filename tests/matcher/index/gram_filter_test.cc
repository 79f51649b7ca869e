// Goal: the filter in front of literals never passes over a run that is wanted, at any place of a
// text of any length. Method: every run of a text is added in turn and looked for, eight places at
// once or one by one as the text's length decides.
#include "matcher/index/text_probes.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace millrace::matcher {
namespace {

// Each byte differs from those around it.
std::string text_of(std::size_t bytes) {
    std::string text;
    for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>('!' + (i * 7 + i / 13) % 90);
    return text;
}

std::set<std::size_t> places_visited(std::string_view text, std::size_t gram_bytes,
                                     const GramFilter& filter) {
    std::set<std::size_t> places;
    visit_grams(1u << gram_bytes, text, filter, [&](std::string_view gram) {
        EXPECT_EQ(gram.size(), gram_bytes);
        places.insert(static_cast<std::size_t>(gram.data() - text.data()));
    });
    return places;
}

TEST(GramFilter, FindsARunAtEveryPlaceOfTextsOfEveryLength) {
    for (std::size_t bytes = 1; bytes <= 150; ++bytes) {
        const std::string padded = text_of(bytes);
        // Of its own size on the heap: a read behind its end is seen by AddressSanitizer.
        const std::vector<char> exact(padded.begin(), padded.end());
        const std::string_view text(exact.data(), exact.size());
        for (const std::size_t gram : kGramLengths) {
            if (gram > bytes) continue;
            for (std::size_t at = 0; at + gram <= bytes; ++at) {
                GramFilter filter;
                filter.add(text.substr(at, gram));
                filter.build();
                ASSERT_TRUE(places_visited(text, gram, filter).contains(at))
                    << gram << " bytes at " << at << " of " << bytes;
            }
        }
    }
}

TEST(GramFilter, LetsFewForeignRunsPass) {
    GramFilter filter;
    for (int i = 0; i < 1000; ++i) filter.add("ref-" + std::to_string(1000 + i));
    filter.build();
    const std::string text = text_of(2000);
    EXPECT_LT(places_visited(text, 8, filter).size(), 20u);
}

TEST(GramFilter, AsksForRunsOfSeveralLengthsInOneText) {
    GramFilter filter;
    for (const char* gram : {"x", "ab", "late", "the-late"}) filter.add(gram);
    filter.build();
    std::set<std::string> seen;
    visit_grams(1u << 1 | 1u << 2 | 1u << 4 | 1u << 8, "x marks the-late and the ab", filter,
                [&](std::string_view gram) { seen.emplace(gram); });
    for (const char* gram : {"x", "ab", "late", "the-late"})
        EXPECT_TRUE(seen.contains(gram)) << gram;
}

}  // namespace
}  // namespace millrace::matcher
