// Goal: a client of TLS speaks with whom it was told to, and with nobody else: another authority's
// certificate, another name's and one that is over end it and are said in words; what is said
// arrives whole, however it is cut. Method: our own server's side, and certificates made here.
#include "io/tls/client_tls.h"

#include "io/out_queue.h"
#include "io/tls/tls_context.h"
#include "tests/io/tls_client.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

namespace millrace::io {
namespace {

class ClientTlsTest : public ::testing::Test {
protected:
    ClientTlsTest() : authority_(make_test_pair("authority")) {}

    void serve(const TestPair& pair) {
        TlsMaterial material;
        material.chain_pem = pair.certificate;
        material.key_pem = pair.key;
        auto context = TlsContext::make(*check_tls_material(std::move(material)), tickets_);
        ASSERT_TRUE(context) << context.error().message;
        server_ = (*context)->accept(line_tls_service());
    }
    void call(const std::string& host, const std::string& trusted) {
        client_ = std::make_unique<ClientTls>(host, trusted);
    }
    std::string from_server() {
        std::size_t all = 0;
        OutQueue queue(pools_, all);
        server_->pull(queue);
        std::string out;
        while (!queue.empty()) {
            SendVector pieces;
            queue.begin_send(pieces);
            const std::size_t before = out.size();
            for (std::size_t i = 0; i < pieces.count; ++i)
                out.append(static_cast<const char*>(pieces.pieces[i].iov_base),
                           pieces.pieces[i].iov_len);
            queue.sent(out.size() - before);
        }
        return out;
    }
    // Until nobody says anything, `step` bytes at a time.
    void pump(std::size_t step = 1'000'000) {
        while (true) {
            const std::string to_server = std::exchange(client_->wire(), {});
            for (std::size_t at = 0; at < to_server.size(); at += step)
                server_->take(std::string_view(to_server).substr(at, step));
            read_server();
            const std::string to_client = from_server();
            for (std::size_t at = 0; at < to_client.size(); at += step) {
                client_->take(std::string_view(to_client).substr(at, step));
                client_->read(heard_);
            }
            if (to_server.empty() && to_client.empty()) return;
        }
    }
    void read_server() {
        std::string piece(65'536, 0);
        while (const std::size_t bytes = server_->read(piece.data(), piece.size()))
            served_.append(piece, 0, bytes);
    }
    std::string outcome(const TestPair& pair, const std::string& host, const std::string& trusted) {
        serve(pair);
        call(host, trusted);
        pump();
        EXPECT_NE(client_->open(), !client_->error().empty());
        return client_->open() ? "open" : client_->error();
    }

    core::ManualClock clock_;
    TicketKeys tickets_{clock_};
    SizedPools pools_;
    const TestPair authority_;
    std::unique_ptr<StreamTransform> server_;
    std::unique_ptr<ClientTls> client_;
    std::string heard_, served_;
};

TEST_F(ClientTlsTest, WhatIsSaidArrivesHoweverItIsCut) {
    const TestPair pair = make_test_pair("peer", "DNS:peer.example", &authority_);
    for (const std::size_t step : {std::size_t{1}, std::size_t{17}, std::size_t{1'000'000}}) {
        serve(pair);
        call("peer.example", authority_.certificate);
        heard_.clear();
        served_.clear();
        pump(step);
        ASSERT_TRUE(client_->open()) << client_->error();
        const std::string said(100'000, 'x');
        client_->write(said);
        pump(step);
        EXPECT_TRUE(served_ == said);
        server_->write("back");
        server_->write(said);
        pump(step);
        EXPECT_TRUE(heard_ == "back" + said);
        server_->end();
        pump(step);
        EXPECT_TRUE(client_->ended());
        EXPECT_EQ(client_->error(), "");
    }
}

TEST_F(ClientTlsTest, OnlyWhomItWasToldToCallIsSpokenWith) {
    const std::string& trusted = authority_.certificate;
    const TestPair other = make_test_pair("another");
    const TestPair named = make_test_pair("peer", "DNS:peer.example", &authority_);
    const TestPair star = make_test_pair("peer", "DNS:*.peer.example", &authority_);
    const TestPair address = make_test_pair("peer", "IP:127.0.0.1,IP:::1", &authority_);
    const TestPair alone = make_test_pair("peer", "DNS:peer.example");
    const TestPair over = make_test_pair("peer", "DNS:peer.example", &authority_, -60);
    const struct {
        const TestPair& pair;
        std::string host, trusted, expected;
    } cases[] = {
        {named, "peer.example", trusted, "open"},
        {named, "peer.example", other.certificate + trusted, "open"},
        {star, "a.peer.example", trusted, "open"},
        {star, "a.b.peer.example", trusted, "hostname mismatch"},
        {address, "127.0.0.1", trusted, "open"},
        {address, "::1", trusted, "open"},
        {address, "127.0.0.2", trusted, "IP address mismatch"},
        {address, "localhost", trusted, "hostname mismatch"},
        {named, "other.example", trusted, "hostname mismatch"},
        {named, "peer.example", other.certificate, "unable to get local issuer certificate"},
        {named, "peer.example", "", "unable to get local issuer certificate"},
        {alone, "peer.example", trusted, "self-signed certificate"},
        {alone, "peer.example", alone.certificate, "open"},
        {over, "peer.example", trusted, "certificate has expired"},
        {named, "peer.example", "text", "holds no certificates as PEM"},
    };
    for (const auto& one : cases)
        EXPECT_NE(outcome(one.pair, one.host, one.trusted).find(one.expected), std::string::npos)
            << one.host << ": " << client_->error() << ", not " << one.expected;
}

TEST_F(ClientTlsTest, WhoDoesNotSpeakTlsIsToldSo) {
    call("peer.example", authority_.certificate);
    client_->take("220 mail.example ready\r\n");
    EXPECT_FALSE(client_->open());
    EXPECT_EQ(client_->error(), "wrong version number");
    std::string plain;
    client_->read(plain);
    client_->write("x");
    EXPECT_EQ(plain, "");
}

TEST(CheckAuthorities, TakesTextsThatHoldCertificates) {
    const TestPair one = make_test_pair("one"), two = make_test_pair("two");
    EXPECT_TRUE(check_authorities(one.certificate + two.certificate));
    EXPECT_FALSE(check_authorities(""));
    EXPECT_FALSE(check_authorities(one.key));
    std::string cut = one.certificate + two.certificate;
    EXPECT_FALSE(check_authorities(cut.erase(cut.size() - 100, 10)));
}

}  // namespace
}  // namespace millrace::io
