// Goal: two outcomes differ exactly where they do, and what cannot be known makes no difference.
#include "runtime/replay/shadow_outcome.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

constexpr auto bit(ShadowDifference difference) { return static_cast<std::uint8_t>(difference); }

ShadowOutcome completed() {
    ShadowOutcome out;
    out.status = "completed";
    out.result = "1";
    out.emitted = {R"({"pattern":"a","payload":{}})"};
    out.kv = {R"({"op":"incr","key":"n","by":1})"};
    return out;
}

TEST(ShadowOutcome, NamesEachDifference) {
    const ShadowOutcome one = completed();
    EXPECT_EQ(compare_outcomes(one, one), 0);
    ShadowOutcome other = one;
    other.result = "2";
    EXPECT_EQ(compare_outcomes(one, other), bit(ShadowDifference::kResult));
    other = one;
    other.emitted.clear();
    EXPECT_EQ(compare_outcomes(one, other), bit(ShadowDifference::kEmitted));
    other = one;
    other.kv.push_back("{}");
    EXPECT_EQ(compare_outcomes(one, other), bit(ShadowDifference::kKv));
    other = one;
    other.status = "failed";
    other.error = "no";
    EXPECT_EQ(compare_outcomes(one, other),
              bit(ShadowDifference::kStatus) | bit(ShadowDifference::kError));
    other.there = false;
    EXPECT_EQ(compare_outcomes(one, other), bit(ShadowDifference::kMissing));
}

TEST(ShadowOutcome, WhatIsNotKnownDoesNotDiffer) {
    ShadowOutcome recorded = completed();
    recorded.kv_known = false;
    recorded.kv.clear();
    EXPECT_EQ(compare_outcomes(completed(), recorded), 0);
    recorded.result.clear();
    EXPECT_EQ(compare_outcomes(completed(), recorded), bit(ShadowDifference::kResult));
    recorded.result_known = false;
    EXPECT_EQ(compare_outcomes(completed(), recorded), 0);
    // How a recorded failure failed is not kept: a timeout is a failure.
    ShadowOutcome now;
    now.status = "timeout";
    ShadowOutcome failed;
    failed.kv_known = false;
    failed.status = "failed";
    EXPECT_EQ(compare_outcomes(now, failed), 0);
    failed.kv_known = true;
    EXPECT_EQ(compare_outcomes(now, failed), bit(ShadowDifference::kStatus));
}

TEST(ShadowOutcome, AnErrorIsItsTextNotItsLine) {
    ShadowOutcome now, against;
    now.status = against.status = "failed";
    now.error = "handler:12: no such customer\nstack traceback:\n\thandler:12";
    against.error = "handler:7: no such customer\nstack traceback:\n\thandler:7";
    EXPECT_EQ(compare_outcomes(now, against), 0);
    against.error = "handler:12: no such order";
    EXPECT_EQ(compare_outcomes(now, against), bit(ShadowDifference::kError));
}

TEST(ShadowOutcome, WhatIsShownIsBounded) {
    ShadowOutcome big = completed();
    big.result = "\"" + std::string(1u << 20, 'x') + "\"";
    big.emitted.assign(1000, "{\"payload\":\"" + std::string(10'000, 'y') + "\"}");
    std::string text;
    core::JsonWriter json(text);
    json.begin_object();
    append_difference(json, bit(ShadowDifference::kResult), big, completed());
    json.end_object();
    EXPECT_LT(text.size(), 3 * kShownTextBytesMax);
    EXPECT_NE(text.find("\"emittedCount\":1000"), std::string::npos);
    EXPECT_NE(text.find("\"differs\":[\"result\"]"), std::string::npos);
}

TEST(ShadowOutcome, TotalsCountEachKindOnce) {
    ShadowTotals totals;
    totals.count(0);
    totals.count(bit(ShadowDifference::kResult) | bit(ShadowDifference::kKv));
    totals.count(bit(ShadowDifference::kMissing));
    ShadowTotals sum;
    sum.add(totals);
    sum.add(totals);
    EXPECT_EQ(sum.compared, 6u);
    EXPECT_EQ(sum.different, 4u);
    EXPECT_EQ(sum.result, 2u);
    EXPECT_EQ(sum.kv, 2u);
    EXPECT_EQ(sum.missing, 2u);
    EXPECT_EQ(sum.status, 0u);
}

}  // namespace
}  // namespace millrace::runtime
