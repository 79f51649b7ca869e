// Goal: what gzip made comes back whole, however it was cut into members; nothing is made of what
// is no gzip, and nothing inflates beyond its limit. Method: zlib's own compressor, then every cut
// and random damage; one body over HTTP.
#include "io/content_coding.h"

#include "core/random.h"
#include "io/http_server.h"
#include "tests/io/edge_world.h"

#include <zstd.h>

#include <zlib.h>

namespace millrace::io {
namespace {

std::string gzip(std::string_view text) {
    z_stream stream{};
    EXPECT_EQ(::deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string out(::deflateBound(&stream, text.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(out.size() - stream.avail_out);
    ::deflateEnd(&stream);
    return out;
}

std::string sample(std::size_t bytes) {
    std::string text;
    for (int i = 0; text.size() < bytes; ++i) text += "{\"number\":" + std::to_string(i) + "}\n";
    text.resize(bytes);
    return text;
}

TEST(ContentCoding, OnlyGzipOrZstdOnceAndIdentityAreKnown) {
    const auto of = [](std::initializer_list<std::string_view> items) {
        ContentCoding coding = ContentCoding::kIdentity;
        for (const std::string_view item : items) coding = also(coding, item);
        return coding;
    };
    EXPECT_EQ(of({}), ContentCoding::kIdentity);
    EXPECT_EQ(of({"identity"}), ContentCoding::kIdentity);
    EXPECT_EQ(of({"GZip"}), ContentCoding::kGzip);
    EXPECT_EQ(of({"identity", "x-gzip"}), ContentCoding::kGzip);
    EXPECT_EQ(of({"zstd"}), ContentCoding::kZstd);
    EXPECT_EQ(of({"zstd", "gzip"}), ContentCoding::kUnknown);
    EXPECT_EQ(of({"br"}), ContentCoding::kUnknown);
    EXPECT_EQ(of({"br", "gzip"}), ContentCoding::kUnknown);
    EXPECT_EQ(of({"gzip", "br"}), ContentCoding::kUnknown);
    EXPECT_EQ(of({"gzip", "gzip"}), ContentCoding::kUnknown);
    EXPECT_EQ(of({"gzip;q=1"}), ContentCoding::kUnknown);
}

std::string zstd(std::string_view text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
    return out;
}

TEST(ContentCoding, GivesBackWhatZstdCompressed) {
    SizedPools pools;
    for (const std::size_t bytes : {0u, 1u, 511u, 512u, 513u, 100'000u, 3'000'000u}) {
        const std::string text = sample(bytes);
        const std::string frames = zstd(text.substr(0, bytes / 3)) + zstd(text.substr(bytes / 3));
        const auto plain = inflate_zstd(frames, bytes, pools);
        ASSERT_TRUE(plain) << bytes << plain.error().message;
        EXPECT_TRUE(plain->view() == text) << bytes;
    }
}

TEST(ContentCoding, RefusesZstdThatIsCutDamagedOrTooLarge) {
    SizedPools pools;
    const std::string packed = zstd(sample(10'000));
    for (std::size_t i = 0; i < packed.size(); ++i)
        EXPECT_FALSE(inflate_zstd(packed.substr(0, i), 10'000, pools)) << i;
    EXPECT_FALSE(inflate_zstd(packed + "x", 10'000, pools));
    const auto large = inflate_zstd(packed, 9'999, pools);
    ASSERT_FALSE(large);
    EXPECT_EQ(large.error().code, core::ErrorCode::kPayloadTooLarge);
    const std::string bomb = zstd(std::string(50'000'000, 'x'));
    EXPECT_EQ(inflate_zstd(bomb, 1'000'000, pools).error().code, core::ErrorCode::kPayloadTooLarge);
}

TEST(ContentCoding, ShrinksAnswersForThoseWhoAsk) {
    SizedPools pools;
    const std::string text = sample(100'000);
    const std::string packed = deflate_gzip(text);
    EXPECT_LT(packed.size() * 3, text.size());
    EXPECT_TRUE(inflate_gzip(packed, text.size(), pools)->view() == text);
    for (const char* wants : {"gzip", "br, gzip", "deflate,GZIP;q=0.5"})
        EXPECT_TRUE(accepts_gzip(wants)) << wants;
    for (const char* wants : {"", "br", "gzip;q=0", "gzip; q=0.000", "xgzip"})
        EXPECT_FALSE(accepts_gzip(wants)) << wants;
}

TEST(ContentCoding, GivesBackWhatWasCompressed) {
    SizedPools pools;
    for (const std::size_t bytes : {0u, 1u, 511u, 512u, 513u, 100'000u, 3'000'000u}) {
        const std::string text = sample(bytes);
        const auto plain = inflate_gzip(gzip(text), bytes, pools);
        ASSERT_TRUE(plain) << bytes << plain.error().message;
        EXPECT_TRUE(plain->view() == text) << bytes;
    }
    const auto members = inflate_gzip(gzip("a") + gzip("") + gzip("bc"), 3, pools);
    ASSERT_TRUE(members);
    EXPECT_EQ(members->view(), "abc");
}

TEST(ContentCoding, InflatesNothingBeyondItsLimit) {
    SizedPools pools;
    const std::string bomb = gzip(std::string(20'000'000, '0'));
    for (const std::size_t limit : {0u, 1u, 1000u, 1u << 20, 19'999'999u}) {
        const auto refused = inflate_gzip(bomb, limit, pools);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, core::ErrorCode::kPayloadTooLarge);
        EXPECT_EQ(refused.error().limit, static_cast<std::int64_t>(limit));
    }
}

TEST(ContentCoding, RefusesWhatIsCutOrDamaged) {
    SizedPools pools;
    const std::string whole = gzip(sample(2000));
    for (std::size_t cut = 0; cut < whole.size(); ++cut)
        ASSERT_FALSE(inflate_gzip(std::string_view(whole).substr(0, cut), 1 << 20, pools)) << cut;
    EXPECT_FALSE(inflate_gzip(whole + "x", 1 << 20, pools));
    EXPECT_FALSE(inflate_gzip("{\"pattern\":\"a\"}", 1 << 20, pools));
    core::Random random(5);
    for (int i = 0; i < 2000; ++i) {
        std::string damaged = whole;
        damaged[random.below(damaged.size())] ^= static_cast<char>(1u << random.below(8));
        const auto plain = inflate_gzip(damaged, 1 << 20, pools);
        // Time stamp and system of the frame say nothing about the text.
        if (plain) {
            EXPECT_TRUE(plain->view() == sample(2000));
        }
    }
}

class Echo final : public HttpHandler {
public:
    HttpServer* server = nullptr;
    void on_request(Request& request) override {
        server->respond(request.token, ResponseHead{}, request.body_view());
    }
};

TEST(ContentCoding, BodiesOfRequestsArePlainBeforeAnybodySeesThem) {
    EdgeWorld world(World::kMemory);
    Echo echo;
    HttpLimits limits;
    limits.body_bytes_max = 1000;
    HttpServer server(*world.reactor, echo, limits);
    echo.server = &server;
    const Address address = *server.listen(*Address::parse("127.0.0.1:0"), ListenRole::kFirst);
    const auto post = [&](int client, std::string_view coding, std::string_view body) {
        world.forget(client);
        world.write(client,
                    "POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: " + std::string(coding) +
                        "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                        std::string(body));
        world.settle();
        return world.received(client);
    };
    const int client = world.connect(address);
    EXPECT_TRUE(post(client, "gzip", gzip("hello")).ends_with("\r\n\r\nhello"));
    EXPECT_TRUE(post(client, "identity", "plain").ends_with("\r\n\r\nplain"));
    // Refused, and the connection lives on: it is known where the next request begins.
    EXPECT_TRUE(post(client, "gzip", "plain").starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(post(client, "gzip", gzip(sample(1001))).starts_with("HTTP/1.1 413 "));
    EXPECT_TRUE(post(client, "gzip", gzip(sample(1000))).ends_with(sample(1000)));
    EXPECT_TRUE(post(client, "br", "").starts_with("HTTP/1.1 200 "));
    EXPECT_TRUE(post(client, "br, gzip", gzip("hello")).starts_with("HTTP/1.1 415 "));
    EXPECT_TRUE(world.pump_until([&] { return world.ended(client); }));
}

}  // namespace
}  // namespace millrace::io
