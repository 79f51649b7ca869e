// Goal: the rules of our TLS: versions and ciphers, protocols by name, who is asked for a
// certificate, tickets over shards and rotations, no renegotiation, no memory for those who do not
// listen; and a handshake cut anywhere comes to the same.
// Method: transforms of both sides hand each other their bytes; where connections matter, an HTTP
// server in memory.
#include "io/http_server.h"
#include "io/out_queue.h"
#include "io/tls/tls_context.h"
#include "tests/io/edge_world.h"
#include "tests/io/tls_client.h"

#include <openssl/ssl.h>

#include <functional>
#include <memory>

namespace millrace::io {
namespace {

using State = StreamTransform::State;

// A server's transform and a client's, and how their bytes are cut.
struct Talk {
    std::unique_ptr<StreamTransform> server;
    std::unique_ptr<TlsClientTransform> client;
    std::size_t cut_at = 0;  // of all bytes of the client; 0: nowhere
    std::size_t client_bytes = 0;
    SizedPools pools{};
    std::size_t all_bytes = 0;
    OutQueue out{pools, all_bytes};

    std::string server_wire() {
        server->pull(out);
        std::string text;
        while (!out.empty()) {
            SendVector vector;
            out.begin_send(vector);
            std::size_t bytes = 0;
            for (std::size_t i = 0; i < vector.count; ++i) {
                text.append(static_cast<const char*>(vector.pieces[i].iov_base),
                            vector.pieces[i].iov_len);
                bytes += vector.pieces[i].iov_len;
            }
            out.sent(bytes);
        }
        return text;
    }
    void to_server(std::string_view wire) {
        const std::size_t before = client_bytes;
        client_bytes += wire.size();
        if (cut_at > before && cut_at < client_bytes) {
            server->take(wire.substr(0, cut_at - before));
            wire.remove_prefix(cut_at - before);
        }
        server->take(wire);
    }
    std::string server_read() {
        std::string text;
        char piece[300];
        while (const std::size_t bytes = server->read(piece, sizeof piece))
            text.append(piece, bytes);
        return text;
    }
    std::string client_read() {
        std::string text;
        char piece[300];
        while (const std::size_t bytes = client->read(piece, sizeof piece))
            text.append(piece, bytes);
        return text;
    }
    // Until nobody has anything to say.
    bool shake_hands() {
        for (int i = 0; i < 10; ++i) {
            to_server(client->take_wire());
            client->take(server_wire());
        }
        client_read();  // takes the tickets
        return server->state() == State::kOpen && client->state() == State::kOpen;
    }
};

class TlsTest : public testing::Test {
protected:
    Talk talk(const TlsClientOptions& options = {}, const TlsService& service = http_tls_service(),
              TlsContext* context = nullptr) {
        return {(context ? *context : *context_).accept(service),
                std::make_unique<TlsClientTransform>(options)};
    }
    std::shared_ptr<TlsContext> make(const TlsMaterial& material = server_material()) {
        return *TlsContext::make(material, tickets_);
    }
    TlsMaterial asking(ClientAuth auth, const TestPair& root) {
        TlsMaterial material = server_material();
        material.client_auth = auth;
        material.client_ca_pem = root.certificate;
        return *check_tls_material(std::move(material));
    }

    core::ManualClock clock_;
    TicketKeys tickets_{clock_};
    std::shared_ptr<TlsContext> context_ = make();
};

TEST_F(TlsTest, SpeaksTwoVersionsAndNoOlderOne) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        Talk one = talk({.version_min = version, .version_max = version});
        EXPECT_TRUE(one.shake_hands()) << one.client->failure();
        EXPECT_EQ(one.client->version(), version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
    }
    Talk old = talk({.version_max = TLS1_1_VERSION});
    EXPECT_FALSE(old.shake_hands());
    EXPECT_EQ(old.server->state(), State::kFailed);
}

TEST_F(TlsTest, CiphersWithoutForwardSecrecyOrAuthenticationAreRefused) {
    for (const char* cipher : {"AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "NULL-SHA"}) {
        Talk weak = talk({.version_max = TLS1_2_VERSION, .ciphers12 = cipher});
        EXPECT_FALSE(weak.shake_hands()) << cipher;
    }
    Talk good = talk({.version_max = TLS1_2_VERSION, .ciphers12 = "ECDHE-ECDSA-CHACHA20-POLY1305"});
    EXPECT_TRUE(good.shake_hands());
}

TEST_F(TlsTest, AProtocolThatIsNamedMustBeTheServices) {
    Talk both = talk({.protocols = {"h2", "http/1.1"}});
    EXPECT_TRUE(both.shake_hands());
    EXPECT_EQ(both.client->protocol(), "http/1.1");
    Talk second = talk({.protocols = {"h2"}});
    EXPECT_TRUE(second.shake_hands());
    EXPECT_EQ(second.client->protocol(), "h2");
    Talk other = talk({.protocols = {"h3", "spdy/3"}});
    EXPECT_FALSE(other.shake_hands());
    EXPECT_NE(other.client->failure().find("no application protocol"), std::string::npos);
    Talk none = talk({}, line_tls_service());
    EXPECT_TRUE(none.shake_hands());
    Talk page = talk({.protocols = {"http/1.1"}}, line_tls_service());
    EXPECT_FALSE(page.shake_hands()) << "a browser on the socket of lines";
}

TEST_F(TlsTest, AHandshakeCutAnywhereComesToTheSame) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        std::size_t bytes = 2;  // known better with each handshake
        for (std::size_t place = 1; place < bytes; ++place) {
            Talk cut = talk({.version_min = version, .version_max = version});
            cut.cut_at = place;
            ASSERT_TRUE(cut.shake_hands()) << place;
            cut.client->write("hello");
            cut.to_server(cut.client->take_wire());
            EXPECT_EQ(cut.server_read(), "hello");
            bytes = cut.client_bytes;
        }
        EXPECT_GT(bytes, 200u);
    }
}

TEST_F(TlsTest, AHandshakeWithABrokenByteFailsOrIsWhole) {
    // The client's first record, one byte of it changed: an alert or a handshake, never a hang.
    Talk whole = talk();
    const std::string hello = whole.client->take_wire();
    for (std::size_t place = 0; place < hello.size(); ++place) {
        Talk broken = talk();
        std::string wire = hello;
        wire[place] = static_cast<char>(wire[place] ^ 0x41);
        broken.server->take(wire);
        EXPECT_NE(broken.server->state(), State::kOpen) << place;
    }
}

TEST_F(TlsTest, WhoSpeaksWithoutTlsIsToldInItsOwnWords) {
    const auto http = context_->accept(http_tls_service());
    http->take("G");
    EXPECT_EQ(http->state(), State::kFailed);
    Talk reader{context_->accept(line_tls_service()), nullptr};
    reader.server->take(R"({"hello":{}})");
    EXPECT_EQ(reader.server->state(), State::kFailed);
    EXPECT_TRUE(
        reader.server_wire().starts_with(R"({"error":{"message":"socket: this port speaks TLS")"));
}

TEST_F(TlsTest, ABrokenRecordIsAnAlert) {
    Talk one = talk();
    ASSERT_TRUE(one.shake_hands());
    one.client->write("hello");
    std::string wire = one.client->take_wire();
    wire.back() = static_cast<char>(wire.back() ^ 1);
    one.to_server(wire);
    EXPECT_EQ(one.server_read(), "");
    EXPECT_EQ(one.server->state(), State::kFailed);
    one.client->take(one.server_wire());
    one.client_read();
    EXPECT_NE(one.client->failure().find("bad record mac"), std::string::npos);
}

TEST_F(TlsTest, EndsAreSaidByBothSides) {
    Talk one = talk();
    ASSERT_TRUE(one.shake_hands());
    one.client->end();
    one.to_server(one.client->take_wire());
    EXPECT_EQ(one.server_read(), "");
    EXPECT_EQ(one.server->state(), State::kPeerEnded);
    one.server->write("still");
    one.server->end();
    one.client->take(one.server_wire());
    EXPECT_EQ(one.client_read(), "still");
    EXPECT_EQ(one.client->state(), State::kPeerEnded);
}

TEST_F(TlsTest, NoRenegotiation) {
    Talk one = talk({.version_max = TLS1_2_VERSION});
    ASSERT_TRUE(one.shake_hands());
    one.client->renegotiate();
    one.to_server(one.client->take_wire());
    EXPECT_EQ(one.server_read(), "");
    one.client->take(one.server_wire());
    one.client_read();
    EXPECT_NE(one.client->failure().find("no renegotiation"), std::string::npos)
        << one.client->failure();
}

// ---- sessions

class TlsSessionTest : public TlsTest {
protected:
    struct Freed {
        void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
    };
    using Session = std::unique_ptr<SSL_SESSION, Freed>;

    Session session_of(TlsClientOptions options = {}, TlsContext* context = nullptr) {
        Talk first = talk(options, http_tls_service(), context);
        EXPECT_TRUE(first.shake_hands());
        EXPECT_FALSE(first.client->resumed());
        return Session(first.client->take_session());
    }
    bool comes_back(const Session& session, TlsClientOptions options = {},
                    TlsContext* context = nullptr) {
        options.session = session.get();
        Talk again = talk(options, http_tls_service(), context);
        EXPECT_TRUE(again.shake_hands());
        return again.client->resumed();
    }
};

TEST_F(TlsSessionTest, ATicketOfOneShardCountsAtEveryOther) {
    const auto other = make();
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const TlsClientOptions options{.version_min = version, .version_max = version};
        EXPECT_TRUE(comes_back(session_of(options), options, other.get())) << version;
    }
}

TEST_F(TlsSessionTest, ATicketCountsUntilItsKeyIsGone) {
    const Session session = session_of();
    clock_.advance_us(TicketKeys::kRotateNs / 1000);
    EXPECT_TRUE(comes_back(session));
    clock_.advance_us(TicketKeys::kRotateNs / 1000);
    EXPECT_FALSE(comes_back(session));
}

TEST_F(TlsSessionTest, AReloadWithTheSameRulesKeepsTicketsAndOneWithOthersDoesNot) {
    const TestPair root = make_test_pair("root"), other = make_test_pair("other root");
    const TestPair client = make_test_pair("client", "DNS:client.example", &root);
    const TlsClientOptions options{.identity = &client};
    const auto before = make(asking(ClientAuth::kOptional, root));
    const Session session = session_of(options, before.get());
    EXPECT_TRUE(comes_back(session, options, make(asking(ClientAuth::kOptional, root)).get()));
    TlsClientOptions nobody;
    EXPECT_FALSE(comes_back(session, nobody, make(asking(ClientAuth::kOptional, other)).get()));
}

// ---- who the client is

TEST_F(TlsTest, ACertificateOfAKnownIssuerNamesItsClient) {
    const TestPair root = make_test_pair("root"), foreign = make_test_pair("foreign root");
    const TestPair known = make_test_pair("a", "DNS:A.example,URI:spiffe://a/b", &root);
    const TestPair unknown = make_test_pair("a", "DNS:a.example", &foreign);
    const TestPair over = make_test_pair("a", "DNS:a.example", &root, -60);
    for (const ClientAuth auth : {ClientAuth::kOptional, ClientAuth::kRequired}) {
        const auto context = make(asking(auth, root));
        Talk named = talk({.identity = &known}, http_tls_service(), context.get());
        ASSERT_TRUE(named.shake_hands()) << named.client->failure();
        EXPECT_EQ(std::vector<std::string>(named.server->peer_names().begin(),
                                           named.server->peer_names().end()),
                  (std::vector<std::string>{"DNS:a.example", "URI:spiffe://a/b"}));
        for (const TestPair* refused : {&unknown, &over}) {
            Talk other = talk({.identity = refused}, http_tls_service(), context.get());
            other.shake_hands();
            EXPECT_EQ(other.server->state(), State::kFailed);
            EXPECT_TRUE(other.server->peer_names().empty());
        }
        Talk nobody = talk({}, http_tls_service(), context.get());
        EXPECT_EQ(nobody.shake_hands(), auth == ClientAuth::kOptional);
        EXPECT_TRUE(nobody.server->peer_names().empty());
    }
    Talk not_asked = talk({.identity = &known});
    EXPECT_TRUE(not_asked.shake_hands());
    EXPECT_TRUE(not_asked.server->peer_names().empty());
}

TEST_F(TlsTest, WhoComesBackWithATicketIsStillWhoItWas) {
    const TestPair root = make_test_pair("root");
    const TestPair known = make_test_pair("a", "DNS:a.example", &root);
    const auto context = make(asking(ClientAuth::kRequired, root));
    Talk first = talk({.identity = &known}, http_tls_service(), context.get());
    ASSERT_TRUE(first.shake_hands());
    SSL_SESSION* session = first.client->take_session();
    Talk again = talk({.identity = &known, .session = session}, http_tls_service(), context.get());
    ASSERT_TRUE(again.shake_hands());
    EXPECT_TRUE(again.client->resumed());
    ASSERT_EQ(again.server->peer_names().size(), 1u);
    EXPECT_EQ(again.server->peer_names()[0], "DNS:a.example");
    SSL_SESSION_free(session);
}

// ---- connections

class TlsServerTest : public testing::Test, public HttpHandler {
protected:
    TlsServerTest() {
        address_ = *server_.listen(*Address::parse("127.0.0.1:0"), ListenRole::kFirst,
                                   world_.transforms());
    }
    void on_request(Request& request) override {
        server_.respond(request.token, ResponseHead{}, "ok");
    }

    EdgeWorld world_{World::kTls};
    HttpServer server_{*world_.reactor, *this, HttpLimits{}};
    Address address_;
};

TEST_F(TlsServerTest, PlainHttpGetsAPlain400) {
    const int client = world_.network.connect(address_);
    world_.network.write(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world_.settle();
    const std::string answer = world_.network.read(client);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << answer;
    EXPECT_NE(answer.find("this port speaks TLS"), std::string::npos);
    EXPECT_TRUE(world_.network.ended(client));
}

TEST_F(TlsServerTest, AHandshakeHasTenSeconds) {
    const int silent = world_.network.connect(address_);
    const int dripping = world_.network.connect(address_);
    world_.settle();
    TlsClientTransform transform;
    const std::string hello = transform.take_wire();
    for (std::size_t second = 0; second < 9; ++second) {
        world_.network.write(dripping, hello.substr(second, 1));
        world_.advance_ms(1000);
    }
    EXPECT_EQ(server_.connections(), 2u);
    world_.advance_ms(1100);
    EXPECT_EQ(server_.connections(), 0u);
    EXPECT_TRUE(world_.network.ended(silent));
}

TEST_F(TlsServerTest, AfterTheHandshakeItsTimeIsNoMatter) {
    const int client = world_.connect(address_);
    world_.settle();
    world_.advance_ms(30'000);
    world_.write(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world_.settle();
    EXPECT_TRUE(world_.received(client).ends_with("ok"));
}

TEST_F(TlsServerTest, WhoMakesTheServerSpeakAndDoesNotListenIsCutOff) {
    const int client = world_.network.connect(address_);
    TlsClientTransform transform;
    const auto exchange = [&] {
        world_.network.write(client, transform.take_wire());
        world_.settle();
    };
    for (int i = 0; i < 4; ++i) {
        exchange();
        transform.take(world_.network.read(client));
    }
    ASSERT_EQ(transform.state(), State::kOpen);
    exchange();
    world_.network.set_window(client, 0);
    std::size_t updates = 0;
    while (server_.connections() == 1 && updates < 100'000) {
        for (int i = 0; i < 100; ++i, ++updates) ASSERT_TRUE(transform.update_keys());
        exchange();
    }
    EXPECT_EQ(server_.connections(), 0u);
    EXPECT_GT(updates, 1000u);
}

}  // namespace
}  // namespace millrace::io
