// Goal: what the writer makes is valid JSON, whatever text goes in.
#include "core/json_writer.h"

#include "core/json_plain.h"

#include <gtest/gtest.h>
#include <simdjson.h>

namespace millrace::core {
namespace {

TEST(JsonWriter, PlacesCommasAtEveryLevel) {
    std::string out;
    JsonWriter json(out);
    json.begin_object()
        .field("a", 1)
        .key("b")
        .begin_array()
        .value(true)
        .value(nullptr)
        .begin_object()
        .end_object();
    json.value(-2.5)
        .end_array()
        .field("c", "x")
        .raw_field("d", "[1,2]")
        .field_or_null("e", "")
        .end_object();
    EXPECT_EQ(out, R"({"a":1,"b":[true,null,{},-2.5],"c":"x","d":[1,2],"e":null})");
}

TEST(JsonWriter, EscapesControlsQuotesAndBackslashes) {
    std::string out;
    append_json_string(out, std::string_view("a\"b\\c\n\r\t\b\f\0\x1f/", 13));
    EXPECT_EQ(out, "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0000\\u001f/\"");
}

TEST(JsonWriter, KeepsUtf8AndReplacesWhatIsNot) {
    std::string out;
    append_json_string(out, "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
    EXPECT_EQ(out, "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"");
    const std::string bad = "\xEF\xBF\xBD";
    for (const char* text :
         {"\xFF", "\xC0\xA0", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xC3"}) {
        out.clear();
        append_json_string(out, text);
        std::string want = "\"";
        for (std::size_t i = 0; text[i]; ++i) want += bad;
        EXPECT_EQ(out, want + "\"");
    }
}

TEST(JsonWriter, WritesNumbersThatReadBackEqual) {
    std::string out;
    append_number(out, 0.1);
    out += ' ';
    append_number(out, 9007199254740993LL);
    out += ' ';
    append_number(out, UINT64_MAX);
    out += ' ';
    append_number(out, INT64_MIN);
    out += ' ';
    append_number(out, std::nan(""));
    EXPECT_EQ(out, "0.1 9007199254740993 18446744073709551615 -9223372036854775808 null");
}

TEST(JsonWriter, PlainIsWhatStandsBetweenQuotesAsItIs) {
    EXPECT_TRUE(is_plain_json(""));
    for (std::size_t bytes = 1; bytes <= 20; ++bytes) {
        for (std::size_t at = 0; at < bytes; ++at) {
            for (int c = 0; c < 256; ++c) {
                for (const char around : {'~', ' ', '!', '#', '[', ']'}) {
                    std::string text(bytes, around);
                    text[at] = static_cast<char>(c);
                    std::string escaped;
                    append_json_escaped(escaped, text);
                    ASSERT_EQ(is_plain_json(text), escaped == text && c < 128)
                        << bytes << " bytes, at " << at << " " << c;
                }
            }
        }
    }
}

TEST(JsonWriter, EveryByteStringBecomesValidJson) {
    simdjson::dom::parser parser;
    std::uint64_t state = 42;
    for (int round = 0; round < 3000; ++round) {
        std::string text;
        for (int i = 0; i < 12; ++i) {
            state = state * 6364136223846793005ULL + 1442695040888963407ULL;
            text += static_cast<char>(state >> 56);
        }
        std::string out;
        append_json_string(out, text);
        std::string_view back;
        ASSERT_EQ(parser.parse(out).get_string().get(back), simdjson::SUCCESS);
    }
}

}  // namespace
}  // namespace millrace::core
