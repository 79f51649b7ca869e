// Goal: while no key exists, which requests pass for those of a local client and which for those of
// somebody's web page. Method: a table of heads and statuses.
#include "runtime/identity/local_policy.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime::identity {
namespace {

struct Row {
    const char* host;
    std::vector<io::HeaderField> headers;  // beside Host
    int status = 202;
    std::uint64_t body_bytes = 0;
    const char* content_type = "";
};

int status_of(const Row& row, const HostNames& names) {
    io::Request request;
    request.host = row.host;
    request.headers = row.headers;
    request.content_type = row.content_type;
    request.content_length = row.body_bytes;
    const auto passed = check_local_request(request, names);
    if (passed) return 202;
    EXPECT_FALSE(passed.error().field.empty());
    return core::error_code_status(passed.error().code);
}

void check(const std::vector<Row>& rows, const HostNames& names) {
    for (const Row& row : rows) {
        std::string text = row.host;
        for (const io::HeaderField& header : row.headers)
            text += " " + std::string(header.name) + ": " + std::string(header.value);
        EXPECT_EQ(status_of(row, names), row.status) << text << " " << row.content_type;
    }
}

HostNames names_of(std::string_view listen, std::string_view hosts) {
    auto made = HostNames::make(listen, hosts);
    EXPECT_TRUE(made) << made.error().message;
    return *made;
}

TEST(LocalPolicy, KnowsItsOwnNames) {
    const HostNames names = names_of("127.0.0.1:7070", "");
    check(
        {
            {"localhost", {}},
            {"localhost:7070", {}},
            {"LocalHost:1", {}},
            {"127.0.0.1", {}},
            {"127.0.0.1:7070", {}},
            {"[::1]", {}},
            {"[::1]:7070", {}},
            {"", {}},  // HTTP/1.0
            {"evil.example", {}, 403},
            {"evil.example:7070", {}, 403},
            {"localhost.evil.example", {}, 403},
            {"evil.localhost", {}, 403},
            {"127.0.0.1.evil.example", {}, 403},
            {"localhost.", {}, 403},
            {"127.0.0.2", {}, 403},
            {"0.0.0.0:7070", {}, 403},
            {"[::]", {}, 403},
            {"[::ffff:127.0.0.1]", {}, 403},
            {"::1", {}, 403},
        },
        names);
}

TEST(LocalPolicy, KnowsTheListenNameAndWhatIsConfigured) {
    check({{"127.0.0.9:80", {}}, {"127.0.0.1", {}}}, names_of("127.0.0.9:7070", ""));
    check({{"millrace.local", {}},
           {"Dev.Example:8080", {}},
           {"[fe80::1]:1", {}},
           {"other.example", {}, 403}},
          names_of("127.0.0.1:7070", "millrace.local, dev.example:9,[fe80::1]"));
    for (const char* bad : {"http://a", "a b", "a/b", ",", "a,,b"}) {
        const auto made = HostNames::make("127.0.0.1:7070", bad);
        ASSERT_FALSE(made) << bad;
        EXPECT_EQ(made.error().field, "http.hosts");
    }
}

TEST(LocalPolicy, LetsNoOtherSitesPageIn) {
    const HostNames names = names_of("127.0.0.1:7070", "");
    const char* const own = "localhost:7070";
    check(
        {
            {own, {{"Sec-Fetch-Site", "same-origin"}}},
            {own, {{"sec-fetch-site", "none"}}},
            {own, {{"Sec-Fetch-Site", "cross-site"}}, 403},
            {own, {{"SEC-FETCH-SITE", "same-site"}}, 403},
            {own, {{"Sec-Fetch-Site", ""}}, 403},
            {own, {{"Sec-Fetch-Site", "none"}, {"Sec-Fetch-Site", "x"}}, 403},
            {own, {{"Origin", "http://localhost:7070"}}},
            {"LOCALHOST:7070", {{"origin", "HTTP://localhost:7070"}}},
            {"[::1]:7070", {{"Origin", "http://[::1]:7070"}}},
            {"localhost", {{"Origin", "http://localhost"}}},
            {"localhost:80", {{"Origin", "http://localhost"}}},
            {"localhost", {{"Origin", "https://localhost:443"}}},
            {own, {{"Origin", "http://localhost"}}, 403},
            {own, {{"Origin", "http://localhost:3000"}}, 403},
            {own, {{"Origin", "http://127.0.0.1:7070"}}, 403},
            {own, {{"Origin", "https://evil.example"}}, 403},
            {own, {{"Origin", "null"}}, 403},
            {own, {{"Origin", ""}}, 403},
            {own, {{"Origin", "localhost:7070"}}, 403},
            {own, {{"Origin", "file://localhost:7070"}}, 403},
            {own, {{"Origin", "http://localhost:7070/"}}, 403},
            {own, {{"Origin", "http://a@localhost:7070"}}, 403},
            {own, {{"Origin", "\xff\x01"}}, 403},
            {own, {{"Origin", "http://localhost:7070"}, {"Origin", "http://evil.example"}}, 403},
            {"", {{"Origin", "http://"}}, 403},
        },
        names);
}

TEST(LocalPolicy, WantsTheTypeOfABodyFromAPage) {
    const HostNames names = names_of("127.0.0.1:7070", "");
    const io::HeaderField own{"Origin", "http://localhost:7070"};
    check(
        {
            {"localhost:7070", {own}, 202, 5, "application/json"},
            {"localhost:7070", {own}, 202, 0, ""},
            {"localhost:7070", {}, 202, 5, ""},
            {"localhost:7070", {own}, 415, 5, ""},
            {"localhost:7070", {{"Origin", "http://evil.example"}}, 403, 5, ""},
        },
        names);
    io::Request chunked;
    chunked.host = "localhost:7070";
    chunked.headers = std::span(&own, 1);
    chunked.chunked = true;
    EXPECT_FALSE(check_local_request(chunked, names));
}

TEST(LocalPolicy, APageOfAnOriginThatIsNamedMayCallAndOnlyThat) {
    const HostNames names = *HostNames::make("127.0.0.1:7070", "");
    const auto passes = [&](std::string_view list, std::vector<io::HeaderField> headers,
                            std::string_view host = "localhost:7070") {
        io::Request request;
        request.host = host;
        request.headers = headers;
        return check_local_request(request, names, *CorsOrigins::make(list)).has_value();
    };
    const std::vector<io::HeaderField> page = {{"Sec-Fetch-Site", "cross-site"},
                                               {"Origin", "https://app.example"}};
    EXPECT_TRUE(passes("https://app.example", page));
    EXPECT_FALSE(passes("https://app.example", page, "evil.example")) << "the Host still counts";
    EXPECT_FALSE(passes("https://other.example", page));
    EXPECT_FALSE(passes("*", page)) << "everybody, without a key, is nobody";
    EXPECT_FALSE(passes("https://app.example", {{"Sec-Fetch-Site", "cross-site"}}));
}

}  // namespace
}  // namespace millrace::runtime::identity
