// Goal: answers hold what was selected and nothing else, whatever the sender's bytes were; the
// schema tells of itself what it is.
#include "core/json_reader.h"
#include "runtime/graphql/introspection.h"
#include "runtime/graphql/result_writer.h"
#include "runtime/graphql/subscription.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

namespace millrace::runtime::graphql {
namespace {

std::unique_ptr<PreparedOperation> prepared(const std::string& query) {
    auto made = PreparedOperation::make({query, {}, {}});
    EXPECT_TRUE(made) << made.error().message;
    return std::move(*made);
}

std::string answer_of(const std::string& query, std::string_view from,
                      const ResultContext& context = {}) {
    const auto operation = prepared(query);
    core::JsonDom dom;
    core::JsonElement root;
    EXPECT_TRUE(dom.read(from, root));
    std::string out;
    EXPECT_TRUE(write_result(operation->plan().fields.front(), root, context, out));
    return out;
}

TEST(GraphqlResult, HoldsWhatWasSelectedUnderItsNames) {
    EXPECT_EQ(
        answer_of("{event(id:\"1\"){id:eventId payload source{type __typename}}}",
                  R"({"eventId":"e","payload":{"b": 1.50 },"shard":0,"source":{"type":"task"}})"),
        R"({"id":"e","payload":{"b": 1.50 },"source":{"type":"task","__typename":"EventSource"}})");
    EXPECT_EQ(answer_of("{events{items{shard}next}}", R"({"items":[{"shard":1},{}],"next":null})"),
              R"({"items":[{"shard":1},{"shard":null}],"next":null})");
}

TEST(GraphqlResult, WhatIsOfAnotherKindThanTheSchemaSaysFits) {
    EXPECT_EQ(answer_of("{event(id:\"1\"){version shard source{id} metadata{correlationId}}}",
                        R"({"version":2,"shard":"x","source":"me","metadata":null})"),
              R"({"version":"2","shard":null,"source":null,"metadata":null})");
}

TEST(GraphqlResult, APositionIsOfTheThingThatCame) {
    ResultContext context;
    context.position = "0-7";
    context.position_of = [](const core::JsonElement&) { return std::string("0-3"); };
    const auto operation = prepared("subscription{deadLetters{position event{position}}}");
    std::string out;
    EXPECT_TRUE(append_told(out, *operation, R"({"id":"d","event":{}})", context));
    EXPECT_EQ(out, R"({"data":{"deadLetters":{"position":"0-7","event":{"position":"0-3"}}}})");
}

TEST(GraphqlResult, WhatWasNotAskedForIsNotTold) {
    const auto operation =
        prepared("subscription{deadLetters(subscriptionId:\"s\",pattern:\"p\"){id}}");
    std::string out;
    EXPECT_FALSE(append_told(out, *operation, R"({"id":"d","subscriptionId":"t"})", {}));
    EXPECT_FALSE(
        append_told(out, *operation, R"({"id":"d","subscriptionId":"s","eventType":"q"})", {}));
    EXPECT_TRUE(
        append_told(out, *operation, R"({"id":"d","subscriptionId":"s","eventType":"p"})", {}));
}

TEST(GraphqlResult, IsBounded) {
    const auto operation = prepared("{events{items{eventId}}}");
    std::string page = R"({"items":[)";
    for (int i = 0; i < 100; ++i) page += R"({"eventId":"0123456789"},)";
    page += "{}]}";
    core::JsonDom dom;
    core::JsonElement root;
    ASSERT_TRUE(dom.read(page, root));
    std::string out;
    ResultContext context;
    context.bytes_max = 200;
    EXPECT_FALSE(write_result(operation->plan().fields.front(), root, context, out));
    EXPECT_LT(out.size(), 300u);
}

// Every type that something is of is told of, and nothing twice.
TEST(GraphqlIntrospection, IsWhole) {
    const auto operation = prepared(
        "{__schema{types{kind name fields{name args{name type{...T}defaultValue}type{...T}}"
        "enumValues{name}}queryType{name}mutationType{name}subscriptionType{name}"
        "directives{name locations args{name}}}}"
        "fragment T on __Type{kind name ofType{kind name ofType{kind name ofType{kind name}}}}");
    std::string out;
    ASSERT_TRUE(write_introspection(operation->plan().fields.front(), out));
    core::JsonDocument document;
    const auto root = document.parse(out);
    ASSERT_TRUE(root) << out;
    EXPECT_NE(out.find(R"("queryType":{"name":"Query"},"mutationType":null)"), std::string::npos);
    std::set<std::string_view> names;
    for (const SchemaType& type : schema_types()) EXPECT_TRUE(names.insert(type.name).second);
    for (const SchemaType& type : schema_types()) {
        EXPECT_EQ(type.kind == SchemaKind::kObject, !type.fields.empty()) << type.name;
        for (const SchemaField& field : type.fields) {
            EXPECT_TRUE(names.contains(named_type(field.type))) << field.type;
            for (const SchemaArgument& argument : field.arguments) {
                const SchemaType* const of = schema_type(named_type(argument.type));
                ASSERT_NE(of, nullptr) << argument.type;
                EXPECT_NE(of->kind, SchemaKind::kObject) << argument.type;
                EXPECT_FALSE(is_list(argument.type));
            }
        }
    }
}

TEST(GraphqlIntrospection, OneType) {
    const auto of = [](const std::string& query) {
        std::string out;
        EXPECT_TRUE(write_introspection(prepared(query)->plan().fields.front(), out));
        return out;
    };
    EXPECT_EQ(of("{__type(name:\"Order\"){kind enumValues{name isDeprecated}fields{name}}}"),
              R"({"kind":"ENUM","enumValues":[{"name":"asc","isDeprecated":false},)"
              R"({"name":"desc","isDeprecated":false}],"fields":null})");
    EXPECT_EQ(of("{__type(name:\"Nothing\"){kind}}"), "null");
    EXPECT_EQ(of("{__type(name:\"[Event]\"){kind}}"), "null");
}

}  // namespace
}  // namespace millrace::runtime::graphql
