// Goal: errors are the statuses that gRPC's callers expect; timeouts and messages are read and
// written as its specification says. Method: tables.
#include "runtime/grpc/status.h"

#include "runtime/grpc/methods.h"

#include <gtest/gtest.h>

namespace millrace::runtime::grpc {

TEST(GrpcStatus, OfErrors) {
    const std::pair<core::ErrorCode, std::string_view> cases[] = {
        {core::ErrorCode::kValidation, "INVALID_ARGUMENT"},
        {core::ErrorCode::kUnauthorized, "UNAUTHENTICATED"},
        {core::ErrorCode::kForbidden, "PERMISSION_DENIED"},
        {core::ErrorCode::kRateLimited, "RESOURCE_EXHAUSTED"},
        {core::ErrorCode::kPayloadTooLarge, "RESOURCE_EXHAUSTED"},
        {core::ErrorCode::kNotSupported, "UNIMPLEMENTED"},
        {core::ErrorCode::kUnavailable, "UNAVAILABLE"},
        {core::ErrorCode::kInternal, "INTERNAL"},
    };
    for (const auto& [code, text] : cases) EXPECT_EQ(code_text(code_of(code)), text);
    const CallStatus status =
        status_of(core::Error(core::ErrorCode::kUnavailable, "busy").retry_after(3));
    EXPECT_EQ(status.message, "busy");
    EXPECT_EQ(status.retry_after_ms, 3000);
    EXPECT_EQ(status_of(core::Error(core::ErrorCode::kValidation, "no").in("filter")).message,
              "filter: no");
    EXPECT_EQ(status_of(core::Error(core::ErrorCode::kValidation, "json: no").in("json")).message,
              "json: no");
    EXPECT_LT(status_of(core::Error(core::ErrorCode::kInternal, "x")).retry_after_ms, 0);
}

TEST(GrpcStatus, MessagesArePercentEncodedAndBounded) {
    EXPECT_EQ(encode_message("plain ~ text"), "plain ~ text");
    EXPECT_EQ(encode_message("100%\n\xc3\xbc"), "100%25%0A%C3%BC");
    EXPECT_EQ(encode_message(std::string(5000, 'a')).size(), kMessageBytesMax);
}

TEST(GrpcStatus, Timeouts) {
    EXPECT_EQ(parse_timeout("10S"), 10'000'000'000);
    EXPECT_EQ(parse_timeout("1H"), 3'600'000'000'000);
    EXPECT_EQ(parse_timeout("2M"), 120'000'000'000);
    EXPECT_EQ(parse_timeout("500m"), 500'000'000);
    EXPECT_EQ(parse_timeout("7u"), 7000);
    EXPECT_EQ(parse_timeout("0n"), 0);
    EXPECT_EQ(parse_timeout("99999999H"), 366LL * 86'400 * 1'000'000'000);
    for (const char* text : {"", "S", "10", "10s", "-1S", "1.5S", "123456789S", " 1S", "1 S"})
        EXPECT_EQ(parse_timeout(text), std::nullopt) << text;
}

TEST(GrpcMethods, AreFoundByTheirPathAlone) {
    for (const Method& method : methods()) {
        EXPECT_EQ(find_method(method.path), &method);
        EXPECT_TRUE(is_service(method.service));
        EXPECT_EQ(method.path, "/" + std::string(method.service) + "/" + std::string(method.name));
    }
    EXPECT_EQ(find_method("/millrace.v2.Events/Publish/"), nullptr);
    EXPECT_EQ(find_method("/millrace.v2.Events/publish"), nullptr);
    EXPECT_EQ(find_method(""), nullptr);
    EXPECT_FALSE(is_service("millrace.v2"));
}

}  // namespace millrace::runtime::grpc
