#include "runtime/delivery/endpoint_answer.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

TEST(EndpointAnswer, IsTheResultAsJsonOrNothing) {
    EXPECT_EQ(make_endpoint_answer("", "")->status, 204);
    EXPECT_EQ(make_endpoint_answer("", "null")->status, 204);
    const auto answer = make_endpoint_answer("", R"({"a":1})");
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->content_type, "application/json");
    EXPECT_EQ(answer->body, R"({"a":1})");
}

TEST(EndpointAnswer, IsWhatTheScriptSaid) {
    const auto answer = make_endpoint_answer(
        R"({"status":201,"headers":{"Location":"/x","Content-Type":"text/html"},"body":"<p>"})",
        "1");
    EXPECT_EQ(answer->status, 201);
    EXPECT_EQ(answer->content_type, "text/html");
    EXPECT_EQ(answer->body, "<p>");
    ASSERT_EQ(answer->headers.size(), 1u);
    EXPECT_EQ(answer->headers[0].second, "/x");
    EXPECT_EQ(make_endpoint_answer(R"({"body":{"a":[]}})", "")->content_type, "application/json");
    EXPECT_EQ(make_endpoint_answer(R"({"status":302,"headers":{"Location":"/"}})", "")->status,
              302);
    EXPECT_EQ(make_endpoint_answer("{}", "")->status, 204);
}

TEST(EndpointAnswer, RefusesWhatHttpCanNotSay) {
    for (const char* text :
         {R"({"status":99})", R"({"status":600})", R"({"status":"ok"})",
          R"({"headers":{"Content-Length":"5"}})", R"({"headers":{"a b":"x"}})",
          R"({"headers":{"X-A":"x\r\nSet-Cookie: y"}})", R"({"headers":"x"})", R"({"other":1})"})
        EXPECT_FALSE(make_endpoint_answer(text, "")) << text;
}

TEST(EndpointAnswer, IsKeptAndReadAgain) {
    KeptAnswer kept;
    kept.request_hash = 18'446'744'073'709'551'615u;
    kept.at_us = 5;
    kept.answer =
        *make_endpoint_answer(R"({"status":418,"headers":{"X-A":"1"},"body":"\u0001\u00e9"})", "");
    const auto read = read_kept_answer(write_kept_answer(kept));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->request_hash, kept.request_hash);
    EXPECT_EQ(read->answer.status, 418);
    EXPECT_EQ(read->answer.body, kept.answer.body);
    EXPECT_EQ(read->answer.headers, kept.answer.headers);
}

}  // namespace
}  // namespace millrace::runtime
