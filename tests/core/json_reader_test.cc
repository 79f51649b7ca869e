// Goal: errors name the member by its full path; merge patch follows RFC 7386's own table.
#include "core/json_reader.h"

#include <gtest/gtest.h>

namespace millrace::core {
namespace {

std::string read_error(std::string_view text) {
    JsonDocument document;
    auto root = document.parse_object(text);
    if (!root) return root.error().message;
    std::string name;
    std::int64_t count = 0;
    double factor = 0;
    bool on = false;
    std::vector<std::string> tags;
    enum class Kind { kA, kB } kind = Kind::kA;
    constexpr std::array<std::pair<std::string_view, Kind>, 2> kKinds = {
        {{"a", Kind::kA}, {"b", Kind::kB}}};
    root->text("name", name, {.presence = Presence::kRequired, .bytes_max = 8});
    root->choice("kind", kind, kKinds);
    root->boolean("on", on);
    root->text_list("tags", tags, 2);
    if (auto retry = root->object("retry")) {
        retry->integer("count", count, 0, 10);
        retry->number("factor", factor, 1, 2);
        const Status inner = retry->finish();
        root->join(*retry);
        EXPECT_EQ(inner.has_value(), retry->ok());
    }
    const Status status = root->finish();
    return status ? "" : status.error().message;
}

TEST(JsonReader, NamesTheMember) {
    EXPECT_EQ(
        read_error(
            R"({"name":"x","retry":{"count":5,"factor":1.5},"on":true,"tags":["a"],"kind":"b"})"),
        "");
    EXPECT_EQ(read_error(R"({"name":"x","retry":null})"), "");
    EXPECT_EQ(read_error(R"({"name":"x","retry":{"count":5.0}})"), "");
    EXPECT_EQ(read_error(R"({})"), "name is required");
    EXPECT_EQ(read_error(R"({"name":""})"), "name must not be empty");
    EXPECT_EQ(read_error(R"({"name":7})"), "name must be a string, not a number");
    EXPECT_EQ(read_error(R"({"name":"123456789"})"), "name has 9 bytes; the limit is 8");
    EXPECT_EQ(read_error(R"({"name":"x","kind":"c"})"), "kind is \"c\"; expected one of: a, b");
    EXPECT_EQ(read_error(R"({"name":"x","retry":{"count":11}})"),
              "retry.count is 11; it must be between 0 and 10");
    EXPECT_EQ(read_error(R"({"name":"x","retry":{"count":1.5}})"),
              "retry.count must be a whole number between 0 and 10");
    EXPECT_EQ(read_error(R"({"name":"x","retry":{"factor":"2"}})"),
              "retry.factor must be a number between 1 and 2");
    EXPECT_EQ(read_error(R"({"name":"x","retry":{"factor":250e-1}})"),
              "retry.factor is 250e-1; it must be a number between 1 and 2");
    EXPECT_EQ(read_error(R"({"name":"x","retry":{"cuont":1}})"),
              "retry.cuont is not a known member");
    EXPECT_EQ(read_error(R"({"name":"x","retry":[]})"), "retry must be an object, not an array");
    EXPECT_EQ(read_error(R"({"name":"x","tags":["a","b","c"]})"), "tags has more than 2 items");
    EXPECT_EQ(read_error(R"({"name":"x","tags":["a",1]})"),
              "tags must be an array of strings; item 1 is a number");
    EXPECT_EQ(read_error(R"({"name":"x","on":1})"), "on must be true or false, not a number");
    EXPECT_NE(read_error(R"({"name":"x","name":"y"})").find("the same key twice"),
              std::string::npos);
    EXPECT_EQ(read_error(R"([])"), "body must be a JSON object, not an array");
    EXPECT_EQ(read_error("  "), "body is empty; expected JSON");
    EXPECT_EQ(read_error("{\"name\":").substr(0, 22), "body is not valid JSON");
    EXPECT_EQ(read_error(std::string(100'000, '[')).substr(0, 22), "body is not valid JSON");
}

TEST(JsonReader, MergePatchFollowsTheRfcTable) {
    const char* rows[][3] = {
        {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
        {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
        {R"({"a":"b"})", R"({"a":null})", R"({})"},
        {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
        {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
        {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
        {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
        {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
        {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
        {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
        {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"}};
    for (const auto& row : rows)
        EXPECT_EQ(json_merge_patch(row[0], row[1]).value(), row[2]) << row[1];
    EXPECT_FALSE(json_merge_patch("{}", "[1]"));
}

TEST(JsonReader, AppendKeepsNumbersAndText) {
    JsonDocument document;
    std::string out;
    append_json(
        out,
        document
            .parse(R"( { "a" : [ 1 , -2.5, 18446744073709551615 , true , null , "\u00e4\n" ] } )")
            .value());
    EXPECT_EQ(out, R"({"a":[1,-2.5,18446744073709551615,true,null,"\u00e4\n"]})");
}

// A filter's number went through a double once and came back as another one.
TEST(JsonReader, MergePatchLeavesNumbersAsTheyStand) {
    const char* numbers[] = {"1.8446744073709552e19",
                             "37.807807921694092",
                             "0.10000000000000001",
                             "18446744073709551616",
                             "1e400",
                             "-1E-400",
                             "-0",
                             "1.50"};
    for (const char* number : numbers) {
        const std::string target = std::string(R"({"a":{"x":)") + number + R"(},"b":1})";
        EXPECT_EQ(json_merge_patch(target, R"({"b":2})").value(),
                  std::string(R"({"a":{"x":)") + number + R"(},"b":2})");
        EXPECT_EQ(json_merge_patch(R"({"b":1})", std::string(R"({"c":[)") + number + "]}").value(),
                  std::string(R"({"b":1,"c":[)") + number + "]}");
    }
}

}  // namespace
}  // namespace millrace::core
