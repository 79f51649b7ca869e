// What: the frames of RFC 6455 on a server's side: reads what a client sends, byte by byte if it
//       comes so, and writes whole frames. What messages mean is their user's business.
// Threads: one owner. Lifetime: payloads are views of the decoder, until the next byte is fed.
// Limits: kWsMessageBytesMax bytes of a client's message, or what is said; 125 of a control frame.
// Failure: fault() is the close code that says what the client did wrong; nothing is read after it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::io {

inline constexpr std::size_t kWsMessageBytesMax = 4096;

enum class WsOpcode : std::uint8_t {
    kContinuation = 0,
    kText = 1,
    kBinary = 2,
    kClose = 8,
    kPing = 9,
    kPong = 10,
};

enum class WsClose : std::uint16_t {
    kNone = 0,
    kNormal = 1000,
    kGoingAway = 1001,
    kProtocol = 1002,
    kNotTaken = 1003,
    kBadText = 1007,
    kPolicy = 1008,
    kTooLarge = 1009,
    kInternal = 1011,
    kTryLater = 1013,
};

class WsDecoder {
public:
    explicit WsDecoder(std::size_t message_bytes_max = kWsMessageBytesMax)
        : message_bytes_max_(message_bytes_max) {}

    // Calls visit(opcode, payload) for each control frame and each whole message.
    template <typename Visit>
    void feed(std::string_view bytes, Visit&& visit) {
        while (!bytes.empty() && fault_ == WsClose::kNone) {
            if (!take(bytes)) continue;
            visit(opcode_, std::string_view(control_ ? frame_ : message_));
            done();
        }
    }
    WsClose fault() const { return fault_; }
    // Of what is not whole yet.
    std::size_t held_bytes() const { return head_.size() + frame_.size() + message_.size(); }

private:
    // Takes some of the bytes; true when a control frame or a message is whole.
    bool take(std::string_view& bytes);
    bool take_head(std::string_view& bytes);
    bool begin_payload();
    bool end_frame();
    void done();
    void refuse(WsClose fault) { fault_ = fault; }

    std::size_t message_bytes_max_;
    std::string head_;     // the frame's first bytes
    std::string frame_;    // of a control frame
    std::string message_;  // of all frames so far
    std::uint64_t left_ = 0;
    std::uint64_t at_ = 0;  // in the frame's payload
    bool in_payload_ = false;
    bool control_ = false;
    bool fin_ = false;
    bool in_message_ = false;
    WsOpcode opcode_ = WsOpcode::kText;
    WsOpcode message_opcode_ = WsOpcode::kText;
    std::uint8_t mask_[4] = {};
    WsClose fault_ = WsClose::kNone;
};

// A whole frame, not masked.
void append_ws_frame(std::string& out, WsOpcode opcode, std::string_view payload);
std::string ws_close_frame(WsClose code, std::string_view reason);

}  // namespace millrace::io
