// Goal: nothing of a client's connection goes on to a partition, and nothing that only a front may
// say: who sends a trusted header does not become somebody else.
#include "runtime/node/forward_head.h"

#include <gtest/gtest.h>

namespace millrace::runtime::node {
namespace {

std::string head_of(std::vector<io::HeaderField> fields, ForwardHead head = {}) {
    const HeaderList kept = kept_headers(fields, head.upgrade);
    head.headers = &kept;
    if (head.target.empty()) head.target = "/v2/events";
    return forward_head(head);
}

TEST(ForwardHead, WhatOnlyAFrontMaySayIsNotTakenFromAClient) {
    const std::string head = head_of({{"Host", "h"},
                                      {"Millrace-Principal", "x"},
                                      {"millrace-cluster-token", "x"},
                                      {"MILLRACE-PEER", "127.0.0.1"},
                                      {"Millrace-Cluster", "not-here"},
                                      {"Millrace-Partition", "3"},
                                      {"X-Mine", "1"}});
    EXPECT_EQ(head, "GET /v2/events HTTP/1.1\r\nHost: h\r\nX-Mine: 1\r\n\r\n");
}

TEST(ForwardHead, WhatConcernsTheConnectionStaysBehind) {
    const std::string head = head_of({{"Host", "h"},
                                      {"Connection", "keep-alive, X-Hop"},
                                      {"X-Hop", "1"},
                                      {"Transfer-Encoding", "chunked"},
                                      {"Content-Encoding", "gzip"},
                                      {"Content-Length", "77"},
                                      {"Expect", "100-continue"},
                                      {"Upgrade", "h2c"},
                                      {"TE", "trailers"}},
                                     {.method = io::Method::kPost, .body_bytes = 5});
    EXPECT_EQ(head, "POST /v2/events HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
}

TEST(ForwardHead, AWebSocketsHandshakeGoesOn) {
    const std::string head = head_of({{"Host", "h"},
                                      {"Connection", "Upgrade"},
                                      {"Upgrade", "websocket"},
                                      {"Sec-WebSocket-Key", "k"}},
                                     {.upgrade = true});
    EXPECT_EQ(head,
              "GET /v2/events HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key: k\r\n"
              "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST(ForwardHead, AFrontsOwnComeBehindAndAPostWithoutABodySaysSo) {
    const std::pair<std::string_view, std::string_view> own[] = {{"Millrace-Peer", "10.0.0.1"}};
    EXPECT_EQ(head_of({}, {.method = io::Method::kPost, .own = own}),
              "POST /v2/events HTTP/1.1\r\nMillrace-Peer: 10.0.0.1\r\nContent-Length: 0\r\n\r\n");
}

TEST(ForwardHead, AnswersLoseWhatIsBetweenNodes) {
    for (const char* name : {"Millrace-Principal", "millrace-cluster", "Connection",
                             "Transfer-Encoding", "Content-Length", "content-type"})
        EXPECT_FALSE(is_for_client(name)) << name;
    for (const char* name : {"Retry-After", "ETag", "Location", "Set-Cookie", "Millrace-Epoch"})
        EXPECT_TRUE(is_for_client(name)) << name;
}

TEST(ForwardHead, AParameterLeavesTheQuery) {
    EXPECT_EQ(without_parameter("/a?tenant=x&b=1", "tenant"), "/a?b=1");
    EXPECT_EQ(without_parameter("/a?b=1&tenant=x", "tenant"), "/a?b=1");
    EXPECT_EQ(without_parameter("/a?tenant=x", "tenant"), "/a");
    EXPECT_EQ(without_parameter("/a?tenants=x&tenant", "tenant"), "/a?tenants=x");
    EXPECT_EQ(without_parameter("/a", "tenant"), "/a");
}

TEST(ForwardHead, AParameterIsReadAndAdded) {
    EXPECT_EQ(parameter_of("/a?b=1&from=a%20b+c&d", "from"), "a b c");
    EXPECT_EQ(parameter_of("/a?b=1&d", "d"), "");
    EXPECT_EQ(parameter_of("/a?b=1", "c"), std::nullopt);
    EXPECT_EQ(parameter_of("/a?b=%zz", "b"), std::nullopt);
    EXPECT_EQ(parameter_of("/b=1", "b"), std::nullopt);
    EXPECT_EQ(with_parameter("/a", "b", "1"), "/a?b=1");
    EXPECT_EQ(with_parameter("/a?b=1", "c", "2"), "/a?b=1&c=2");
    EXPECT_EQ(with_parameter("/a", "b", ""), "/a");
    const std::string escaped = with_parameter("/a", "b", "2026-01-02T00:00:00+01:00 &~%");
    EXPECT_EQ(escaped, "/a?b=2026-01-02T00%3A00%3A00%2B01%3A00%20%26~%25");
    EXPECT_EQ(parameter_of(escaped, "b"), "2026-01-02T00:00:00+01:00 &~%");
}

}  // namespace
}  // namespace millrace::runtime::node
