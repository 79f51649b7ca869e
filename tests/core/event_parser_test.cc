// Goal: the one parse fills envelope and fields rightly, isolates bad entries, names errors.
// Method: hand-made texts in every format, at the end of a buffer that is full of misleading bytes.
#include "core/event_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::core {
namespace {

// A text followed by bytes that would continue it, so that reading past its end shows.
class Padded {
public:
    explicit Padded(std::string text) : size_(text.size()), text_(std::move(text)) {
        for (int i = 0; i < 8; ++i) text_ += "}]}],\"1\"";
    }
    std::string_view view() const { return std::string_view(text_).substr(0, size_); }

private:
    std::size_t size_;
    std::string text_;
};

struct Seen {
    std::vector<std::string> patterns;  // "" for a rejected entry
    std::vector<std::string> errors;
    std::vector<std::string> fields;
    std::vector<std::int64_t> positions;
};

Seen read_all(EventParser& parser, std::string_view text, BatchFormat format) {
    Seen seen;
    const Status status = parser.begin(text, format);
    if (!status) {
        seen.errors.push_back(status.error().message);
        return seen;
    }
    Envelope envelope;
    Error error;
    for (;;) {
        const ParseOutcome outcome = parser.next(nullptr, envelope, nullptr, error);
        if (outcome == ParseOutcome::kEnd) return seen;
        if (outcome == ParseOutcome::kEvent) {
            seen.patterns.emplace_back(envelope.pattern);
            continue;
        }
        seen.patterns.emplace_back();
        seen.errors.push_back(error.message);
        seen.fields.push_back(error.field);
        seen.positions.push_back(error.position);
    }
}

Seen read_all(const std::string& text, BatchFormat format) {
    EventParser parser;
    const Padded padded(text);
    return read_all(parser, padded.view(), format);
}

TEST(EventParser, FillsEveryMemberOfTheEnvelope) {
    const Padded text(
        R"({"eventId":"e1","pattern":"a.b","version":"2","source":{"type":"task","id":"s1"},)"
        R"("timestamp":"2023-11-14T22:13:20Z","payload":{"a":1},)"
        R"("metadata":{"correlationId":"c","causationId":"d","context":{"type":"user","id":"u"},"more":[]},)"
        R"("partitionKey":"k\u00e9y","priority":-3,"scheduledAt":"2023-11-14T22:13:21Z","tenantId":"t","x-own":{}})");
    EventParser parser;
    Envelope e;
    const Status status = parser.parse_one(text.view(), nullptr, e, nullptr);
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_EQ(e.raw, text.view());
    EXPECT_EQ(e.event_id, "e1");
    EXPECT_EQ(e.pattern, "a.b");
    EXPECT_EQ(e.version, "2");
    EXPECT_EQ(e.source_type, "task");
    EXPECT_EQ(e.source_id, "s1");
    EXPECT_EQ(e.timestamp_us, 1'700'000'000'000'000);
    EXPECT_EQ(e.payload, R"({"a":1})");
    EXPECT_EQ(e.correlation_id, "c");
    EXPECT_EQ(e.causation_id, "d");
    EXPECT_EQ(e.context_type, "user");
    EXPECT_EQ(e.context_id, "u");
    EXPECT_EQ(e.metadata.substr(0, 16), R"({"correlationId")");
    EXPECT_EQ(e.metadata.back(), '}');
    EXPECT_EQ(e.partition_key, "k\xc3\xa9y");
    EXPECT_EQ(e.priority, -3);
    EXPECT_EQ(e.scheduled_at_us, 1'700'000'001'000'000);
    EXPECT_EQ(e.tenant_id, "t");
    for (unsigned bit = 0; bit <= static_cast<unsigned>(EnvelopeField::kTenantId); ++bit) {
        EXPECT_TRUE(e.has(static_cast<EnvelopeField>(bit))) << bit;
    }
}

TEST(EventParser, NamesTheWrongMember) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {R"({"pattern":5})", "pattern"},
        {R"({"pattern":""})", "pattern"},
        {R"({"payload":{}})", "pattern"},
        {R"({"pattern":"a","eventId":null})", "eventId"},
        {R"({"pattern":"a","source":{"type":"robot"}})", "source.type"},
        {R"({"pattern":"a","source":"x"})", "source"},
        {R"({"pattern":"a","timestamp":"yesterday"})", "timestamp"},
        {R"({"pattern":"a","payload":[1]})", "payload"},
        {R"({"pattern":"a","metadata":{"context":{"type":"x"}}})", "metadata.context.type"},
        {R"({"pattern":"a","priority":1.5})", "priority"},
        {R"({"pattern":"a","priority":99999999999})", "priority"},
        {R"({"pattern":"a","other":1})", "other"},
        {R"({"pattern":"a","partitionKey":")" + std::string(300, 'k') + R"("})", "partitionKey"},
    };
    for (const auto& [text, field] : cases) {
        const Seen seen = read_all(text, BatchFormat::kJson);
        ASSERT_EQ(seen.errors.size(), 1u) << text;
        EXPECT_EQ(seen.fields.at(0), field) << text << ": " << seen.errors[0];
    }
}

// What a path or a screen could not show again.
TEST(EventParser, IdsAndPatternsHoldNoControlCharacters) {
    const std::string_view bad[] = {R"(a\u0000b)", R"(\u0001)", R"(a\nb)",   R"(a\tb)",
                                    R"(\u001f)",   "a\x7f",     R"(\u007f)", R"(k\u00e9\r)"};
    for (const std::string_view text : bad) {
        for (const std::string_view member : {"eventId", "pattern"}) {
            std::string event = R"({"pattern":"a","eventId":"e"})";
            const std::string name = "\"" + std::string(member) + "\":\"";
            event.replace(event.find(name) + name.size(), 1, text);
            const Seen seen = read_all(event, BatchFormat::kJson);
            ASSERT_EQ(seen.errors.size(), 1u) << event;
            EXPECT_EQ(seen.fields[0], member);
            EXPECT_NE(seen.errors[0].find("control characters"), std::string::npos);
        }
    }
    for (const char* id : {".", "..", R"(\u002e)", R"(.\u002E)"}) {
        const Seen seen =
            read_all(R"({"pattern":"a","eventId":")" + std::string(id) + "\"}", BatchFormat::kJson);
        ASSERT_EQ(seen.errors.size(), 1u) << id;
        EXPECT_EQ(seen.fields[0], "eventId");
    }
    for (const char* id : {"...", ".a", "stream", R"(a\/b \u00e9)", "a%2Fb", "\xc2\x85", "~"}) {
        const Seen seen =
            read_all(R"({"pattern":")" + std::string(id) + R"(","eventId":")" + id + "\"}",
                     BatchFormat::kJson);
        EXPECT_EQ(seen.errors.size(), 0u) << id;
    }
}

TEST(EventParser, PrioritiesHaveNames) {
    const auto priority = [](const std::string& name) {
        const Padded text(R"({"pattern":"a","priority":")" + name + "\"}");
        EventParser parser;
        Envelope e;
        const Status status = parser.parse_one(text.view(), nullptr, e, nullptr);
        if (!status) return status.error().field == "priority" ? -99 : -100;
        return e.has(EnvelopeField::kPriority) ? e.priority : -98;
    };
    EXPECT_EQ(priority("LOW"), -10);
    EXPECT_EQ(priority("NORMAL"), 0);
    EXPECT_EQ(priority("HIGH"), 10);
    EXPECT_EQ(priority(R"(\u0048IGH)"), 10);
    EXPECT_EQ(priority("CRITICAL"), 20);
    for (const char* name : {"high", "", "URGENT", "10"}) EXPECT_EQ(priority(name), -99) << name;
}

TEST(EventParser, RefusesAKeyTwiceInOneObject) {
    for (const char* text :
         {R"({"pattern":"a","pattern":"b"})", R"({"pattern":"a","payload":{"k":1,"k":1}})",
          R"({"pattern":"a","payload":{"k":1,"\u006b":1}})",
          R"({"pattern":"a","x-a":1,"x-a":2})"}) {
        const Seen seen = read_all(text, BatchFormat::kJson);
        ASSERT_EQ(seen.errors.size(), 1u) << text;
        EXPECT_NE(seen.errors[0].find("same key twice"), std::string::npos) << seen.errors[0];
    }
    std::string many = R"({"pattern":"a","payload":{)";
    for (int i = 0; i < 500; ++i) many += "\"key" + std::to_string(i) + "\":1,";
    EXPECT_EQ(read_all(many + "\"last\":1}}", BatchFormat::kJson).errors.size(), 0u);
    EXPECT_EQ(read_all(many + "\"key7\":1}}", BatchFormat::kJson).errors.size(), 1u);
}

TEST(EventParser, TakesTheGoodLinesBesideBadOnes) {
    const std::string good = R"({"pattern":"ok","payload":{"s":"a\"b"}})";
    const std::vector<std::string> bad = {
        "{\"pattern\":\"x\"",
        "}",
        "{\"pattern\":\"x\"} {}",
        "[1,2]",
        "nul",
        "\"open",
        "{\"pattern\":\"\xff\xfe\"}",
        "{\"pattern\":\"a\tb\"}",
        "{\"pattern\":",
        "{\"a\\",
        "1",
        "{}",
        "{\"pattern\":\"x\",\"payload\":{\"n\":01}}",
        "{\"pattern\":\"\\ud800\"}",
        "{\"pattern\":\"x\",",
    };
    for (const std::string& line : bad) {
        for (const std::string& end : {std::string("\n"), std::string("\r\n")}) {
            const Seen seen = read_all(good + end + line + end + good, BatchFormat::kNdjson);
            EXPECT_EQ(seen.patterns, (std::vector<std::string>{"ok", "", "ok"})) << line;
        }
    }
    for (const std::string& a : bad) {
        for (const std::string& b : bad) {
            const Seen seen =
                read_all(a + "\n" + b + "\n\n" + good + "\n" + a, BatchFormat::kNdjson);
            EXPECT_EQ(seen.patterns, (std::vector<std::string>{"", "", "ok", ""}))
                << a << " / " << b;
        }
    }
}

// Found by the fuzzer: the walker stopped at the first byte, a colon, and read the one before.
TEST(EventParser, ReadsNothingBeforeTheText) {
    const Seen seen = read_all(":n,\"\"\n{\"pattern\":\"b\"", BatchFormat::kNdjson);
    EXPECT_EQ(seen.patterns, (std::vector<std::string>{"", ""}));
}

TEST(EventParser, DoesNotLetAnObjectSpanLines) {
    const Seen seen = read_all("{\"pattern\":\"a\",\n\"payload\":{}}\n{\"pattern\":\"b\"}\n",
                               BatchFormat::kNdjson);
    EXPECT_EQ(seen.patterns, (std::vector<std::string>{"", "", "b"}));
}

TEST(EventParser, ReadsArraysAndRejectsMembersAlone) {
    const Seen seen = read_all(R"( [ {"pattern":"a"} , {"pattern":1}, 7, {"pattern":"b"} ] )",
                               BatchFormat::kJson);
    EXPECT_EQ(seen.patterns, (std::vector<std::string>{"a", "", "", "b"}));
}

TEST(EventParser, EndsABatchAtASyntaxErrorOfTheArray) {
    for (const char* text :
         {R"([{"pattern":"a"} {"pattern":"b"}])", R"([{"pattern":"a"},)", R"([{"pattern":"a"})",
          R"([{"pattern":"a"}]])", R"([{"pattern":"a"},{"pattern":"b"}}])"}) {
        EventParser parser;
        const Padded padded(text);
        const Seen seen = read_all(parser, padded.view(), BatchFormat::kJson);
        EXPECT_TRUE(parser.broken()) << text;
        EXPECT_EQ(seen.errors.size(), 1u) << text;
    }
}

TEST(EventParser, RefusesBodiesWithoutEvents) {
    for (const char* text : {"", " ", "[]", "[] ", "5", "\"x\"", "nul", "[]]", "]", "{", "["}) {
        const Seen seen = read_all(text, BatchFormat::kJson);
        EXPECT_EQ(seen.errors.size(), 1u) << text;
    }
    EXPECT_EQ(read_all(" \n\n \n", BatchFormat::kNdjson).patterns.size(), 0u);
}

TEST(EventParser, FindsLinesAcrossWindows) {
    EventParser parser(EventParser::Options{.event_bytes_max = 600, .window_bytes = 200});
    std::string text;
    std::vector<std::string> expected;
    for (int i = 0; i < 300; ++i) {
        const std::string name = "p" + std::to_string(i);
        const std::size_t filler = static_cast<std::size_t>(i * 7 % 900);
        const std::string line = "{\"pattern\":\"" + name + "\",\"payload\":{\"f\":\"" +
                                 std::string(filler, 'f') + "\"}}";
        text += line + "\n";
        if (i % 11 == 0) text += "broken \"\n\n";
        expected.push_back(line.size() > 600 ? "" : name);
        if (i % 11 == 0) expected.emplace_back();
    }
    const Padded padded(text);
    EXPECT_EQ(read_all(parser, padded.view(), BatchFormat::kNdjson).patterns, expected);
}

TEST(EventParser, TellsLineAndPosition) {
    EventParser parser;
    const Padded padded("\n{\"pattern\":\"a\"}\n\n{\"pattern\":7}\n");
    ASSERT_TRUE(parser.begin(padded.view(), BatchFormat::kNdjson));
    Envelope envelope;
    Error error;
    EXPECT_EQ(parser.next(nullptr, envelope, nullptr, error), ParseOutcome::kEvent);
    EXPECT_EQ(parser.line(), 2u);
    EXPECT_EQ(parser.index(), 0u);
    EXPECT_EQ(parser.next(nullptr, envelope, nullptr, error), ParseOutcome::kRejected);
    EXPECT_EQ(parser.line(), 4u);
    EXPECT_EQ(parser.index(), 1u);
    EXPECT_EQ(padded.view()[static_cast<std::size_t>(error.position)], '7');
}

// A text that ended behind a string was told as one with a malformed string.
TEST(EventParser, TellsAnEndBehindAStringFromABadString) {
    Seen seen = read_all(R"({"pattern":"x" )", BatchFormat::kJson);
    ASSERT_EQ(seen.errors.size(), 1u);
    EXPECT_NE(seen.errors[0].find("ends inside"), std::string::npos) << seen.errors[0];
    seen = read_all(R"({"pattern":"x"y)", BatchFormat::kJson);
    ASSERT_EQ(seen.errors.size(), 1u);
    EXPECT_EQ(seen.positions[0], 14) << seen.errors[0];
}

TEST(EventParser, BoundsDepthAndSize) {
    const auto nested = [](int depth) {
        return R"({"pattern":"a","payload":{"v":)" +
               std::string(static_cast<std::size_t>(depth), '[') +
               std::string(static_cast<std::size_t>(depth), ']') + "}}";
    };
    EXPECT_EQ(read_all(nested(62), BatchFormat::kJson).errors.size(), 0u);
    EXPECT_EQ(read_all(nested(63), BatchFormat::kJson).errors.size(), 1u);
    EXPECT_EQ(read_all(std::string(1'000'000, '['), BatchFormat::kJson).errors.size(), 1u);
    std::string deep = R"({"pattern":"a","payload":)";
    for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
    EXPECT_EQ(read_all(deep, BatchFormat::kJson).errors.size(), 1u);
    const std::string big =
        R"({"pattern":"a","payload":{"v":")" + std::string(kEventBytesMax, 'v') + "\"}}";
    EXPECT_EQ(read_all(big, BatchFormat::kJson).errors.size(), 1u);
    EXPECT_EQ(read_all(big + "\n{\"pattern\":\"b\"}", BatchFormat::kNdjson).patterns,
              (std::vector<std::string>{"", "b"}));
}

// Whoever meets a limit is told which one it is.
TEST(EventParser, NamesTheLimitThatIsPassed) {
    const auto says = [](const std::string& payload, const std::string& words) {
        const auto seen =
            read_all(R"({"pattern":"a","payload":)" + payload + "}", BatchFormat::kJson);
        ASSERT_EQ(seen.errors.size(), 1u);
        EXPECT_NE(seen.errors[0].find(words), std::string::npos) << seen.errors[0];
    };
    says(R"({"v":)" + std::string(100, '[') + std::string(100, ']') + "}",
         "beyond " + std::to_string(kJsonDepthMax) + " levels");
    std::string keys = R"({"k":0)";
    for (std::size_t i = 0; i < kJsonKeysPerObjectMax; ++i)
        keys += ",\"k" + std::to_string(i) + "\":0";
    says(keys + "}", "more than " + std::to_string(kJsonKeysPerObjectMax));
}

TEST(EventParser, RefusesEveryTruncation) {
    const std::string text =
        R"({"eventId":"e","pattern":"a","payload":{"a":[1,2.5e3,{"b":null}],"c":"x\n\u00e9","d":true}})";
    for (std::size_t bytes = 0; bytes < text.size(); ++bytes) {
        EXPECT_EQ(read_all(text.substr(0, bytes), BatchFormat::kJson).errors.size(), 1u) << bytes;
        EXPECT_EQ(read_all("[" + text.substr(0, bytes), BatchFormat::kJson).errors.size(), 1u)
            << bytes;
        if (bytes == 0) continue;
        EXPECT_EQ(read_all(text.substr(0, bytes), BatchFormat::kNdjson).errors.size(), 1u) << bytes;
    }
}

}  // namespace
}  // namespace millrace::core
