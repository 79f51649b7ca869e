// Goal: every mode of the CloudEvents 1.0 HTTP binding becomes the envelope that the mapping says,
// bad events are refused by the attribute's name, and what came as a CloudEvent leaves as the same.
#include "runtime/event/cloudevents.h"

#include "core/event_parser.h"
#include "core/limits.h"

#include <gtest/gtest.h>

#include <cstring>

namespace millrace::runtime {
namespace {

std::string converted(std::string_view text) {
    std::string out;
    const auto status = envelope_from_cloud_event(text, out);
    return status ? out : "error: " + status.error().message;
}

struct Headers {
    std::vector<io::HeaderField> fields = {
        {"ce-specversion", "1.0"}, {"Ce-Id", "1"}, {"CE-Source", "/s"}, {"ce-type", "t"}};
    Headers& add(std::string_view name, std::string_view value) {
        fields.push_back({name, value});
        return *this;
    }
};

std::string binary(const Headers& headers, std::string_view content_type, std::string_view body) {
    std::string out;
    const auto status = envelope_from_binary_cloud_event(headers.fields, content_type, body, out);
    return status ? out : "error: " + status.error().message;
}

// Through the envelope and back.
std::string round_trip(const std::string& envelope_text) {
    std::string padded = envelope_text;
    padded.append(core::kPaddingBytes, ' ');
    core::EventParser parser;
    core::Envelope envelope;
    core::Error error;
    EXPECT_TRUE(parser.begin(std::string_view(padded).substr(0, envelope_text.size()),
                             core::BatchFormat::kJson));
    EXPECT_EQ(parser.next(nullptr, envelope, nullptr, error), core::ParseOutcome::kEvent)
        << error.message << envelope_text;
    std::string out;
    append_cloud_event(envelope, {.event_id = "ev_1", .received_at_us = 0}, out);
    return out;
}

constexpr std::string_view kMinimal =
    R"("specversion":"1.0","id":"1","source":"https://a.io","type":"t.created")";

std::string with(std::string_view more) {
    return "{" + std::string(kMinimal) + std::string(more) + "}";
}

TEST(CloudEvents, ModeComesFromContentTypeThenHeaders) {
    const std::vector<io::HeaderField> ce = {{"CE-SpecVersion", "1.0"}};
    EXPECT_EQ(cloud_event_mode("application/cloudevents+json; charset=utf-8", {}),
              CloudEventMode::kStructured);
    EXPECT_EQ(cloud_event_mode("Application/CloudEvents-Batch+json", {}), CloudEventMode::kBatch);
    EXPECT_EQ(cloud_event_mode("application/json", ce), CloudEventMode::kBinary);
    EXPECT_EQ(cloud_event_mode("application/json", {}), CloudEventMode::kNone);
}

TEST(CloudEvents, MapsCoreAttributesToTheEnvelope) {
    EXPECT_EQ(
        converted(with("")),
        R"({"eventId":"1","pattern":"t.created","source":{"type":"external","id":"https://a.io"},"x-ce":{"specversion":"1.0"}})");
    EXPECT_EQ(
        converted(with(
            R"(,"time":"2018-04-05T17:31:00Z","subject":"s","datacontenttype":"application/json",)"
            R"("dataschema":"https://a.io/s","correlationid":"c","causationid":"d","partitionkey":"p",)"
            R"("data": { "a" : 1.0 } ,"extbool":true,"extint":-10,"extstring":"x")")),
        R"({"eventId":"1","pattern":"t.created","source":{"type":"external","id":"https://a.io"},)"
        R"("timestamp":"2018-04-05T17:31:00Z","payload":{ "a" : 1.0 },)"
        R"("metadata":{"correlationId":"c","causationId":"d"},"partitionKey":"p",)"
        R"("x-ce":{"specversion":"1.0","subject":"s","datacontenttype":"application/json",)"
        R"("dataschema":"https://a.io/s","extbool":true,"extint":-10,"extstring":"x"}})");
}

TEST(CloudEvents, NullAttributesCountAsAbsent) {
    EXPECT_EQ(
        converted(with(R"(,"datacontenttype":null,"dataschema":null,"subject":null,"time":null)")),
        converted(with("")));
}

TEST(CloudEvents, WrapsDataThatIsNoObject) {
    EXPECT_NE(
        converted(with(R"(,"data":"Simple text")")).find(R"("payload":{"data":"Simple text"})"),
        std::string::npos);
    EXPECT_NE(converted(with(R"(,"data":[1,2])")).find(R"("payload":{"data":[1,2]})"),
              std::string::npos);
    EXPECT_NE(
        converted(with(R"(,"data_base64":"TWE=")")).find(R"("payload":{"data_base64":"TWE="})"),
        std::string::npos);
}

TEST(CloudEvents, RefusesBadEventsByTheAttributesName) {
    const char* rows[][2] = {
        {R"({"id":"1","source":"s","type":"t"})", "specversion is required"},
        {R"({"specversion":"1.0","source":"s","type":"t"})", "id is required"},
        {R"({"specversion":"1.0","id":"1","type":"t"})", "source is required"},
        {R"({"specversion":"1.0","id":"1","source":"s"})", "type is required"},
        {R"({"specversion":"0.3","id":"1","source":"s","type":"t"})", "specversion is \"0.3\""},
        {R"({"specversion":"1.0","id":"","source":"s","type":"t"})", "id must not be empty"},
        {R"({"specversion":"1.0","id":25,"source":"s","type":"t"})", "id must be a string"},
        {R"({"specversion":"1.0","id":{"a":"b"},"source":"s","type":"t"})", "id must be a string"},
        {R"({"specversion":"1.0","id":"1","id":"2","source":"s","type":"t"})",
         "id stands there twice"},
    };
    // The place is told between the name and what is wrong.
    const auto said = [](std::string_view text) {
        std::string message = converted(text);
        if (const std::size_t at = message.find(" at byte "); at != std::string::npos)
            message.erase(at, message.find(' ', at + 9) - at);
        return message;
    };
    for (const auto& row : rows)
        EXPECT_NE(said(row[0]).find(row[1]), std::string::npos) << converted(row[0]);
    const char* more[][2] = {
        {R"(,"time":"lunchtime")", "time is"},
        {R"(,"time":"2018-04-05T18:31Z")", "time is"},
        {R"(,"time":"2018-04-05T18:31:00+25:00")", "time is"},
        {R"(,"time":"2018-04-05T18:31:00+05")", "time is"},
        {R"(,"datacontenttype":"xyz")", "datacontenttype is"},
        {R"(,"datacontenttype":"")", "datacontenttype must not be empty"},
        {R"(,"dataschema":"")", "dataschema must not be empty"},
        {R"(,"subject":"")", "subject must not be empty"},
        {R"(,"MyExtension":"bad")", "MyExtension has a name"},
        {R"(,"my.extension":"bad")", "my.extension has a name"},
        {R"(,"ext":1.5)", "ext is an extension"},
        {R"(,"ext":{"a":1})", "ext is an extension"},
        {R"(,"data":"text","data_base64":"eyAieHl6IjogMTIzIH0=")", "data_base64 and data exclude"},
        {R"(,"data_base64":5)", "data_base64 must be a string"},
    };
    for (const auto& row : more)
        EXPECT_NE(said(with(row[0])).find(row[1]), std::string::npos) << converted(with(row[0]));
    for (const char* text :
         {"", "[]", "{", "{\"id\":}", "{\"id\":\"1\"", "{\"id\":[}", "\"id\"", "{\"a\":1}x"}) {
        EXPECT_EQ(converted(text).substr(0, 6), "error:") << text;
    }
}

TEST(CloudEvents, DataCanNotBreakOutOfItsPlace) {
    // Were the slice taken to the last brace, the second eventId would win.
    for (const char* data : {R"({}, "eventId":"evil")", "{}}", "{]", "1 2", "{\"a\":\"}"}) {
        EXPECT_EQ(binary(Headers{}, "application/json", data).substr(0, 6), "error:") << data;
    }
}

TEST(CloudEvents, BatchGivesOneResultPerEntry) {
    CloudEventBatch batch;
    ASSERT_TRUE(envelopes_from_cloud_event_batch("[" + with("") + ", \"not an object\", " +
                                                     with(R"(,"specversion":"1.0")") + " ," +
                                                     with(R"(,"subject":"s")") + "]",
                                                 EntryBound(), batch));
    EXPECT_EQ(batch.entries, (std::vector<std::uint32_t>{0, 3}));
    ASSERT_EQ(batch.rejected.size(), 2u);
    EXPECT_EQ(batch.rejected[0].entry, 1u);
    EXPECT_EQ(batch.rejected[1].entry, 2u);
    EXPECT_EQ(batch.text,
              "[" + converted(with("")) + "," + converted(with(R"(,"subject":"s")")) + "]");
    CloudEventBatch empty;
    EXPECT_TRUE(envelopes_from_cloud_event_batch(" [ ] ", EntryBound(), empty));
    EXPECT_EQ(empty.text, "[]");
    CloudEventBatch none;
    EXPECT_FALSE(envelopes_from_cloud_event_batch(with(""), EntryBound(), none));
    EXPECT_FALSE(envelopes_from_cloud_event_batch("[" + with("") + ",", EntryBound(), none));
}

TEST(CloudEvents, ABatchIsBoundedWhateverItsEntriesAre) {
    CloudEventBatch full;
    EXPECT_TRUE(envelopes_from_cloud_event_batch("[5," + with("") + ",5]", EntryBound(3), full));
    EXPECT_EQ(full.rejected.size(), 2u);
    EXPECT_EQ(full.entries.size(), 1u);
    CloudEventBatch more;
    const auto read = envelopes_from_cloud_event_batch("[5,5,5,5]", EntryBound(3), more);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, core::ErrorCode::kPayloadTooLarge);
    EXPECT_EQ(read.error().limit, 3);
}

TEST(CloudEvents, BinaryTakesAttributesFromHeadersAndDataFromTheBody) {
    EXPECT_EQ(
        binary(Headers{}.add("ce-partitionkey", "p").add("X-Other", "y").add("ce-ext", "v"),
               "application/json", "{\"a\": 1}"),
        R"({"eventId":"1","pattern":"t","source":{"type":"external","id":"/s"},"payload":{"a": 1},)"
        R"("partitionKey":"p","x-ce":{"specversion":"1.0","datacontenttype":"application/json","ext":"v"}})");
    EXPECT_NE(binary(Headers{}, "text/plain; charset=utf-8", "h\"i\n")
                  .find(R"("payload":{"data":"h\"i\n"})"),
              std::string::npos);
    EXPECT_NE(binary(Headers{}, "application/octet-stream", "\x01\x02\xff\x04")
                  .find(R"("payload":{"data_base64":"AQL/BA=="})"),
              std::string::npos);
    EXPECT_NE(binary(Headers{}, "text/plain", "\xff").find(R"("data_base64":"/w==")"),
              std::string::npos);
    EXPECT_EQ(binary(Headers{}, "", "").find("payload"), std::string::npos);
}

TEST(CloudEvents, BinaryHeaderValuesAreUnquotedThenDecodedOnce) {
    const auto subject = [](std::string_view value) {
        const std::string out = binary(Headers{}.add("ce-subject", value), "", "");
        const std::size_t at = out.find("\"subject\":");
        return at == std::string::npos ? out
                                       : out.substr(at + 10, out.find_first_of(",}", at) - at - 10);
    };
    EXPECT_EQ(subject("Euro%20%E2%82%AC%20%F0%9F%98%80"), "\"Euro \xE2\x82\xAC \xF0\x9F\x98\x80\"");
    EXPECT_EQ(subject("%e2%82%ac"), "\"\xE2\x82\xAC\"");
    EXPECT_EQ(subject("a%2520b"), "\"a%20b\"");
    EXPECT_EQ(subject("\"a \\\"b\\\" %20\""), "\"a \\\"b\\\"  \"");
    EXPECT_EQ(subject("100%"), "\"100%\"");
    EXPECT_EQ(subject("%C0%A0").substr(0, 6), "error:");
    EXPECT_EQ(binary(Headers{}.add("ce-datacontenttype", "a/b"), "", "").substr(0, 6), "error:");
    EXPECT_EQ(binary(Headers{}.add("ce-my-ext", "b"), "", "").substr(0, 6), "error:");
    EXPECT_EQ(binary(Headers{}.add("ce-id", "again"), "", "").substr(0, 6), "error:");
}

TEST(CloudEvents, ComesBackAsItCame) {
    const std::string recorded = R"(,"recordedtime":"1970-01-01T00:00:00.000Z")";
    EXPECT_EQ(
        round_trip(converted(
            with(R"(,"time":"2018-04-05T17:31:00Z","subject":"s","ext":5,"data":{"a":[1, 2]})"))),
        R"({"specversion":"1.0","id":"1","source":"https://a.io","type":"t.created","time":"2018-04-05T17:31:00Z",)"
        R"("subject":"s","ext":5)" +
            recorded + R"(,"data":{"a":[1, 2]}})");
    EXPECT_EQ(round_trip(converted(with(R"(,"data":"text")"))),
              R"({"specversion":"1.0","id":"1","source":"https://a.io","type":"t.created")" +
                  recorded + R"(,"data":"text"})");
    EXPECT_EQ(round_trip(converted(with(R"(,"data_base64":"TWE=")"))),
              R"({"specversion":"1.0","id":"1","source":"https://a.io","type":"t.created")" +
                  recorded + R"(,"data_base64":"TWE="})");
}

core::Error error_of(std::string_view text) {
    std::string out;
    const auto status = envelope_from_cloud_event(text, out);
    EXPECT_FALSE(status) << text << out;
    return status ? core::Error() : status.error();
}

TEST(CloudEvents, ComparesWhatEscapesMean) {
    EXPECT_EQ(
        converted(
            R"({"specversi\u006fn":"1\u002e0","id":"1","source":"s","type":"t",)"
            R"("time":"2018-04-05T17:31:00\u002B02:00","datacontenttype":"application\/json"})"),
        R"({"eventId":"1","pattern":"t","source":{"type":"external","id":"s"},)"
        R"("timestamp":"2018-04-05T17:31:00\u002B02:00","x-ce":{"specversion":"1.0",)"
        R"("datacontenttype":"application\/json"}})");
    EXPECT_EQ(error_of(R"({"specversion":"1\u002e1","id":"1","source":"s","type":"t"})").field,
              "specversion");
    EXPECT_EQ(
        error_of(R"({"specversion":"1.0","id":"1","\u0069d":"2","source":"s","type":"t"})").field,
        "id");
}

TEST(CloudEvents, Base64IsExactAndToldByItsPlace) {
    for (const char* good : {"", "AA==", "AAE=", "AAEC", "+/+/AAEC", "A\\/\\u0041="})
        EXPECT_EQ(converted(with(",\"data_base64\":\"" + std::string(good) + "\"")).substr(0, 2),
                  "{\"")
            << good;
    const std::pair<const char*, std::size_t> bad[] = {
        {"***", 0},  {"AAE", 3},      {"AA EC", 2},    {"A", 1},    {"AAA=A", 4},  {"AA=A", 3},
        {"====", 0}, {"AAECA===", 5}, {"AA==AA==", 4}, {"AA-_", 2}, {"AAEC\\n", 4}};
    for (const auto& [text, place] : bad) {
        const std::string event = with(",\"data_base64\":\"" + std::string(text) + "\"");
        const core::Error error = error_of(event);
        EXPECT_EQ(error.field, "data_base64") << text;
        const std::size_t token = event.find("\"data_base64\":") + 14;
        const bool escaped = std::string_view(text).find('\\') != std::string_view::npos;
        EXPECT_EQ(error.position, static_cast<std::int64_t>(escaped ? token : token + 1 + place))
            << text << error.message;
    }
}

TEST(CloudEvents, IntegersHave32Bits) {
    for (const char* good : {"0", "-0", "2147483647", "-2147483648"})
        EXPECT_EQ(converted(with(",\"ext\":" + std::string(good))).substr(0, 2), "{\"") << good;
    for (const char* bad : {"2147483648", "-2147483649", "99999999999999999999", "1.0", "1e3"}) {
        const std::string event = with(",\"ext\":" + std::string(bad));
        const core::Error error = error_of(event);
        EXPECT_EQ(error.field, "ext") << bad;
        EXPECT_EQ(error.position,
                  static_cast<std::int64_t>(event.find(":" + std::string(bad)) + 1));
    }
}

TEST(CloudEvents, TellsPlacesOfWhatWasSent) {
    // Broken JSON, wherever it stands.
    for (const auto& [text, place] :
         {std::pair(std::string("{\"id\":}"), 6), std::pair(with(",\"data\":{\"a\":tru}"), -1),
          std::pair(std::string("hello"), 0)}) {
        const std::int64_t wanted =
            place >= 0 ? place : static_cast<std::int64_t>(text.find("tru}"));
        EXPECT_EQ(error_of(text).position, wanted) << text;
    }
    std::string out;
    const Headers headers;
    const auto body =
        envelope_from_binary_cloud_event(headers.fields, "application/json", " [1,] ", out);
    ASSERT_FALSE(body);
    EXPECT_EQ(body.error().position, 4) << body.error().message;
    // What the envelope's reader finds later.
    PlaceMap places;
    out.clear();
    const std::string text = with(",\"data\":{\"a\":1}");
    ASSERT_TRUE(envelope_from_cloud_event(text, out, &places));
    core::Error error(core::ErrorCode::kValidation, "payload at byte 7, found 'x'");
    error.message = "x at byte " + std::to_string(out.find("{\"a\"") + 5) + ", found '1}'";
    error.position = static_cast<std::int64_t>(out.find("{\"a\"") + 5);
    places.tell_as_sent(error);
    EXPECT_EQ(error.position, static_cast<std::int64_t>(text.find("{\"a\"") + 5));
    EXPECT_EQ(error.message, "x at byte " + std::to_string(error.position) + ", found '1}'");
    error.message = "x at byte 1, found 'eventId'";
    error.position = 1;
    places.tell_as_sent(error);
    EXPECT_EQ(error.position, core::Error::kNoPosition);
    EXPECT_EQ(error.message, "x");
    CloudEventBatch batch;
    const std::string two = "[" + with("") + "," + with(",\"ext\":1.5") + "]";
    ASSERT_TRUE(envelopes_from_cloud_event_batch(two, EntryBound(), batch));
    ASSERT_EQ(batch.rejected.size(), 1u);
    EXPECT_EQ(batch.rejected[0].error.position, static_cast<std::int64_t>(two.find("1.5")));
}

TEST(CloudEvents, KeepsWhatOnlyEnvelopesKnow) {
    const std::string native =
        R"({"eventId":"7","pattern":"a.b","source":{"type":"task","id":"9"},"payload":{"x":1},)"
        R"("priority":-5,"scheduledAt":"2030-01-01T00:00:00\u002B01:00",)"
        R"("metadata":{"context":{"type":"user","id":"u"}},)"
        R"("x-team":"core","x-flag":true,"x-Deep_One":{"a":[1,"\"q\""]},"x-type":"odd"})";
    const std::string event = round_trip(native);
    for (const char* part :
         {R"("priority":-5)", R"("scheduledat":"2030-01-01T00:00:00\u002B01:00")",
          R"("xteam":"core")", R"("xflag":true)", R"("xtype":"odd")", R"("contexttype":"user")"})
        EXPECT_NE(event.find(part), std::string::npos) << part << " in " << event;
    EXPECT_EQ(event.find("xdeepone"), std::string::npos);
    const std::string back = converted(event);
    for (const char* part :
         {R"("priority":-5)", R"("scheduledAt":"2030-01-01T00:00:00\u002B01:00")",
          R"("x-team":"core","x-flag":true,"x-Deep_One":{"a":[1,"\"q\""]},"x-type":"odd")",
          R"("context":{"type":"user","id":"u"})", R"("payload":{"x":1})"})
        EXPECT_NE(back.find(part), std::string::npos) << part << " in " << back;
    EXPECT_EQ(back.find("xteam"), std::string::npos) << back;
    // The same again and again.
    const std::string again = round_trip(back);
    EXPECT_EQ(again.substr(again.find("\"type\"")), event.substr(event.find("\"type\"")));
}

TEST(CloudEvents, LeavesExtensionsThatOnlyLookLikeOurs) {
    const std::string more =
        R"(,"priority":"high","scheduledat":"noon","contexttype":"odd","contextid":"x",)"
        R"("xmembers":"{\"pattern\":\"evil\"}","xteam":"mine")";
    const std::string envelope = converted(with(more));
    EXPECT_EQ(envelope.find("\"priority\":\"high\""), envelope.rfind("\"priority\""));
    EXPECT_EQ(envelope.find("\"pattern\":\"evil\""), std::string::npos);
    EXPECT_LT(envelope.find("\"x-ce\""), envelope.find("\"priority\""));
    const std::string event = round_trip(envelope);
    for (const char* part :
         {R"("priority":"high")", R"("scheduledat":"noon")", R"("contexttype":"odd")",
          R"("contextid":"x")", R"("xmembers":"{\"pattern\":\"evil\"}")", R"("xteam":"mine")"})
        EXPECT_NE(event.find(part), std::string::npos) << part << " in " << event;
}

TEST(CloudEvents, NativeEventsComeOutWithAUriSource) {
    EXPECT_EQ(
        round_trip(
            R"({"pattern":"a.b","source":{"type":"task","id":"9"},"payload":{"x":1},"metadata":{"correlationId":"c","context":{"type":"user","id":"u"}}})"),
        R"({"specversion":"1.0","id":"ev_1","source":"/task/9","type":"a.b","time":"1970-01-01T00:00:00.000Z",)"
        R"("correlationid":"c","datacontenttype":"application/json","contexttype":"user","contextid":"u",)"
        R"("recordedtime":"1970-01-01T00:00:00.000Z","data":{"x":1}})");
}

}  // namespace
}  // namespace millrace::runtime
