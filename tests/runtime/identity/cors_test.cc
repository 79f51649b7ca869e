// Goal: which origins are named, what their browsers are told, and that "*" never comes with
// credentials. Method: lists and headers.
#include "runtime/identity/cors.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace millrace::runtime::identity {
namespace {

std::string value_of(const CorsOrigins::Headers& headers, std::string_view name) {
    const auto at = std::find_if(headers.begin(), headers.end(),
                                 [name](const auto& one) { return one.first == name; });
    return at == headers.end() ? "" : at->second;
}

TEST(Cors, NamedOriginsMaySendCredentialsAndOthersGetNothing) {
    const CorsOrigins origins = *CorsOrigins::make("https://app.example, http://localhost:5173");
    for (const char* named : {"https://app.example", "http://localhost:5173"}) {
        const auto headers = origins.answer_headers(named);
        EXPECT_EQ(value_of(headers, "Access-Control-Allow-Origin"), named);
        EXPECT_EQ(value_of(headers, "Access-Control-Allow-Credentials"), "true");
        EXPECT_EQ(value_of(headers, "Vary"), "Origin");
    }
    for (const char* other : {"https://app.example.evil", "http://app.example", "null",
                              "https://app.example:8443", "https://APP.example"}) {
        EXPECT_FALSE(origins.allows(other)) << other;
        EXPECT_EQ(origins.answer_headers(other), (CorsOrigins::Headers{{"Vary", "Origin"}}))
            << other;
    }
    EXPECT_TRUE(origins.answer_headers("").empty());
    EXPECT_TRUE(CorsOrigins().answer_headers("https://app.example").empty());
}

TEST(Cors, AStarIsForEverybodyWithoutCredentials) {
    const CorsOrigins origins = *CorsOrigins::make("*,https://app.example");
    const auto headers = origins.answer_headers("https://any.example");
    EXPECT_EQ(value_of(headers, "Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(value_of(headers, "Access-Control-Allow-Credentials"), "");
    EXPECT_EQ(
        value_of(origins.answer_headers("https://app.example"), "Access-Control-Allow-Origin"),
        "https://app.example");
    EXPECT_FALSE(origins.names("https://any.example"));
    EXPECT_FALSE(origins.names("*"));
}

TEST(Cors, WhatIsNoOriginIsRefusedByName) {
    for (const char* bad : {"app.example", "https://app.example/", "https://", "ftp://a",
                            "https://App.example", "https://a b", "null", "https://a:",
                            "https://a,"
                            ",https://b"}) {
        const auto made = CorsOrigins::make(bad);
        ASSERT_FALSE(made) << bad;
        EXPECT_EQ(made.error().field, "http.cors_origins");
    }
    EXPECT_TRUE(CorsOrigins::make("")->empty());
}

TEST(Cors, APreflightGivesBackNamesOfHeadersAndNothingElse) {
    CorsOrigins::Headers headers;
    add_preflight_headers(headers, "GET, POST", "content-type, x-api-key");
    EXPECT_EQ(value_of(headers, "Access-Control-Allow-Methods"), "GET, POST");
    EXPECT_EQ(value_of(headers, "Access-Control-Allow-Headers"), "content-type, x-api-key");
    for (const std::string& bad :
         {std::string("a\r\nx: y"), std::string("a;b"), std::string(kCorsListBytesMax + 1, 'a')}) {
        CorsOrigins::Headers none;
        add_preflight_headers(none, "GET", bad);
        EXPECT_EQ(value_of(none, "Access-Control-Allow-Headers"), "");
    }
}

}  // namespace
}  // namespace millrace::runtime::identity
