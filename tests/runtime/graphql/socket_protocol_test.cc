// Goal: a client's messages mean what graphql-transport-ws says, in the state that they come in.
#include "runtime/graphql/socket_protocol.h"

#include <gtest/gtest.h>

namespace millrace::runtime::graphql {
namespace {

using What = SocketTurn::What;

SocketClose close_of(SocketProtocol& protocol, std::string_view message) {
    const SocketTurn turn = protocol.take(message);
    EXPECT_EQ(turn.what, What::kClose) << message;
    return turn.code;
}

constexpr std::string_view kInit = R"({"type":"connection_init"})";
constexpr std::string_view kSubscribe =
    R"({"id":"1","type":"subscribe","payload":{"query":"{x}"}})";

TEST(SocketProtocol, AnOperationFromItsBeginningToItsEnd) {
    SocketProtocol protocol;
    EXPECT_EQ(protocol.take(kInit).what, What::kInit);
    EXPECT_TRUE(protocol.initialised());
    const SocketTurn turn = protocol.take(kSubscribe);
    EXPECT_EQ(turn.what, What::kSubscribe);
    EXPECT_EQ(turn.id, "1");
    EXPECT_EQ(turn.text, R"({"query":"{x}"})");
    EXPECT_EQ(protocol.take(R"({"id":"1","type":"complete"})").what, What::kComplete);
    EXPECT_EQ(protocol.take(kSubscribe).what, What::kSubscribe);  // its id is free again
    EXPECT_EQ(SocketProtocol::next("1", "{}"), R"({"id":"1","type":"next","payload":{}})");
}

TEST(SocketProtocol, PingsAreAnsweredWithWhatTheyBrought) {
    SocketProtocol protocol;
    EXPECT_EQ(protocol.take(R"({"type":"ping","payload":{"a":1}})").text,
              R"({"type":"pong","payload":{"a":1}})");
    EXPECT_EQ(protocol.take(R"({"type":"ping"})").text, R"({"type":"pong"})");
    EXPECT_EQ(protocol.take(R"({"type":"pong"})").what, What::kNothing);
}

TEST(SocketProtocol, MistakesHaveTheirCodes) {
    for (const char* const bad :
         {"", "[]", "{}", R"({"type":7})", R"({"type":"hello"})", R"({"type":"subscribe"})",
          R"({"type":"connection_init","payload":7})", R"({"id":"","type":"complete"})",
          R"({"id":7,"type":"complete"})", "\xff"}) {
        SocketProtocol protocol;
        EXPECT_EQ(close_of(protocol, bad), SocketClose::kBadMessage);
    }
    SocketProtocol protocol;
    EXPECT_EQ(close_of(protocol, kSubscribe), SocketClose::kUnauthorized);
    EXPECT_EQ(protocol.take(kInit).what, What::kInit);
    EXPECT_EQ(close_of(protocol, kInit), SocketClose::kTooMany);
    EXPECT_EQ(close_of(protocol, R"({"id":"1","type":"subscribe"})"), SocketClose::kBadMessage);
    EXPECT_EQ(protocol.take(kSubscribe).what, What::kSubscribe);
    EXPECT_EQ(close_of(protocol, kSubscribe), SocketClose::kIdTaken);
}

TEST(SocketProtocol, OperationsAreBounded) {
    SocketProtocol protocol;
    (void)protocol.take(kInit);
    const auto subscribe = [](std::size_t id) {
        return R"({"id":")" + std::to_string(id) + R"(","type":"subscribe","payload":{}})";
    };
    for (std::size_t i = 0; i < kSocketOperationsMax; ++i)
        EXPECT_EQ(protocol.take(subscribe(i)).what, What::kSubscribe);
    const SocketTurn refused = protocol.take(subscribe(kSocketOperationsMax));
    EXPECT_EQ(refused.what, What::kRefuse);
    EXPECT_EQ(refused.id, std::to_string(kSocketOperationsMax));
    protocol.ended("0");
    EXPECT_EQ(protocol.take(subscribe(0)).what, What::kSubscribe);
}

}  // namespace
}  // namespace millrace::runtime::graphql
