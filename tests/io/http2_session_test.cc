// Goal: requests come out of a session and answers go in, within the windows that either side
// gives; what a client does too much of ends the session with the error that says so.
// Method: libnghttp2's own client at the other end for what is HTTP/2, frames by hand for what is
// too much of it or none.
#include "io/http2_session.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include <nghttp2/nghttp2.h>

namespace millrace::io {
namespace {

using namespace std::string_literals;

// Keeps what comes.
struct Seen final : Http2Handler {
    void on_request(std::uint32_t stream, Http2Request&& request) override {
        requests[stream] = std::move(request);
    }
    void on_data(std::uint32_t stream, std::string_view bytes) override {
        data[stream] += bytes;
        if (gives_room) session->give_room(stream, bytes.size());
    }
    void on_end(std::uint32_t stream) override { ended.push_back(stream); }
    void on_room(std::uint32_t stream) override { rooms.push_back(stream); }
    void on_closed(std::uint32_t stream) override { closed.push_back(stream); }

    Http2Session* session = nullptr;
    bool gives_room = true;
    std::map<std::uint32_t, Http2Request> requests;
    std::map<std::uint32_t, std::string> data;
    std::vector<std::uint32_t> ended, rooms, closed;
};

// A client of libnghttp2, over memory.
class Client {
public:
    struct Answer {
        std::map<std::string, std::string> head, trailers;
        std::string data;
        bool closed = false;
        std::uint32_t error = 0;
    };

    explicit Client(std::int32_t window = 65535) {
        nghttp2_session_callbacks* calls = nullptr;
        nghttp2_session_callbacks_new(&calls);
        nghttp2_session_callbacks_set_on_header_callback(calls, &Client::header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, &Client::data);
        nghttp2_session_callbacks_set_on_stream_close_callback(calls, &Client::closed);
        nghttp2_session_callbacks_set_on_frame_recv_callback(calls, &Client::frame);
        nghttp2_option* option = nullptr;
        nghttp2_option_new(&option);
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_session_client_new2(&session, calls, this, option);
        nghttp2_option_del(option);
        nghttp2_session_callbacks_del(calls);
        const nghttp2_settings_entry entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                                           static_cast<std::uint32_t>(window)};
        nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &entry, 1);
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() { nghttp2_session_del(session); }

    std::uint32_t ask(const std::string& body, bool ends = true) {
        bodies.push_back(std::make_unique<Body>(Body{body, 0, ends}));
        const auto field = [](const std::string& name, const std::string& value) {
            return nghttp2_nv{reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                              reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())),
                              name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
        };
        static const std::string names[] = {":method", ":scheme", ":path", ":authority", "x-own"};
        static const std::string values[] = {"POST", "http", "/a/b", "host:1", "value"};
        std::vector<nghttp2_nv> fields;
        for (int i = 0; i < 5; ++i) fields.push_back(field(names[i], values[i]));
        nghttp2_data_provider provider{};
        provider.source.ptr = bodies.back().get();
        provider.read_callback = &Client::read;
        return static_cast<std::uint32_t>(nghttp2_submit_request(
            session, nullptr, fields.data(), fields.size(), &provider, nullptr));
    }
    // What the client sends, all of it.
    std::string pull() {
        std::string out;
        const std::uint8_t* at = nullptr;
        for (ssize_t n; (n = nghttp2_session_mem_send(session, &at)) > 0;)
            out.append(reinterpret_cast<const char*>(at), static_cast<std::size_t>(n));
        return out;
    }
    void take(const std::string& bytes) {
        EXPECT_EQ(nghttp2_session_mem_recv(
                      session, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()),
                  static_cast<ssize_t>(bytes.size()));
    }

    std::map<std::uint32_t, Answer> answers;
    std::int64_t goaway = -1;
    nghttp2_session* session = nullptr;

private:
    struct Body {
        std::string text;
        std::size_t at = 0;
        bool ends = true;
    };
    static ssize_t read(nghttp2_session*, std::int32_t, std::uint8_t* at, std::size_t bytes,
                        std::uint32_t* flags, nghttp2_data_source* source, void*) {
        Body& body = *static_cast<Body*>(source->ptr);
        const std::size_t part = body.text.copy(reinterpret_cast<char*>(at), bytes, body.at);
        body.at += part;
        if (part == 0 && !body.ends) return NGHTTP2_ERR_DEFERRED;
        if (body.at == body.text.size() && body.ends) *flags |= NGHTTP2_DATA_FLAG_EOF;
        return static_cast<ssize_t>(part);
    }
    static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                      std::size_t name_bytes, const std::uint8_t* value, std::size_t value_bytes,
                      std::uint8_t, void* user) {
        Answer& answer = self(user).answers[static_cast<std::uint32_t>(frame->hd.stream_id)];
        auto& fields = frame->headers.cat == NGHTTP2_HCAT_RESPONSE ? answer.head : answer.trailers;
        fields[std::string(reinterpret_cast<const char*>(name), name_bytes)] =
            std::string(reinterpret_cast<const char*>(value), value_bytes);
        return 0;
    }
    static int data(nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* at,
                    std::size_t bytes, void* user) {
        self(user).answers[static_cast<std::uint32_t>(stream)].data.append(
            reinterpret_cast<const char*>(at), bytes);
        return 0;
    }
    static int closed(nghttp2_session*, std::int32_t stream, std::uint32_t error, void* user) {
        Answer& answer = self(user).answers[static_cast<std::uint32_t>(stream)];
        answer.closed = true;
        answer.error = error;
        return 0;
    }
    static int frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
        if (frame->hd.type == NGHTTP2_GOAWAY) self(user).goaway = frame->goaway.error_code;
        return 0;
    }
    static Client& self(void* user) { return *static_cast<Client*>(user); }

    std::vector<std::unique_ptr<Body>> bodies;
};

class Http2SessionTest : public ::testing::Test {
protected:
    explicit Http2SessionTest() { begin({}); }
    void begin(const Http2Limits& limits) {
        seen = Seen();
        session = std::make_unique<Http2Session>(seen, limits, counters);
        seen.session = session.get();
    }
    std::string pull() {
        std::string out;
        for (std::size_t before = ~std::size_t{0}; before != out.size();) {
            before = out.size();
            session->pull(out, out.size() + 1);
        }
        return out;
    }
    // Until neither has anything to say.
    bool talk(Client& client, std::size_t step = 1u << 20) {
        bool goes_on = true;
        for (;;) {
            const std::string sent = client.pull();
            for (std::size_t at = 0; at < sent.size(); at += step)
                goes_on = session->take(std::string_view(sent).substr(at, step), now_ns);
            const std::string answer = pull();
            client.take(answer);
            if (sent.empty() && answer.empty()) return goes_on;
        }
    }
    // Of frames by hand, behind a preface. What the session says to it in the end: the error of its
    // GOAWAY; -1: none.
    std::int64_t error_of(std::string_view frames) {
        std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame_of(4, 0, 0, "");
        bytes += frames;
        std::string said;
        for (std::size_t at = 0; at < bytes.size(); at += 4096) {
            const bool goes_on = session->take(std::string_view(bytes).substr(at, 4096), now_ns);
            said += pull();
            if (!goes_on) break;
        }
        std::int64_t error = -1;
        for (std::size_t at = 0; at + 9 <= said.size();) {
            const auto byte = [&](std::size_t i) {
                return static_cast<std::size_t>(static_cast<unsigned char>(said[at + i]));
            };
            const std::size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
            if (byte(3) == 7)
                error = static_cast<std::int64_t>(byte(13) << 24 | byte(14) << 16 | byte(15) << 8 |
                                                  byte(16));
            at += 9 + size;
        }
        return error;
    }
    static std::string frame_of(int kind, int flags, std::uint32_t stream,
                                const std::string& payload) {
        std::string out;
        for (int shift = 16; shift >= 0; shift -= 8)
            out.push_back(static_cast<char>(payload.size() >> shift & 0xff));
        out.push_back(static_cast<char>(kind));
        out.push_back(static_cast<char>(flags));
        for (int shift = 24; shift >= 0; shift -= 8)
            out.push_back(static_cast<char>(stream >> shift & 0xff));
        return out + payload;
    }
    static std::string literal(const std::string& name, const std::string& value) {
        return "\0"s + static_cast<char>(name.size()) + name + static_cast<char>(value.size()) +
               value;
    }
    static std::string head() {
        return literal(":method", "POST") + literal(":scheme", "http") + literal(":path", "/") +
               literal(":authority", "a");
    }
    static std::string many(const std::string& one, int count) {
        std::string out;
        for (int i = 0; i < count; ++i) out += one;
        return out;
    }

    Seen seen;
    Http2Counters counters;
    std::unique_ptr<Http2Session> session;
    std::int64_t now_ns = 1'000'000'000;
};

constexpr int kEndHeaders = 4, kEndStream = 1;
constexpr std::int64_t kCalm = 11;

TEST_F(Http2SessionTest, ARequestComesAndItsAnswerGoes) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{1} << 20}) {
        begin({});
        Client client;
        const std::uint32_t stream = client.ask("the body");
        EXPECT_TRUE(talk(client, step));
        const Http2Request& request = seen.requests.at(stream);
        EXPECT_EQ(request.method + request.path + request.authority, "POST/a/bhost:1");
        EXPECT_EQ(request.headers.at(0), (std::pair<std::string, std::string>("x-own", "value")));
        EXPECT_EQ(seen.data[stream], "the body");
        EXPECT_EQ(seen.ended, std::vector{stream});
        const HeaderField head[] = {{":status", "200"}, {"a", "b"}};
        ASSERT_TRUE(session->respond(stream, head));
        EXPECT_FALSE(session->respond(stream, head)) << "once";
        ASSERT_TRUE(session->write(stream, "some "));
        EXPECT_TRUE(talk(client, step));
        ASSERT_TRUE(session->write(stream, "data"));
        const HeaderField trailers[] = {{"last", "words"}};
        ASSERT_TRUE(session->end(stream, trailers));
        EXPECT_FALSE(session->write(stream, "more"));
        EXPECT_TRUE(talk(client, step));
        const Client::Answer& answer = client.answers[stream];
        EXPECT_EQ(answer.head.at(":status") + answer.head.at("a"), "200b");
        EXPECT_EQ(answer.data, "some data");
        EXPECT_EQ(answer.trailers.at("last"), "words");
        EXPECT_TRUE(answer.closed);
        EXPECT_EQ(answer.error, 0u);
        EXPECT_EQ(seen.closed, std::vector{stream});
        EXPECT_EQ(session->streams(), 0u);
        EXPECT_FALSE(session->respond(stream, head));
    }
    EXPECT_EQ(counters.requests, 3u);
}

TEST_F(Http2SessionTest, AnAnswerBeforeTheRequestIsOverEndsIt) {
    Client client;
    const std::uint32_t stream = client.ask("half", false);
    talk(client);
    const HeaderField all[] = {{":status", "200"}, {"grpc-status", "3"}};
    ASSERT_TRUE(session->end(stream, all));
    talk(client);
    EXPECT_EQ(client.answers[stream].head.at("grpc-status"), "3");
    EXPECT_TRUE(client.answers[stream].closed);
    EXPECT_EQ(client.answers[stream].error, 0u) << "NO_ERROR: the rest is not wanted";
    EXPECT_EQ(session->streams(), 0u);
}

TEST_F(Http2SessionTest, WhatNoRoomWasGivenForStaysWithTheClient) {
    begin({.stream_window_bytes = 1000, .window_bytes = 65535});
    seen.gives_room = false;
    Client client;
    talk(client);  // it knows the window now
    const std::uint32_t stream = client.ask(std::string(5000, 'x'));
    talk(client);
    EXPECT_LT(seen.data[stream].size(), 5000u);
    std::size_t given = 0;
    while (seen.ended.empty()) {
        const std::size_t came = seen.data[stream].size() - given;
        ASSERT_GT(came, 0u);
        session->give_room(stream, came);
        given += came;
        talk(client);
    }
    EXPECT_EQ(seen.data[stream].size(), 5000u);
}

TEST_F(Http2SessionTest, WhatTheClientGivesNoRoomForStaysHere) {
    Client client(1000);
    const std::uint32_t stream = client.ask("");
    talk(client);
    const HeaderField head[] = {{":status", "200"}};
    session->respond(stream, head);
    session->write(stream, std::string(3000, 'y'));
    talk(client);
    EXPECT_EQ(client.answers[stream].data.size(), 1000u);
    EXPECT_EQ(session->unsent_bytes(stream), 2000u);
    EXPECT_EQ(session->unsent_bytes(), 2000u);
    session->want_room(stream, 1500);
    EXPECT_TRUE(seen.rooms.empty());
    nghttp2_session_consume(client.session, static_cast<std::int32_t>(stream), 1000);
    talk(client);
    EXPECT_EQ(seen.rooms, std::vector{stream}) << "once";
    EXPECT_EQ(client.answers[stream].data.size(), 2000u);
    nghttp2_submit_rst_stream(client.session, NGHTTP2_FLAG_NONE, static_cast<std::int32_t>(stream),
                              NGHTTP2_CANCEL);
    talk(client);
    EXPECT_EQ(session->unsent_bytes(), 0u);
    EXPECT_EQ(seen.closed, std::vector{stream});
    EXPECT_EQ(counters.resets, 1u);
}

TEST_F(Http2SessionTest, GoingAwayLetsWhatIsThereEnd) {
    Client client;
    const std::uint32_t stream = client.ask("");
    talk(client);
    session->go_away(Http2Error::kNone, "idle");
    EXPECT_TRUE(talk(client));
    EXPECT_EQ(client.goaway, 0);
    const HeaderField all[] = {{":status", "200"}};
    session->end(stream, all);
    talk(client);
    EXPECT_TRUE(client.answers[stream].closed);
    EXPECT_EQ(counters.protocol_errors, 0u);
}

TEST_F(Http2SessionTest, PingsAreCountedUntilTheyAreAnswered) {
    Client client;
    talk(client);
    session->ping();
    EXPECT_EQ(session->pings_unanswered(), 1u);
    talk(client);
    EXPECT_EQ(session->pings_unanswered(), 0u);
}

TEST_F(Http2SessionTest, FramesThatBringNothingAreCounted) {
    const std::string kinds[] = {frame_of(6, 0, 0, "12345678"), frame_of(4, 0, 0, ""),
                                 frame_of(2, 0, 1, "\0\0\0\0\x10"s)};
    std::uint64_t floods = 0;
    for (const std::string& one : kinds) {
        begin({});
        EXPECT_EQ(error_of(many(one, 2000)), kCalm);
        EXPECT_EQ(counters.floods, ++floods);
        EXPECT_TRUE(session->over());
        EXPECT_FALSE(session->take("more", now_ns));
    }
    begin({});
    std::string rapid;
    for (std::uint32_t stream = 1; stream < 4000; stream += 2)
        rapid += frame_of(1, kEndHeaders, stream, head()) + frame_of(3, 0, stream, "\0\0\0\x08"s);
    EXPECT_EQ(error_of(rapid), kCalm);
    EXPECT_EQ(counters.floods, ++floods);
    begin({});
    EXPECT_EQ(error_of(frame_of(1, kEndHeaders, 1, head()) + many(frame_of(0, 0, 1, ""), 2000)),
              kCalm);
    EXPECT_EQ(counters.floods, ++floods);
}

TEST_F(Http2SessionTest, WithTimeMoreOfThemMayCome) {
    begin({.idle_frames_burst = 10, .idle_frames_per_second = 5});
    const std::string ping = frame_of(6, 0, 0, "12345678");
    EXPECT_EQ(error_of(many(ping, 8)), -1);
    for (int second = 0; second < 20; ++second) {
        now_ns += 1'000'000'000;
        EXPECT_TRUE(session->take(many(ping, 5), now_ns));
        pull();
    }
    now_ns += 1'000'000'000;
    EXPECT_FALSE(session->take(many(ping, 12), now_ns));
}

TEST_F(Http2SessionTest, HeadersWithoutAnEndEndIt) {
    const std::string start = frame_of(1, 0, 1, head());
    const std::string more = frame_of(9, 0, 1, literal("x", "y"));
    EXPECT_EQ(error_of(start + many(more, 100)), kCalm);
    EXPECT_EQ(counters.header_floods, 1u);
    begin({});
    std::string large;
    for (int i = 0; i < 120; ++i) large += literal("x-" + std::to_string(i), std::string(100, 'v'));
    std::string all = start;
    for (int i = 0; i < 8; ++i) all += frame_of(9, 0, 1, large);
    begin({.header_bytes_max = 1000});
    EXPECT_EQ(error_of(all), kCalm);
    EXPECT_EQ(counters.header_floods, 2u);
}

TEST_F(Http2SessionTest, ARequestWithTooManyHeadersIsTold) {
    begin({.header_bytes_max = 400, .header_count_max = 64});
    std::string fields = head();
    for (int i = 0; i < 10; ++i) fields += literal("x-" + std::to_string(i), "value");
    EXPECT_EQ(error_of(frame_of(1, kEndHeaders | kEndStream, 1, fields)), -1);
    EXPECT_TRUE(seen.requests.at(1).too_large);
    EXPECT_EQ(counters.headers_too_large, 1u);
}

TEST_F(Http2SessionTest, WhatIsNoHttp2EndsIt) {
    const std::string cases[] = {
        frame_of(0, 0, 1, "x"),               // data of no stream
        frame_of(1, kEndHeaders, 0, head()),  // headers of stream 0
        frame_of(1, kEndHeaders, 1, "\xff\xff\xff\xff\xff"),
        frame_of(8, 0, 0, "\0\0\0\0"s),  // a window that grows by nothing
        frame_of(6, 0, 0, "123"),        // a PING of 3 bytes
        frame_of(9, 0, 1, "x"),          // a CONTINUATION of nothing
        frame_of(1, 0, 1, head()) + frame_of(6, 0, 0, "12345678"),
    };
    std::uint64_t errors = 0;
    for (const std::string& bytes : cases) {
        begin({});
        EXPECT_GT(error_of(bytes), 0) << ::testing::PrintToString(bytes);
        EXPECT_EQ(counters.protocol_errors, ++errors);
    }
    begin({});
    EXPECT_FALSE(session->take("GET / HTTP/1.1\r\n\r\n", now_ns));
    EXPECT_FALSE(pull().empty());
    EXPECT_TRUE(session->over());
}

TEST_F(Http2SessionTest, AClientThatPassesTheLimitOfStreamsIsEnded) {
    begin({.streams_max = 2});
    Client client;
    talk(client);
    for (int i = 0; i < 2; ++i) client.ask("", false);
    talk(client);
    EXPECT_EQ(seen.requests.size(), 2u);
    (void)session->take(frame_of(1, kEndHeaders, 5, head()), now_ns);
    EXPECT_EQ(seen.requests.size(), 2u);
    client.take(pull());
    EXPECT_EQ(client.goaway, 1) << "PROTOCOL_ERROR";
    EXPECT_TRUE(session->over());
}

}  // namespace
}  // namespace millrace::io
