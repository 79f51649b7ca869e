// Goal: a client's frames mean the same however they are cut, and what RFC 6455 forbids ends the
// reading with the code that says so.
// Method: the standard's own examples (5.7), and each rule broken once, fed whole and byte by byte.
#include "io/web_socket.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace millrace::io {
namespace {

struct Seen {
    std::vector<std::string> messages;
    WsClose fault = WsClose::kNone;
    bool operator==(const Seen&) const = default;
};

Seen feed(std::string_view bytes, std::size_t piece) {
    Seen seen;
    WsDecoder decoder;
    while (!bytes.empty()) {
        decoder.feed(bytes.substr(0, piece), [&](WsOpcode opcode, std::string_view payload) {
            seen.messages.push_back(std::to_string(static_cast<int>(opcode)) + ":" +
                                    std::string(payload));
        });
        bytes.remove_prefix(std::min(piece, bytes.size()));
    }
    seen.fault = decoder.fault();
    return seen;
}

Seen read(std::string_view bytes) {
    const Seen whole = feed(bytes, bytes.size());
    EXPECT_EQ(feed(bytes, 1), whole);
    return whole;
}

std::string masked(unsigned first, std::string_view payload) {
    std::string out(1, static_cast<char>(first));
    if (payload.size() < 126) {
        out += static_cast<char>(0x80 | payload.size());
    } else {
        out += static_cast<char>(0x80 | 126);
        out += static_cast<char>(payload.size() >> 8);
        out += static_cast<char>(payload.size() & 0xFF);
    }
    constexpr std::string_view kMask = "\x37\xfa\x21\x3d";
    out += kMask;
    for (std::size_t i = 0; i < payload.size(); ++i)
        out += static_cast<char>(payload[i] ^ kMask[i & 3]);
    return out;
}

TEST(WebSocket, ReadsTheStandardsExample) {
    const Seen seen = read(std::string_view("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11));
    EXPECT_EQ(seen.messages, std::vector<std::string>{"1:Hello"});
    EXPECT_EQ(seen.fault, WsClose::kNone);
}

TEST(WebSocket, JoinsFragmentsAroundControlFrames) {
    const Seen seen = read(masked(0x01, "Hel") + masked(0x89, "p") + masked(0x00, "l") +
                           masked(0x80, "o") + masked(0x82, std::string(300, 'x')));
    EXPECT_EQ(seen.messages,
              (std::vector<std::string>{"9:p", "1:Hello", "2:" + std::string(300, 'x')}));
}

TEST(WebSocket, RefusesWhatTheStandardForbids) {
    EXPECT_EQ(read(std::string_view("\x81\x05Hello", 7)).fault, WsClose::kProtocol);  // no mask
    EXPECT_EQ(read(masked(0xC1, "x")).fault, WsClose::kProtocol);                     // reserved
    EXPECT_EQ(read(masked(0x83, "x")).fault, WsClose::kProtocol);                     // opcode
    EXPECT_EQ(read(masked(0x09, "x")).fault, WsClose::kProtocol);  // a control frame in pieces
    EXPECT_EQ(read(masked(0x89, std::string(126, 'x'))).fault, WsClose::kProtocol);
    EXPECT_EQ(read(masked(0x80, "x")).fault, WsClose::kProtocol);  // goes on with nothing
    EXPECT_EQ(read(masked(0x01, "x") + masked(0x81, "y")).fault, WsClose::kProtocol);
    EXPECT_EQ(read(masked(0x81, "\xff")).fault, WsClose::kBadText);
    EXPECT_EQ(read(masked(0x81, std::string(kWsMessageBytesMax + 1, 'x'))).fault,
              WsClose::kTooLarge);
    EXPECT_EQ(read(masked(0x01, std::string(4000, 'x')) + masked(0x80, std::string(97, 'x'))).fault,
              WsClose::kTooLarge);
    const std::string_view huge("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff....", 14);
    EXPECT_EQ(read(huge).fault, WsClose::kTooLarge);
}

TEST(WebSocket, WritesFramesOfEverySize) {
    for (const std::size_t bytes : {0u, 1u, 125u, 126u, 65'535u, 65'536u}) {
        std::string out;
        append_ws_frame(out, WsOpcode::kText, std::string(bytes, 'x'));
        const std::size_t head = bytes <= 125 ? 2 : bytes <= 0xFFFF ? 4 : 10;
        EXPECT_EQ(out.size(), bytes + head);
        EXPECT_EQ(static_cast<unsigned char>(out[0]), 0x81);
    }
    const std::string close = ws_close_frame(WsClose::kGoingAway, "bye");
    EXPECT_EQ(close, std::string("\x88\x05\x03\xe9") + "bye");
}

}  // namespace
}  // namespace millrace::io
