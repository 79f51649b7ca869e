// Goal: what a NATS server sends means the same however it is cut, what is none of the protocol
// ends the reading, and what a client says is what the protocol asks for. Method: text cases
// (tests/data/nats), each fed whole, in two at every byte and byte by byte.
#include "io/nats_codec.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::io {
namespace {

std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            out += text[i];
            continue;
        }
        const char kind = text[++i];
        out += kind == 'r' ? '\r' : kind == 'n' ? '\n' : kind == 't' ? '\t' : kind;
    }
    return out;
}

std::string or_dash(std::string_view text) { return text.empty() ? "-" : std::string(text); }

std::string line_of(const NatsFrame& frame) {
    const std::string text(frame.text);
    switch (frame.kind) {
        case NatsFrame::Kind::kInfo: return "info " + text;
        case NatsFrame::Kind::kPing: return "ping";
        case NatsFrame::Kind::kPong: return "pong";
        case NatsFrame::Kind::kOk: return "ok";
        case NatsFrame::Kind::kError: return "error " + text;
        case NatsFrame::Kind::kMessage: break;
    }
    return "message " + std::to_string(frame.sid) + " " + std::string(frame.subject) + " " +
           or_dash(frame.reply) + " " + or_dash(frame.headers) + " " + text;
}

using Lines = std::vector<std::string>;

void read_on(NatsReader& reader, std::string_view bytes, Lines& out) {
    reader.feed(bytes);
    NatsFrame frame;
    while (true) {
        const auto found = reader.next(frame);
        if (found == NatsReader::Found::kFrame) out.push_back(line_of(frame));
        if (found == NatsReader::Found::kBroken && (out.empty() || !out.back().starts_with("brok")))
            out.push_back("broken " + reader.why_broken());
        if (found != NatsReader::Found::kFrame) return;
    }
}

Lines read_in_two(std::string_view bytes, std::size_t at) {
    NatsReader reader;
    Lines out;
    read_on(reader, bytes.substr(0, at), out);
    read_on(reader, bytes.substr(at), out);
    return out;
}

Lines read_bytewise(std::string_view bytes) {
    NatsReader reader;
    Lines out;
    for (std::size_t i = 0; i < bytes.size(); ++i) read_on(reader, bytes.substr(i, 1), out);
    return out;
}

void run_case(const std::string& name, const std::string& input, const Lines& expected) {
    EXPECT_EQ(read_in_two(input, input.size()), expected) << name;
    for (std::size_t at = 0; at < input.size(); ++at)
        EXPECT_EQ(read_in_two(input, at), expected) << name << ", cut at " << at;
    EXPECT_EQ(read_bytewise(input), expected) << name << ", byte by byte";
}

TEST(NatsReader, Cases) {
    std::ifstream file(MILLRACE_SOURCE_DIR "/tests/data/nats/frames.case");
    std::string line, name, input;
    Lines expected;
    std::size_t cases = 0;
    const auto run = [&] {
        if (name.empty()) return;
        run_case(name, input, expected);
        ++cases;
        input.clear();
        expected.clear();
    };
    while (std::getline(file, line)) {
        if (line.starts_with("#")) continue;
        if (line.starts_with("== ")) {
            run();
            name = line.substr(3);
        } else if (line.starts_with("in ")) {
            input += unescaped(line.substr(3));
        } else {
            expected.push_back(unescaped(line));
        }
    }
    run();
    EXPECT_GT(cases, 20u);
}

TEST(NatsReader, AnEndlessLineIsBroken) {
    NatsReader reader;
    NatsFrame frame;
    reader.feed(std::string(kNatsLineBytesMax - 1, 'a'));
    EXPECT_EQ(reader.next(frame), NatsReader::Found::kNone);
    reader.feed("aa");
    EXPECT_EQ(reader.next(frame), NatsReader::Found::kBroken);
    EXPECT_EQ(reader.why_broken(), "a line is longer than 64 KiB");
}

TEST(NatsHeaders, AreFoundInAnyCase) {
    const std::string_view headers =
        "NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 7\r\nEmpty:\r\nlast:  x y \r\n\r\n";
    EXPECT_EQ(nats_status(headers).code, 408);
    EXPECT_EQ(nats_status(headers).text, "Request Timeout");
    EXPECT_EQ(nats_header(headers, "nats-pending-messages"), "7");
    EXPECT_EQ(nats_header(headers, "Empty"), "");
    EXPECT_EQ(nats_header(headers, "Last"), "x y");
    EXPECT_EQ(nats_header(headers, "Other"), "");
    EXPECT_EQ(nats_status("NATS/1.0\r\nA: b\r\n\r\n").code, 0);
    EXPECT_EQ(nats_status("").code, 0);
    EXPECT_EQ(nats_status("NATS/1.0 503\r\n\r\n").code, 503);
    EXPECT_EQ(nats_header("", "A"), "");
    EXPECT_FALSE(is_nats_header_value("a\r\nb"));
    EXPECT_TRUE(is_nats_header_value("external/unknown/1"));
}

TEST(NatsClient, SaysWhatTheProtocolAsksFor) {
    std::string out;
    append_nats_publish(out, {"a.b", "hello", {}, {}});
    append_nats_publish(out, {"a", "", {}, "r"});
    EXPECT_EQ(out, "PUB a.b 5\r\nhello\r\nPUB a r 0\r\n\r\n");
    out.clear();
    const std::array<NatsHeader, 1> headers = {{{"A", "b"}}};
    append_nats_publish(out, {"a", "hi", headers, "r"});
    EXPECT_EQ(out, "HPUB a r 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n");
    out.clear();
    append_nats_subscribe(out, "a.*", 3);
    append_nats_unsubscribe(out, 3);
    EXPECT_EQ(out, "SUB a.* 3\r\nUNSUB 3\r\n");
}

TEST(NatsSubjects, AreToldFromOtherTexts) {
    for (const char* good : {"a", "a.b", "$JS.API.INFO", "a.b-c_d", "\xc3\xa9"})
        EXPECT_TRUE(is_nats_subject(good, NatsWildcards::kRefused)) << good;
    for (const char* wild : {"*", ">", "a.*", "a.>", "*.b"}) {
        EXPECT_TRUE(is_nats_subject(wild, NatsWildcards::kAllowed)) << wild;
        EXPECT_FALSE(is_nats_subject(wild, NatsWildcards::kRefused)) << wild;
    }
    for (const char* bad : {"", ".", "a.", ".a", "a..b", "a b", "a\r\nPUB b", ">.a", "a\tb"})
        EXPECT_FALSE(is_nats_subject(bad, NatsWildcards::kAllowed)) << bad;
    EXPECT_TRUE(is_nats_name("ORDERS-1"));
    for (const char* bad : {"", "a.b", "a b", "a*", ">", "a/b", "a\\b"})
        EXPECT_FALSE(is_nats_name(bad)) << bad;
}

}  // namespace
}  // namespace millrace::io
