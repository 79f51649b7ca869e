// Goal: a connection gets in as the protocol has it, its answers find who asked, and what a server
// does wrong or leaves undone ends it with a reason. Method: a listener of the test's on loopback
// that says what it is told to, a clock that is moved by hand.
#include "runtime/links/nats_connection.h"

#include "tests/runtime/links/peer_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <string>

namespace millrace::runtime {
namespace {

constexpr const char* kInfo =
    "INFO {\"version\":\"2.9.10\",\"max_payload\":100,\"headers\":true}\r\n";

class NatsConnectionTest : public test::PeerTest {
protected:
    void SetUp() override {
        PeerTest::SetUp();
        place_.host = "127.0.0.1";
        place_.port = port_;
    }
    void connect() {
        connection_ = std::make_unique<NatsConnection>(clock_, rules_, place_);
        accept();
    }
    void turn_once(int wait_ms) override {
        wait_for_bytes(*connection_, wait_ms);
        connection_->turn();
    }
    std::string heard() {
        connection_->push();
        return hear();
    }
    void get_in() {
        connect();
        say(kInfo);
        greeting_ = heard();
        say("PONG\r\n");
        ASSERT_TRUE(connection_->open()) << connection_->error();
        // It reads on when there is nothing left of what it has read.
        ASSERT_FALSE(connection_->next(message_));
    }

    NatsPlace place_;
    std::unique_ptr<NatsConnection> connection_;
    std::string greeting_;
    NatsMessage message_;
};

TEST_F(NatsConnectionTest, GetsInAndSaysWhoItIs) {
    place_.user = "u";
    place_.password = "p\"w";
    get_in();
    EXPECT_TRUE(greeting_.starts_with("CONNECT {")) << greeting_;
    EXPECT_NE(greeting_.find(R"("user":"u","pass":"p\"w")"), std::string::npos) << greeting_;
    EXPECT_NE(greeting_.find("\r\nSUB _INBOX."), std::string::npos) << greeting_;
    EXPECT_TRUE(greeting_.ends_with("PING\r\n")) << greeting_;
    EXPECT_EQ(connection_->server().message_bytes_max, 100u);
    EXPECT_EQ(connection_->server().version, "2.9.10");
}

TEST_F(NatsConnectionTest, TellsWhyItIsNotLetIn) {
    connect();
    say(kInfo);
    say("-ERR 'Authorization Violation'\r\n");
    EXPECT_EQ(connection_->error(), "the server refuses: Authorization Violation");
    connect();
    say("INFO {\"tls_required\":true}\r\n");
    EXPECT_NE(connection_->error().find("TLS"), std::string::npos);
    connect();
    say("SSH-2.0-OpenSSH\r\n");
    EXPECT_NE(connection_->error().find("not NATS' protocol"), std::string::npos);
    connect();
    clock_.advance_us(NatsConnection::kAnswerNs / 1000 + 1);
    turn();
    EXPECT_EQ(connection_->error(), "no answer in 10 s");
}

TEST_F(NatsConnectionTest, AGreetingThatDripsForEverIsGivenUp) {
    connect();
    say("INFO {\"version\":");
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(connection_->error(), "");
        clock_.advance_us(NatsConnection::kGreetNs / 3000 + 1);
        say(" ");
    }
    EXPECT_EQ(connection_->error(), "the server's greeting has no end");
}

TEST_F(NatsConnectionTest, WhatThePeerDoesNotReadStaysInOrder) {
    get_in();
    const std::string part(60'000, 'x');
    std::string sent;
    for (char mark = 'C'; mark <= 'O'; ++mark) {  // none of PUB
        for (int i = 0; i < 8; ++i)
            connection_->publish({"s", std::string(1, mark) + part, {}, {}});
        connection_->push();
        sent.append(8, mark);
    }
    EXPECT_GT(connection_->unsent(), 0u);
    std::string marks, bytes(1u << 20, '\0');
    const std::size_t whole = sent.size() * (part.size() + 1 + std::strlen("PUB s 60001\r\n\r\n"));
    std::size_t read = 0;
    while (read < whole) {
        connection_->push();
        const ssize_t got = ::recv(peer_.get(), bytes.data(), bytes.size(), 0);
        ASSERT_GT(got, 0);
        read += static_cast<std::size_t>(got);
        std::copy_if(bytes.begin(), bytes.begin() + got, std::back_inserter(marks),
                     [](char c) { return c >= 'C' && c <= 'O'; });
    }
    EXPECT_EQ(connection_->unsent(), 0u);
    EXPECT_EQ(marks, sent);
}

TEST_F(NatsConnectionTest, AnswersFindWhoAsked) {
    get_in();
    const std::array<io::NatsHeader, 1> expect = {{{"Nats-Expected-Last-Sequence", "0"}}};
    connection_->request(7, {"a", "x", expect, {}});
    connection_->request(8, {"b", "y", {}, {}});
    EXPECT_EQ(connection_->unanswered(), 2u);
    const std::string asked = heard();
    EXPECT_NE(asked.find("Nats-Expected-Last-Sequence: 0\r\n\r\nx\r\n"), std::string::npos)
        << asked;
    const std::size_t begin = asked.find("_INBOX.");
    const std::string inbox = asked.substr(begin, asked.find(' ', begin) - begin - 1);
    // In another order, one of them twice, and one that nobody asked for.
    for (const char* number : {"1", "1", "9", "x", "0"})
        say("MSG " + inbox + number + " 0 2\r\nok\r\n");
    std::string tags;
    for (int i = 0; i < 6; ++i, turn()) {
        while (connection_->next(message_))
            tags += std::to_string(message_.tag) + std::string(message_.payload) + ";";
    }
    EXPECT_EQ(tags, "8ok;7ok;");
    EXPECT_EQ(connection_->unanswered(), 0u);
    EXPECT_EQ(connection_->error(), "");
}

TEST_F(NatsConnectionTest, WhatIsNotAnsweredInTimeEndsIt) {
    get_in();
    connection_->request(7, {"a", "x", {}, {}});
    clock_.advance_us(NatsConnection::kAnswerNs / 1000 - 1);
    turn();
    EXPECT_EQ(connection_->error(), "");
    clock_.advance_us(2);
    turn();
    EXPECT_EQ(connection_->error(), "no answer in 10 s");
}

TEST_F(NatsConnectionTest, ASilentPeerIsAskedWhetherItIsThere) {
    get_in();
    clock_.advance_us(NatsConnection::kQuietNs / 1000 + 1);
    turn();
    EXPECT_EQ(heard(), "PING\r\n");
    say("PONG\r\n");
    EXPECT_FALSE(connection_->next(message_));
    EXPECT_EQ(connection_->error(), "");
    say("PING\r\n");
    EXPECT_FALSE(connection_->next(message_));
    EXPECT_EQ(heard(), "PONG\r\n");
}

TEST_F(NatsConnectionTest, MessagesComeWithWhatTheyHave) {
    get_in();
    connection_->subscribe(3, "a.>");
    EXPECT_EQ(heard(), "SUB a.> 3\r\n");
    const std::uint64_t flush = connection_->flush();
    EXPECT_LT(connection_->flushed(), flush);
    say("PONG\r\nHMSG a.b 3 r 28 28\r\nNATS/1.0 503 no one here\r\n\r\n\r\nMSG a 3 1\r\nz\r\n");
    ASSERT_TRUE(connection_->next(message_));
    EXPECT_TRUE(message_.nobody_there());
    EXPECT_EQ(message_.status().text, "no one here");
    EXPECT_EQ(message_.subject, "a.b");
    EXPECT_EQ(message_.reply, "r");
    ASSERT_TRUE(connection_->next(message_));
    EXPECT_EQ(message_.payload, "z");
    EXPECT_EQ(message_.sid, 3u);
    EXPECT_FALSE(connection_->next(message_));
    EXPECT_EQ(connection_->flushed(), flush);
}

TEST_F(NatsConnectionTest, WhatItSaysBeforeItGoesIsTold) {
    get_in();
    ASSERT_GT(::send(peer_.get(), "-ERR 'Stale Connection'\r\n", 25, MSG_NOSIGNAL), 0);
    peer_ = OwnedFd();
    turn();
    EXPECT_FALSE(connection_->next(message_));
    turn();
    EXPECT_EQ(connection_->error(), "the server refuses: Stale Connection");
}

}  // namespace
}  // namespace millrace::runtime
