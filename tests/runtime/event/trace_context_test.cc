// Goal: what the W3C recommendation says of traceparent and tracestate holds, and the ids of an
// attempt are the same whenever it is made.
// Method: the cases of the recommendation's own test suite (w3c/trace-context, test/test.py) as
// texts.
#include "runtime/event/trace_context.h"

#include "runtime/event/event_defaults.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr std::string_view kTrace = "12345678901234567890123456789012";
constexpr std::string_view kParent = "00-12345678901234567890123456789012-1234567890123456-01";

using Fields = std::vector<std::pair<std::string, std::string>>;

std::string kept_of(const Fields& fields) {
    TraceHeaders headers;
    for (const auto& [name, value] : fields) (void)headers.take(name, value);
    return headers.text();
}
std::string state_of(const std::string& state) {
    const std::string kept =
        kept_of({{"traceparent", std::string(kParent)}, {"tracestate", state}});
    EXPECT_EQ(kept.substr(0, kParent.size()), kParent) << state;
    return kept.size() > kParent.size() ? kept.substr(kParent.size() + 1) : "";
}
std::string times(char c, std::size_t count) { return std::string(count, c); }

TEST(Traceparent, IsTakenAsItIs) {
    EXPECT_EQ(kept_of({{"traceparent", std::string(kParent)}}), kParent);
    for (const char* name : {"TraceParent", "TrAcEpArEnT", "TRACEPARENT"})
        EXPECT_EQ(kept_of({{name, std::string(kParent)}}), kParent) << name;
    const auto context = read_traceparent(kParent);
    ASSERT_TRUE(context);
    EXPECT_TRUE(context->sampled());
    EXPECT_EQ(context->trace[0], 0x12);
    EXPECT_EQ(context->span[7], 0x56);
    EXPECT_EQ(traceparent_text(*context), kParent);
}

TEST(Traceparent, OfALaterVersionWhatIsKnownIsTaken) {
    const std::string body = "-12345678901234567890123456789012-1234567890123456-01";
    EXPECT_EQ(kept_of({{"traceparent", "cc" + body}}), kParent);
    EXPECT_EQ(kept_of({{"traceparent", "cc" + body + "-what-the-future-will-be-like"}}), kParent);
    EXPECT_EQ(kept_of({{"traceparent", "cc" + body + "-"}}), kParent);
    EXPECT_EQ(kept_of({{"traceparent", "cc" + body + ".what-the-future-will-be-like"}}), "");
    EXPECT_EQ(kept_of({{"traceparent", "ff" + body}}), "");
}

TEST(Traceparent, ThatIsNoneIsAsGoodAsNone) {
    const std::string trace(kTrace);
    for (const std::string& text : std::vector<std::string>{
             "",
             "00",
             std::string(kParent) + "-",
             std::string(kParent) + "-extra",
             std::string(kParent) + ".extra",
             // versions
             ".0-" + trace + "-1234567890123456-01",
             "0.-" + trace + "-1234567890123456-01",
             "000-" + trace + "-1234567890123456-01",
             "0-" + trace + "-1234567890123456-01",
             // ids of zeros
             "00-00000000000000000000000000000000-1234567890123456-01",
             "00-" + trace + "-0000000000000000-01",
             // what is no digit, or none of lower case
             "00-.2345678901234567890123456789012-1234567890123456-01",
             "00-1234567890123456789012345678901.-1234567890123456-01",
             "00-ABCDEF78901234567890123456789012-1234567890123456-01",
             "00-" + trace + "-.234567890123456-01",
             "00-" + trace + "-ABCDEF7890123456-01",
             "00-" + trace + "-1234567890123456-.0",
             "00-" + trace + "-1234567890123456-0.",
             "00-" + trace + "-1234567890123456-0F",
             // lengths
             "00-" + trace + "3-1234567890123456-01",
             "00-" + trace.substr(1) + "-1234567890123456-01",
             "00-" + trace + "-12345678901234567-01",
             "00-" + trace + "-123456789012345-01",
             "00-" + trace + "-1234567890123456-001",
             "00-" + trace + "-1234567890123456-1",
             "00_" + trace + "-1234567890123456-01",
             "00-" + trace + "_1234567890123456-01",
             "00-" + trace + "-1234567890123456_01",
         }) {
        EXPECT_FALSE(read_traceparent(text)) << text;
        EXPECT_EQ(kept_of({{"traceparent", text}, {"tracestate", "foo=1"}}), "") << text;
    }
}

TEST(Traceparent, OfFlagsNobodyKnowsNothingIsHandedOn) {
    const std::string body = "00-12345678901234567890123456789012-1234567890123456-";
    EXPECT_EQ(kept_of({{"traceparent", body + "ff"}}), body + "03");
    EXPECT_EQ(kept_of({{"traceparent", body + "00"}}), body + "00");
    EXPECT_FALSE(read_traceparent(body + "fe")->sampled());
    EXPECT_EQ(kept_of({{"traceparent", "01" + body.substr(2) + "ff"}}), body + "01");
}

TEST(Traceparent, ThatIsThereTwiceIsNone) {
    EXPECT_EQ(kept_of({{"traceparent", std::string(kParent)},
                       {"TraceParent", "00-12345678901234567890123456789011-1234567890123456-01"}}),
              "");
    EXPECT_EQ(
        kept_of({{"traceparent", std::string(kParent)}, {"traceparent", std::string(kParent)}}),
        "");
}

TEST(Tracestate, AloneIsNothing) {
    EXPECT_EQ(kept_of({{"tracestate", "foo=1"}}), "");
    TraceHeaders headers;
    EXPECT_TRUE(headers.take("TraceState", "foo=1"));
    EXPECT_FALSE(headers.take("trace-state", "foo=1"));
    EXPECT_FALSE(headers.take("trace.parent", std::string(kParent)));
}

TEST(Tracestate, OfSeveralHeadersIsOneList) {
    const std::pair<std::string, std::string> parent{"traceparent", std::string(kParent)};
    EXPECT_EQ(kept_of({parent,
                       {"tracestate", "foo=1,bar=2"},
                       {"TraceState", "rojo=1,congo=2"},
                       {"tracestate", "baz=3"}}),
              std::string(kParent) + " foo=1,bar=2,rojo=1,congo=2,baz=3");
    EXPECT_EQ(kept_of({parent, {"tracestate", ""}, {"tracestate", "foo=1"}, {"tracestate", ""}}),
              std::string(kParent) + " foo=1");
    // Of a key that is there twice the first counts.
    EXPECT_EQ(kept_of({parent, {"tracestate", "foo=1,bar=2"}, {"tracestate", "bar=3,foo=1"}}),
              std::string(kParent) + " foo=1,bar=2");
}

TEST(Tracestate, BlanksAndEmptyMembersAreNotHandedOn) {
    EXPECT_EQ(state_of("foo=1 \t , \t bar=2, \t baz=3"), "foo=1,bar=2,baz=3");
    EXPECT_EQ(state_of("foo=1,\t\t \t,bar=2,,"), "foo=1,bar=2");
    EXPECT_EQ(state_of(" \t"), "");
    EXPECT_EQ(state_of("foo=a b"), "foo=a b");
}

TEST(Tracestate, KeysAndValuesOfEachKindThatThereIs) {
    for (const std::string& good : std::vector<std::string>{
             "foo=1",
             "0a=1",
             "abcdefghijklmnopqrstuvwxyz0123456789_-*/=1",
             "a-b*c/d_e@f-g*h=" + times('~', 256),
             "fw529a3039@dt=FfwAAAAA!\"#$%&'()*+-./0123456789:;<>?@[\\]^_`{|}~",
             times('z', 256) + "=1",
             times('t', 241) + "@" + times('v', 14) + "=1",
         })
        EXPECT_EQ(state_of(good).substr(0, 8), good.substr(0, 8)) << good;
}

TEST(Tracestate, ThatIsNoneIsDroppedAndTheTraceparentStays) {
    for (const std::string& bad : std::vector<std::string>{
             "foo",
             "foo=",
             "=1",
             "foo =1",
             "FOO=1",
             "foo.bar=1",
             "_foo=1",
             "foo@=1,bar=2",
             "@foo=1,bar=2",
             "foo@@bar=1,bar=2",
             "foo@bar@baz=1,bar=2",
             "foo=1,bar=2=3",
             "foo=bar=baz",
             "foo=,bar=3",
             "foo=\x7f",
             "foo=caf\xc3\xa9",
             "foo=a\tb",
             times('z', 257) + "=1",
             times('t', 242) + "@v=1",
             "t@" + times('v', 15) + "=1",
             "foo=" + times('v', 257),
         })
        EXPECT_EQ(state_of(bad), "") << bad;
}

TEST(Tracestate, HasThirtyTwoMembersAtMost) {
    std::string state;
    for (int i = 1; i <= 32; ++i)
        state += (state.empty() ? "bar" : ",bar") + std::to_string(i) + "=" + std::to_string(i);
    EXPECT_EQ(state_of(state), state);
    EXPECT_EQ(state_of(state + ",bar33=33"), "");
}

TEST(Tracestate, ThatIsLongLosesLongMembersFirstAndThenTheLast) {
    const std::string big = "big=" + times('b', 200), huge = "huge=" + times('h', 250);
    EXPECT_EQ(state_of("a=1," + big + "," + huge + ",z=2"), "a=1," + big + "," + huge + ",z=2");
    EXPECT_EQ(state_of("a=1," + big + "," + huge + ",y=" + times('y', 100)),
              "a=1," + big + ",y=" + times('y', 100));
    std::string state;
    for (int i = 10; i < 30; ++i)
        state += (state.empty() ? "m" : ",m") + std::to_string(i) + "=" + times('v', 30);
    const std::string kept = state_of(state);
    EXPECT_EQ(kept, state.substr(0, kept.size()));
    EXPECT_LE(kept.size(), kTraceStateBytesMax);
    EXPECT_GT(kept.size(), kTraceStateBytesMax - 36);
}

// ---- beside the event

TEST(TraceFills, HoldDepthTraceAndState) {
    const std::string alone = trace_fill("", kParent);
    EXPECT_EQ(causation_depth_of(alone), 0u);
    EXPECT_EQ(trace_texts_of(alone).parent, kParent);
    EXPECT_EQ(trace_texts_of(alone).state, "");
    const std::string all = trace_fill("12", std::string(kParent) + " foo=a b,c=d");
    EXPECT_EQ(causation_depth_of(all), 12u);
    EXPECT_EQ(trace_texts_of(all).parent, kParent);
    EXPECT_EQ(trace_texts_of(all).state, "foo=a b,c=d");
    EXPECT_TRUE(has_trace(alone) && has_trace(all));
    for (const std::string_view none : {"", "3", "16", "3 00-12"}) {
        EXPECT_EQ(trace_texts_of(none).parent, "") << none;
        EXPECT_FALSE(has_trace(none)) << none;
    }
    EXPECT_EQ(trace_fill("7", ""), "7");
}

// ---- attempts

TracedAttempt attempt_of(std::string_view fills, std::uint32_t number) {
    return {fills, "chain", "dv_1", number, {}};
}

TEST(AttemptTrace, IsOfTheEventsTraceWithASpanOfItsOwn) {
    const std::string fills = trace_fill("", std::string(kParent) + " foo=1");
    const AttemptTrace first = trace_of_attempt(attempt_of(fills, 1), 0);
    EXPECT_EQ(traceparent_text(first.own).substr(0, 36), kParent.substr(0, 36));
    EXPECT_EQ(first.own.flags, 1);  // its own word, whatever is asked of others
    EXPECT_EQ(first.own.state, "foo=1");
    ASSERT_TRUE(first.parent);
    EXPECT_EQ(*first.parent, read_traceparent(kParent)->span);
    EXPECT_NE(first.own.span, *first.parent);
    // Made again it is the same one; another attempt, or one of a replay, is another.
    EXPECT_EQ(trace_of_attempt(attempt_of(fills, 1), 1).own.span, first.own.span);
    EXPECT_NE(trace_of_attempt(attempt_of(fills, 2), 1).own.span, first.own.span);
    TracedAttempt replayed = attempt_of(fills, 1);
    replayed.replay = R"({"id":"rp_1"})";
    EXPECT_NE(trace_of_attempt(replayed, 1).own.span, first.own.span);
}

TEST(AttemptTrace, WithoutOneBeginsOneThatEverybodyOfItsChainFinds) {
    const AttemptTrace one = trace_of_attempt(attempt_of("", 1), 1);
    EXPECT_FALSE(one.parent);
    EXPECT_TRUE(one.own.sampled());
    // sha256("chain") and sha256("dv_1/1"): what webhooks have said since they are there.
    EXPECT_EQ(traceparent_text(one.own), "00-9414886b1ebf025db067a4cbd13a0903-7e86405d774de09f-01");
    TracedAttempt other = attempt_of("4", 1);
    other.delivery_id = "dv_2";
    EXPECT_EQ(trace_of_attempt(other, 1).own.trace, one.own.trace);
    EXPECT_NE(trace_of_attempt(other, 1).own.span, one.own.span);
}

TEST(AttemptTrace, OfTracesThatBeginHereAPartIsSampledAllOfItsAttempts) {
    int sampled = 0;
    for (int i = 0; i < 2000; ++i) {
        const std::string chain = "c" + std::to_string(i);
        const auto is_sampled = [&](double sample, std::uint32_t number) {
            return trace_of_attempt({"", chain, "dv_1", number, {}}, sample).own.sampled();
        };
        EXPECT_FALSE(is_sampled(0, 1));
        EXPECT_TRUE(is_sampled(1, 1));
        EXPECT_EQ(is_sampled(0.25, 1), is_sampled(0.25, 7));
        // What a smaller part holds, a larger one holds too.
        EXPECT_TRUE(!is_sampled(0.25, 1) || is_sampled(0.5, 1));
        sampled += is_sampled(0.25, 1);
    }
    EXPECT_GT(sampled, 400);
    EXPECT_LT(sampled, 600);
    const std::string not_sampled =
        trace_fill("", "00-12345678901234567890123456789012-1234567890123456-00");
    EXPECT_FALSE(trace_of_attempt(attempt_of(not_sampled, 1), 1).own.sampled());
}

}  // namespace
}  // namespace millrace::runtime
