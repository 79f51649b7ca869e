// Goal: what a Redis server says is read as it is, in whatever pieces it comes, and what it says of
// a stream means what it means for one who has read so far. Method: replies as bytes.
#include "runtime/links/redis_stream.h"

#include "runtime/links/redis_replies.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime {
namespace {

std::string bulk(std::string_view text) {
    return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}
std::string entry(std::string_view id, std::initializer_list<std::string_view> fields) {
    std::string out = "*2\r\n" + bulk(id) + "*" + std::to_string(fields.size()) + "\r\n";
    for (const std::string_view field : fields) out += bulk(field);
    return out;
}
std::string stream(std::initializer_list<std::string> entries) {
    std::string out =
        "*1\r\n*2\r\n" + bulk("orders") + "*" + std::to_string(entries.size()) + "\r\n";
    for (const std::string& one : entries) out += one;
    return out;
}

// As "id=text;", or "?" for a reply of another shape.
std::string entries_of(const std::string& bytes, const LinkConfig& config, StreamPlace& place) {
    RedisReplies replies;
    replies.feed(bytes);
    EXPECT_EQ(replies.next(), RedisReplies::Found::kReply);
    SourceBatch batch;
    if (!read_entries(replies.reply(), config, place, batch)) return "?";
    std::string out;
    for (std::size_t i = 0; i < batch.size(); ++i)
        out.append(batch[i].id).append("=").append(batch[i].text).append(";");
    return out;
}

TEST(RedisReplies, ComeOutOfPieces) {
    const std::string bytes =
        "+PONG\r\n-ERR no\r\n:12\r\n$-1\r\n" + stream({entry("1-0", {"a", "b"})});
    for (std::size_t step = 1; step <= bytes.size(); ++step) {
        RedisReplies replies;
        std::string seen;
        for (std::size_t at = 0; at < bytes.size(); at += step) {
            replies.feed(std::string_view(bytes).substr(at, step));
            while (replies.next() == RedisReplies::Found::kReply) {
                RedisReading reply = replies.reply();
                const RedisValue& value = reply.peek();
                seen += std::to_string(static_cast<int>(value.kind)) + ":" +
                        std::string(value.text) + ":" + std::to_string(value.number) + " ";
            }
        }
        EXPECT_EQ(seen, "1:PONG:0 2:ERR no:0 4::12 0::0 5::1 ") << step;
    }
}

TEST(RedisReplies, WhatIsNoneIsBroken) {
    for (const std::string_view bytes :
         {"HTTP/1.1 400 Bad Request\r\n", "*99999999999\r\n", "*2000000\r\n"}) {
        RedisReplies replies;
        replies.feed(bytes);
        EXPECT_EQ(replies.next(), RedisReplies::Found::kBroken) << bytes;
        EXPECT_NE(replies.why_broken(), "");
        replies.feed("+OK\r\n");
        EXPECT_EQ(replies.next(), RedisReplies::Found::kBroken);
    }
}

TEST(RedisReplies, NoReplyIsLongerThanIsWaitedFor) {
    RedisReplies replies;
    replies.feed("$99999999999999\r\n");
    EXPECT_EQ(replies.next(), RedisReplies::Found::kNone);
    const std::string piece(RedisReplies::kReplyBytesMax / 4, 'x');
    for (int i = 0; i < 4; ++i) replies.feed(piece);
    EXPECT_EQ(replies.next(), RedisReplies::Found::kBroken);
}

TEST(RedisReplies, CommandsAreBytes) {
    std::string out;
    append_redis_command(out, {"XADD", "s", "a\r\nb"});
    EXPECT_EQ(out, "*3\r\n$4\r\nXADD\r\n$1\r\ns\r\n$4\r\na\r\nb\r\n");
}

TEST(RedisStream, EntriesGiveTheFieldThatIsWanted) {
    LinkConfig config;
    config.field = "event";
    StreamPlace place;
    place.count = 3;
    EXPECT_EQ(
        entries_of(stream({entry("5-1", {"x", "1", "event", "{}"}), entry("7-0", {"event", "2"})}),
                   config, place),
        "5-1={};7-0=2;");
    EXPECT_EQ(place.id.text(), "7-0");
    EXPECT_EQ(place.count, 5u);
}

TEST(RedisStream, AnEntryWithoutTheFieldIsKeptWithAllThatItHolds) {
    LinkConfig config;
    StreamPlace place;
    EXPECT_EQ(entries_of(stream({entry("5-1", {"x", "1", "y", "2"})}), config, place),
              "5-1=x: 1\ny: 2\n;");
}

TEST(RedisStream, AllFieldsBecomeAnObject) {
    LinkConfig config;
    config.format = LinkFormat::kFields;
    StreamPlace place;
    EXPECT_EQ(entries_of(stream({entry("5-1", {"a", "\"", "b", "2"})}), config, place),
              "5-1={\"a\":\"\\\"\",\"b\":\"2\"};");
    EXPECT_EQ(entries_of(stream({entry("5-2", {"a", "\xff"})}), config, place), "5-2=a: \xff\n;");
}

TEST(RedisStream, FieldsOfThatNameAreTheEntrysTrace) {
    constexpr std::string_view kParent = "00-12345678901234567890123456789012-1234567890123456-01";
    LinkConfig config;
    config.field = "event";
    RedisReplies replies;
    replies.feed(stream({entry("1-0", {"traceparent", kParent, "tracestate", "a=1", "event", "x"}),
                         entry("2-0", {"event", "y", "traceparent", "00-none"}),
                         entry("3-0", {"event", "z"})}));
    ASSERT_EQ(replies.next(), RedisReplies::Found::kReply);
    SourceBatch batch;
    StreamPlace place;
    ASSERT_TRUE(read_entries(replies.reply(), config, place, batch));
    ASSERT_EQ(batch.size(), 3u);
    EXPECT_EQ(batch[0].trace, std::string(kParent) + " a=1");
    EXPECT_EQ(batch[0].text, "x");
    EXPECT_EQ(batch[1].trace, "");
    EXPECT_EQ(batch[2].trace, "");
}

TEST(RedisStream, RepliesOfAnotherShapeAreTold) {
    LinkConfig config;
    StreamPlace place;
    for (const std::string& bytes :
         {std::string("*0\r\n"), std::string("+OK\r\n"), std::string("*1\r\n*1\r\n:1\r\n"),
          stream({"*2\r\n" + bulk("no-id") + "*0\r\n"}), stream({":5\r\n"}),
          stream({"*2\r\n" + bulk("1-1") + "*1\r\n" + bulk("odd")})})
        EXPECT_EQ(entries_of(bytes, config, place), "?") << bytes;
}

StreamInfo info_of(const std::string& bytes) {
    RedisReplies replies;
    replies.feed(bytes);
    EXPECT_EQ(replies.next(), RedisReplies::Found::kReply);
    StreamInfo info;
    EXPECT_TRUE(read_stream_info(replies.reply(), info));
    return info;
}

TEST(RedisStream, WhatTheServerSaysOfItIsRead) {
    const StreamInfo info =
        info_of("*10\r\n" + bulk("length") + ":3\r\n" + bulk("last-generated-id") + bulk("9-0") +
                bulk("entries-added") + ":7\r\n" + bulk("first-entry") + entry("5-0", {"a", "b"}) +
                bulk("last-entry") + entry("9-0", {"a", "b"}));
    EXPECT_EQ(info.length, 3u);
    EXPECT_EQ(info.added, 7u);
    EXPECT_EQ(info.first->text(), "5-0");
    EXPECT_EQ(info.last.text(), "9-0");
    EXPECT_FALSE(info_of("*4\r\n" + bulk("last-generated-id") + bulk("0-0") + bulk("first-entry") +
                         "$-1\r\n")
                     .first);
}

StreamInfo stream_of(std::uint64_t added, std::uint64_t length, StreamId first, StreamId last) {
    StreamInfo info;
    info.there = true;
    info.added = added;
    info.length = length;
    if (length > 0) info.first = first;
    info.last = last;
    return info;
}

TEST(RedisStream, OneThatHasGoneBackStops) {
    StreamPlace place{{9, 0}, 9};
    EXPECT_NE(check_stream(stream_of(5, 5, {1, 0}, {5, 0}), place, true).stops, "");
    EXPECT_NE(check_stream({}, place, true).stops, "");
    EXPECT_EQ(check_stream(stream_of(9, 9, {1, 0}, {9, 0}), place, true).stops, "");
    StreamPlace fresh;
    EXPECT_EQ(check_stream({}, fresh, false).stops, "");
    EXPECT_EQ(check_stream({}, fresh, true).stops, "");
    EXPECT_EQ(fresh.count, 0u);
}

TEST(RedisStream, WhatWasTrimmedBeforeItWasReadIsCounted) {
    StreamPlace place{{4, 0}, 4};
    StreamCheck check = check_stream(stream_of(10, 3, {8, 0}, {10, 0}), place, true);
    EXPECT_EQ(check.missed, 3u);  // 5, 6 and 7
    EXPECT_EQ(check.lag, 3u);
    EXPECT_EQ(check_stream(stream_of(10, 3, {8, 0}, {10, 0}), place, true).missed, 0u);
    // All of it, and nothing is left.
    place = {{4, 0}, 4};
    check = check_stream(stream_of(10, 0, {}, {10, 0}), place, true);
    EXPECT_EQ(check.missed, 6u);
    EXPECT_EQ(check.lag, 0u);
}

TEST(RedisStream, WhatWasReadAndThenTrimmedIsNotMissed) {
    StreamPlace place{{7, 0}, 7};
    const StreamCheck check = check_stream(stream_of(10, 3, {8, 0}, {10, 0}), place, true);
    EXPECT_EQ(check.missed, 0u);
    EXPECT_EQ(check.lag, 3u);
}

TEST(RedisStream, AFreshReaderMissesNothing) {
    StreamPlace place;
    const StreamCheck check = check_stream(stream_of(10, 3, {8, 0}, {10, 0}), place, false);
    EXPECT_EQ(check.missed, 0u);
    EXPECT_EQ(check.lag, 3u);
    EXPECT_EQ(place.count, 7u);
}

TEST(RedisStream, OneThatHasReadAllKnowsTheCountAgain) {
    StreamPlace place{{10, 0}, std::nullopt};
    EXPECT_EQ(check_stream(stream_of(10, 10, {1, 0}, {10, 0}), place, true).lag, 0u);
    EXPECT_EQ(place.count, 10u);
}

TEST(RedisStream, OlderServersDoNotCount) {
    StreamPlace place{{4, 0}, std::nullopt};
    StreamInfo info = stream_of(0, 3, {8, 0}, {10, 0});
    info.added.reset();
    const StreamCheck check = check_stream(info, place, true);
    EXPECT_FALSE(check.lag);
    EXPECT_EQ(check.missed, 0u);
}

TEST(StreamPlace, IsReadAsItWasWritten) {
    const StreamPlace place{{UINT64_MAX, 3}, 77};
    const auto read = StreamPlace::read(place.json());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->json(), place.json());
    EXPECT_TRUE(StreamPlace::read(R"({"id":"1-0"})"));
    for (const char* bad : {"{}", R"({"id":"1"})", R"({"id":"-"})", R"({"id":"a-b"})",
                            R"({"id":"18446744073709551616-0"})"})
        EXPECT_FALSE(StreamPlace::read(bad)) << bad;
}

}  // namespace
}  // namespace millrace::runtime
