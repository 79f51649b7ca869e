// Goal: the small parts of the command line: tables, progress, SSE, metrics, JSON, times.
// Method: exact texts; time is moved by hand.
#include "tools/cli/context.h"
#include "tools/cli/dlq_portions.h"
#include "tools/cli/json.h"
#include "tools/cli/metrics.h"
#include "tools/cli/pattern_hint.h"
#include "tools/cli/progress.h"
#include "tools/cli/shown.h"
#include "tools/cli/sse.h"
#include "tools/cli/table.h"
#include "tools/cli/usual_words.h"

#include <gtest/gtest.h>

#include <sstream>

namespace millrace::tools {
namespace {

TEST(Table, AlignsColumnsAndLeavesPipesUncut) {
    Table table({"ID", "TEXT"});
    table.add({"a", "x"});
    table.add({"long", std::string(200, 'y')});
    std::ostringstream out;
    table.print(out, {});
    EXPECT_EQ(out.str(), "ID    TEXT\na     x\nlong  " + std::string(200, 'y') + "\n");
}

TEST(Table, CutsTheLastColumnToTheTerminal) {
    Table table({"ID", "TEXT"});
    table.add({"a", std::string(200, 'y')});
    std::ostringstream out;
    table.print(out, {.colour = false, .width_columns = 24});
    EXPECT_EQ(out.str(), "ID  TEXT\na   " + std::string(17, 'y') + "...\n");
}

TEST(Table, ColoursOnlyWhenAsked) {
    Table table({"S"});
    table.add({Cell("failed", Style::kBad)});
    std::ostringstream plain;
    table.print(plain, {});
    EXPECT_EQ(plain.str().find('\x1b'), std::string::npos);
    std::ostringstream coloured;
    table.print(coloured, {.colour = true, .width_columns = 80});
    EXPECT_NE(coloured.str().find("\x1b[31mfailed\x1b[0m"), std::string::npos);
}

TEST(Table, CountsCodePointsNotBytes) {
    EXPECT_EQ(display_columns("h\xC3\xA9llo"), 5u);
    EXPECT_EQ(cut_to_columns("h\xC3\xA9llo w\xC3\xB6rld", 7), "h\xC3\xA9ll...");
}

TEST(Table, CellsOfSeveralLinesTakeSeveralLines) {
    Table table({"ID", "ERROR", "N"});
    table.add({"a", "bad day\nstack:\n\tline 1\n", "1"});
    table.add({"b", "\x1b[31m", "2"});
    std::ostringstream out;
    table.print(out, {});
    EXPECT_EQ(out.str(),
              "ID  ERROR     N\n"
              "a   bad day   1\n"
              "    stack:    \n"
              "      line 1  \n"
              "b   \\x1b[31m  2\n");
    EXPECT_EQ(table.row_count(), 2u);
}

TEST(Progress, IsSilentWithoutATerminal) {
    std::ostringstream out;
    {
        Progress progress(out, {.label = "x", .total = 10});
        progress.update(5, 5);
    }
    EXPECT_EQ(out.str(), "");
}

TEST(Progress, DrawsABarAndEndsTheLine) {
    std::ostringstream out;
    Progress::Clock::time_point now{};
    Progress progress(
        out, {.label = "loading", .total = 10, .enabled = true, .now = [&] { return now; }});
    now += std::chrono::seconds(1);
    progress.update(5, 2000);
    progress.update(6, 2400);  // too soon: not drawn
    progress.finish();
    EXPECT_NE(out.str().find("[############............]   50%  2.0k events  2.0k/s"),
              std::string::npos)
        << out.str();
    EXPECT_NE(out.str().find("60%"), std::string::npos);
    EXPECT_EQ(out.str().back(), '\n');
}

TEST(Progress, SaysWhatIsLeftFromThePaceSoFar) {
    std::ostringstream out;
    Progress::Clock::time_point now{};
    Progress progress(
        out, {.label = "loading", .total = 100, .enabled = true, .now = [&] { return now; }});
    now += std::chrono::seconds(10);
    progress.update(25, 25);
    EXPECT_NE(out.str().find("30 s left"), std::string::npos) << out.str();
    progress.update(100, 100);
    out.str("");
    progress.finish();
    EXPECT_EQ(out.str().find("left"), std::string::npos) << out.str();
    EXPECT_EQ(short_duration(7300), "2.0 h");
}

TEST(Shown, TimesAreRelativeAndOthersAsTheyAre) {
    constexpr std::int64_t kNowUs = 1'767'225'600'000'000;  // 2026-01-01T00:00:00Z
    EXPECT_EQ(relative_time("2025-12-31T23:59:18Z", kNowUs), "42 s ago");
    EXPECT_EQ(relative_time("2026-01-01T00:05:00Z", kNowUs), "in 5 min");
    EXPECT_EQ(relative_time("2025-12-31T14:00:00Z", kNowUs), "10 h ago");
    EXPECT_EQ(relative_time("2025-12-20T00:00:00Z", kNowUs), "12 d ago");
    EXPECT_EQ(relative_time("2025-01-01T00:00:00Z", kNowUs), "2025-01-01");
    EXPECT_EQ(relative_time("behind its key", kNowUs), "behind its key");
}

TEST(Shown, IdsAreAsShortAsTellsThemApartAndOnlyForPeople) {
    std::ostringstream out;
    const std::vector<std::string> ids = {"sub_0123456789abcdef", "sub_0123456799abcdef", "orders"};
    CliContext person({.out = out, .err = out, .terminal = {.colour = false, .width_columns = 80}});
    const ShortIds shown(person, ids);
    EXPECT_EQ(shown(ids[0]), "sub_012345678");
    EXPECT_EQ(shown(ids[1]), "sub_012345679");
    EXPECT_EQ(shown("orders"), "orders");
    CliContext pipe({.out = out, .err = out, .terminal = {}});
    EXPECT_EQ(ShortIds(pipe, ids)(ids[0]), ids[0]);
    person.full = true;
    EXPECT_EQ(ShortIds(person, ids)(ids[0]), ids[0]);
}

TEST(PatternHint, SignsOfOtherSystemsAreToldOfAndLettersAreNot) {
    for (const char* pattern : {"orders.>", "sensors/#", "a.+.b", "a.**", ">", "#"})
        EXPECT_NE(pattern_hint(pattern), "") << pattern;
    for (const char* pattern : {"orders.*", "c#.compiled", "a+b.c", "", "x>y"})
        EXPECT_EQ(pattern_hint(pattern), "") << pattern;
}

TEST(UsualWords, AVerbOfElsewhereIsTheOneThatTheNounHas) {
    CLI::App noun;
    for (const char* verb : {"list", "info", "register", "revoke"}) noun.add_subcommand(verb);
    const std::pair<const char*, const char*> meant[] = {
        {"ls", "list"},      {"get", "info"},        {"describe", "info"},
        {"new", "register"}, {"create", "register"}, {"rm", "revoke"},
        {"edit", ""},        {"ship", ""},           {"", ""}};
    for (const auto& [word, verb] : meant) EXPECT_EQ(usual_verb(noun, word), verb) << word;
}

TEST(UsualWords, AnOptionIsOnlyMeantWhereItIs) {
    EXPECT_EQ(usual_option("--since", {"--from", "--to"}), "--from");
    EXPECT_EQ(usual_option("--since", {"--limit"}), "");
    EXPECT_EQ(usual_option("--frobnicate", {"--from"}), "");
}

TEST(Portions, StopWhenMoreThanTheShareHasFailed) {
    EXPECT_FALSE(too_many_failed({}, 0));
    EXPECT_FALSE(too_many_failed({.delivered = 10}, 0));
    EXPECT_TRUE(too_many_failed({.delivered = 1000, .failed = 1}, 0));
    EXPECT_FALSE(too_many_failed({.delivered = 8, .failed = 2}, 20));
    EXPECT_TRUE(too_many_failed({.delivered = 8, .failed = 3}, 20));
    EXPECT_FALSE(too_many_failed({.failed = 5}, 100));
}

TEST(Sse, ReadsMessagesSplitAnywhere) {
    const std::string text = ": hello\nid: 7\ndata: a\ndata: b\n\nid: 8\r\ndata:c\r\n\r\n";
    for (std::size_t split = 0; split <= text.size(); ++split) {
        std::string seen;
        SseParser parser([&](const SseMessage& m) { seen += m.id + "=" + m.data + ";"; });
        parser.feed(std::string_view(text).substr(0, split));
        parser.feed(std::string_view(text).substr(split));
        EXPECT_EQ(seen, "7=a\nb;8=c;");
    }
}

TEST(Metrics, ReadsLabelsWithQuotesAndBraces) {
    const auto samples =
        parse_metrics("# TYPE a counter\na{x=\"q\\\"}\",y=\"2\"} 1.5\na 2\nbroken\n");
    ASSERT_EQ(samples.size(), 2u);
    EXPECT_EQ(samples[0].label("x"), "q\"}");
    EXPECT_EQ(samples[0].label("y"), "2");
    EXPECT_DOUBLE_EQ(metric_sum(samples, "a"), 3.5);
    EXPECT_DOUBLE_EQ(metric_sum(samples, "a", "y", "2"), 1.5);
    EXPECT_FALSE(metric_exists(samples, "b"));
}

TEST(Json, QuotesAndShowsSafely) {
    EXPECT_EQ(json_quoted("a\"\\\n"), "\"a\\\"\\\\\\u000a\"");
    EXPECT_EQ(printable("a\x1b[31m\n\xC2\x9B"), "a\\x1b[31m\\x0a\\x9b");
    core::JsonDom dom;
    const core::JsonElement root = dom.parse(R"({"a":{"b":[1,"x"]},"n":null})").value();
    EXPECT_EQ(text_at(root, "a.b"), R"([1,"x"])");
    EXPECT_EQ(text_at(root, "n"), "");
    EXPECT_EQ(text_at(root, "missing.deep"), "");
    EXPECT_EQ(json_pretty(root),
              "{\n  \"a\": {\n    \"b\": [\n      1,\n      \"x\"\n    ]\n  },\n  \"n\": null\n}");
}

// One number beyond 64 bits in a payload, and a list was called "not JSON" once.
TEST(Json, ShowsEveryNumberAsItStands) {
    core::JsonDom dom;
    const core::JsonElement root =
        dom.parse(R"({"n":100000000000000000001,"l":[1e400,-0,0.10000000000000001]})").value();
    EXPECT_EQ(text_at(root, "n"), "100000000000000000001");
    EXPECT_EQ(text_at(root, "l"), "[1e400,-0,0.10000000000000001]");
    EXPECT_EQ(json_pretty(root),
              "{\n  \"n\": 100000000000000000001,\n  \"l\": [\n    1e400,\n    -0,\n    "
              "0.10000000000000001\n  ]\n}");
}

TEST(Times, RelativeTimesAreComputedAndOthersPassed) {
    constexpr std::int64_t kNowUs = 1'767'225'600'000'000;  // 2026-01-01T00:00:00Z
    EXPECT_EQ(time_argument("15m", kNowUs), "2025-12-31T23:45:00.000000Z");
    EXPECT_EQ(time_argument("1d", kNowUs), "2025-12-31T00:00:00.000000Z");
    EXPECT_EQ(time_argument("2026-01-01T00:00:00Z", kNowUs), "2026-01-01T00:00:00Z");
    EXPECT_EQ(time_argument("", kNowUs), "");
}

}  // namespace
}  // namespace millrace::tools
