// Goal: the history of a delivery is bounded, says what was cut of it, and never forgets how many
// attempts there were. Method: many attempts with errors of every length, read back as JSON.
#include "runtime/delivery/attempt_record.h"

#include "core/random.h"

#include <gtest/gtest.h>
#include <simdjson.h>

namespace millrace::runtime {
namespace {

struct Seen {
    std::uint64_t entries = 0;
    std::uint64_t earlier_cut = 0;
    std::uint64_t errors_cut = 0;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
};

Seen read(const std::string& history) {
    Seen seen;
    simdjson::dom::parser parser;
    simdjson::dom::array attempts;
    EXPECT_FALSE(parser.parse(history).get(attempts)) << history.substr(0, 200);
    for (const auto attempt : attempts) {
        std::uint64_t number = 0;
        EXPECT_FALSE(attempt["attempt"].get(number));
        if (++seen.entries == 1) {
            seen.first = number;
            if (attempt["earlierCut"].get(seen.earlier_cut)) seen.earlier_cut = 0;
        } else {
            EXPECT_EQ(number, seen.last + 1);
        }
        bool cut = false;
        seen.errors_cut += !attempt["errorCut"].get(cut) && cut;
        seen.last = number;
    }
    return seen;
}

TEST(AttemptRecord, CountsEveryAttemptAndSaysWhatWasCut) {
    const std::string error(4096, 'e');
    std::string history;
    for (std::uint32_t attempt = 1; attempt <= 2000; ++attempt) {
        history = append_attempt(history, {attempt, 1'700'000'000'000'000, 5, "failed", error});
        EXPECT_EQ(attempts_made_in(history), attempt);
        EXPECT_LE(history.size(), kHistoryBytesMax + error.size() + 200);
        if (attempt == 26) {
            const Seen seen = read(history);
            EXPECT_EQ(seen.entries, 26u) << "texts go first";
            EXPECT_GT(seen.errors_cut, 5u);
            EXPECT_EQ(seen.earlier_cut, 0u);
        }
    }
    const Seen seen = read(history);
    EXPECT_EQ(seen.last, 2000u);
    EXPECT_GT(seen.earlier_cut, 0u);
    EXPECT_EQ(seen.first, seen.earlier_cut + 1);
    EXPECT_EQ(seen.entries + seen.earlier_cut, 2000u);
}

TEST(AttemptRecord, WhateverTheErrorSaysTheCountIsRight) {
    core::Random random(11);
    std::string history;
    for (std::uint32_t attempt = 1; attempt <= 300; ++attempt) {
        std::string error;
        for (std::uint64_t i = random.below(3000); i > 0; --i)
            error += R"("\{}[],:attempt 1)"[random.below(18)];
        history = append_attempt(history, {attempt, 0, 1, "silent", error});
        ASSERT_EQ(attempts_made_in(history), attempt);
    }
    EXPECT_EQ(read(history).last, 300u);
    EXPECT_EQ(attempts_made_in(""), 0u);
    EXPECT_EQ(attempts_made_in("[]"), 0u);
}

}  // namespace
}  // namespace millrace::runtime
