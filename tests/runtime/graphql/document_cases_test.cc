// Goal: documents come to what tests/data/graphql says, and mistakes are told where they are.
// Method: each case is planned and written as a line; then the limits, by documents that are made.
#include "runtime/graphql/lexer.h"
#include "runtime/graphql/request.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace millrace::runtime::graphql {
namespace {

struct DocumentCase {
    std::string name, expected;
    GraphqlRequest request;
};

std::vector<DocumentCase> read_document_cases() {
    std::ifstream in(std::string(MILLRACE_SOURCE_DIR) + "/tests/data/graphql/documents.case");
    std::vector<DocumentCase> out;
    for (std::string line; std::getline(in, line);) {
        const std::string word = line.substr(0, line.find(' '));
        const std::string rest = line.size() > word.size() ? line.substr(word.size() + 1) : "";
        if (word == "==") {
            out.push_back({rest, {}, {}});
        } else if (word == "query") {
            std::string& query = out.back().request.query;
            if (!query.empty()) query += '\n';
            query += rest;
        } else if (word == "variables") {
            out.back().request.variables = rest;
        } else if (word == "operation") {
            out.back().request.operation_name = rest;
        } else if (word == "ok" || word == "error") {
            out.back().expected = line;
        }
    }
    return out;
}

std::string written(const std::vector<PlannedField>& fields) {
    std::string out;
    for (const PlannedField& field : fields) {
        if (!out.empty()) out += ',';
        if (field.key != field.field->name) out += std::string(field.key) + ":";
        out += field.field->name;
        std::vector<std::string> arguments;
        for (const auto& [name, value] : field.arguments) {
            const bool is_set = value.state == Coerced::State::kSet;
            arguments.push_back(std::string(name) + "=" + (is_set ? value.text : "null"));
        }
        std::sort(arguments.begin(), arguments.end());
        std::string list;
        for (const std::string& one : arguments) list += (list.empty() ? "" : ",") + one;
        if (!list.empty()) out += "(" + list + ")";
        if (!field.fields.empty()) out += "{" + written(field.fields) + "}";
    }
    for (std::size_t at; (at = out.find('\n')) != std::string::npos;) out.replace(at, 1, "<lf>");
    return out;
}

TEST(GraphqlDocument, ComesToWhatTheCasesSay) {
    const std::vector<DocumentCase> cases = read_document_cases();
    ASSERT_GT(cases.size(), 40u);
    for (const DocumentCase& one : cases) {
        GraphqlRequest request = one.request;
        const auto made = PreparedOperation::make(std::move(request));
        if (one.expected.starts_with("ok ")) {
            ASSERT_TRUE(made) << one.name << ": " << made.error().message;
            EXPECT_EQ("ok " + written((*made)->plan().fields), one.expected) << one.name;
            continue;
        }
        ASSERT_FALSE(made) << one.name;
        std::istringstream in(one.expected);
        std::string word, position, message;
        in >> word >> position;
        std::getline(in >> std::ws, message);
        const core::Error& error = made.error();
        EXPECT_NE((error.message + " " + error.field).find(message), std::string::npos)
            << one.name << ": " << error.message;
        EXPECT_EQ(position, error.position < 0 ? "-" : std::to_string(error.position))
            << one.name << ": " << error.message;
    }
}

core::Error refusal_of(const std::string& query) {
    const auto made = PreparedOperation::make({query, {}, {}});
    EXPECT_FALSE(made) << query.substr(0, 100);
    return made ? core::Error() : made.error();
}

std::string repeated(const std::string& text, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += text;
    return out;
}

TEST(GraphqlDocument, ASelectionThatIsTooDeepNamesPositionAndLimit) {
    const core::Error tokens = refusal_of(repeated("{a", 10'000) + repeated("}", 10'000));
    EXPECT_EQ(tokens.limit, static_cast<std::int64_t>(kNestingMax));
    EXPECT_EQ(tokens.position, 2 * static_cast<std::int64_t>(kNestingMax));
    const core::Error nested = refusal_of(repeated("{...", 100) + "{x}" + repeated("}", 100));
    EXPECT_EQ(nested.limit, static_cast<std::int64_t>(kNestingMax));
    const core::Error list = refusal_of("{events(limit:" + repeated("[", 1'900) + "){next}}");
    EXPECT_EQ(list.limit, static_cast<std::int64_t>(kNestingMax));
    // Nothing of the schema is 8 deep but what tells of itself.
    const core::Error types =
        refusal_of("{__schema{types{" + repeated("ofType{", 20) + "name" + repeated("}", 23));
    EXPECT_EQ(types.limit, static_cast<std::int64_t>(kIntrospectionDepthMax));
    EXPECT_NE(types.message.find("21 deep; the limit is 20"), std::string::npos) << types.message;
}

TEST(GraphqlDocument, TokensAreCounted) {
    const std::string inner = repeated("position ", kTokensMax - 2);
    EXPECT_TRUE(PreparedOperation::make({"{" + inner + "}", {}, {}}));
    const core::Error more = refusal_of("{" + inner + "position}");
    EXPECT_EQ(more.limit, static_cast<std::int64_t>(kTokensMax));
    EXPECT_GT(more.position, 0);
}

// Each fragment names the next one twice and more, under other names.
TEST(GraphqlDocument, FragmentsDoNotMultiply) {
    std::string query = "{";
    for (int i = 0; i < 100; ++i) query += "a" + std::to_string(i) + ":events{...P}";
    query += "}fragment P on EventPage{";
    for (int i = 0; i < 100; ++i) query += "b" + std::to_string(i) + ":items{...E}";
    query += "}fragment E on Event{eventId}";
    const core::Error error = refusal_of(query);
    EXPECT_EQ(error.limit, static_cast<std::int64_t>(kSelectionsMax));
}

TEST(GraphqlDocument, EscapesAreCharacters) {
    const auto made =
        PreparedOperation::make({R"({event(id:"\u00e9\uD83D\uDE00\u{1F600}"){shard}})", {}, {}});
    ASSERT_TRUE(made);
    EXPECT_EQ((*made)->plan().fields[0].argument("id"), "\xC3\xA9\xF0\x9F\x98\x80\xF0\x9F\x98\x80");
}

TEST(GraphqlRequest, IsReadAsClientsSendIt) {
    const auto request = read_request(
        R"({"query":"{position}","operationName":null,"variables":{"a":1},"extensions":{}})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->variables, R"({"a":1})");
    EXPECT_FALSE(read_request(R"({"query":"{position}","variables":[1]})"));
    EXPECT_FALSE(read_request(R"({"query":7})"));
    EXPECT_FALSE(read_request(R"({"query":"{position}","color":1})"));
    EXPECT_FALSE(read_request("{position}"));
}

// In a GET they are a text of their own; a position in it is none in the document.
TEST(GraphqlRequest, ErrorsOfVariablesNameThem) {
    const std::string query = "query($a:Int){events(limit:$a){eventId}}";
    const auto made = PreparedOperation::make({query, {}, R"({"a":1,)"});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().field, "variables");
    const std::string text = errors_document(made.error(), query);
    EXPECT_NE(text.find("variables: invalid JSON"), std::string::npos) << text;
    EXPECT_NE(text.find("at byte "), std::string::npos) << text;
    EXPECT_NE(text.find(R"("field":"variables")"), std::string::npos) << text;
    EXPECT_EQ(text.find("locations"), std::string::npos) << text;
    const auto list = PreparedOperation::make({query, {}, "[1]"});
    ASSERT_FALSE(list);
    EXPECT_EQ(list.error().field, "variables");
}

TEST(GraphqlRequest, ErrorsNameLineAndColumn) {
    const std::string query = "{\r\n  events {\n \u00e9";
    const auto made = PreparedOperation::make({query, {}, {}});
    ASSERT_FALSE(made);
    const std::string text = errors_document(made.error(), query);
    EXPECT_NE(text.find(R"("locations":[{"line":3,"column":2}])"), std::string::npos) << text;
    EXPECT_NE(text.find(R"("code":"VALIDATION_ERROR")"), std::string::npos) << text;
}

}  // namespace
}  // namespace millrace::runtime::graphql
