#include "io/web_socket.h"

#include "core/json_writer.h"
#include "core/utf8.h"

#include <algorithm>

namespace millrace::io {

namespace {

constexpr std::size_t kControlBytesMax = 125;
constexpr unsigned kFinBit = 0x80, kReservedBits = 0x70, kOpcodeBits = 0x0F, kMaskBit = 0x80;

bool is_known(unsigned opcode) { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

}  // namespace

bool WsDecoder::take(std::string_view& bytes) {
    if (!in_payload_) {
        if (!take_head(bytes)) return false;
        if (left_ == 0) return end_frame();
        return false;
    }
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
    std::string& to = control_ ? frame_ : message_;
    for (std::size_t i = 0; i < count; ++i)
        to += static_cast<char>(static_cast<unsigned char>(bytes[i]) ^ mask_[at_++ & 3]);
    bytes.remove_prefix(count);
    left_ -= count;
    return left_ == 0 && end_frame();
}

// True when the head is whole.
bool WsDecoder::take_head(std::string_view& bytes) {
    const auto need = [&](std::size_t count) {
        const std::size_t missing = count > head_.size() ? count - head_.size() : 0;
        const std::size_t taken = std::min(missing, bytes.size());
        head_ += bytes.substr(0, taken);
        bytes.remove_prefix(taken);
        return head_.size() >= count;
    };
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(head_[i]); };
    if (!need(2)) return false;
    // Clients must mask, and nobody has agreed on what the reserved bits mean.
    if ((byte(0) & kReservedBits) != 0 || (byte(1) & kMaskBit) == 0 ||
        !is_known(byte(0) & kOpcodeBits)) {
        refuse(WsClose::kProtocol);
        return false;
    }
    const unsigned length = byte(1) & 127u;
    const std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (!need(2 + extended + 4)) return false;
    left_ = length;
    if (extended != 0) {
        left_ = 0;
        for (std::size_t i = 0; i < extended; ++i) left_ = left_ << 8 | byte(2 + i);
    }
    for (std::size_t i = 0; i < 4; ++i) mask_[i] = byte(2 + extended + i);
    return begin_payload();
}

bool WsDecoder::begin_payload() {
    const auto first = static_cast<unsigned char>(head_[0]);
    opcode_ = static_cast<WsOpcode>(first & kOpcodeBits);
    fin_ = (first & kFinBit) != 0;
    control_ = (first & 8) != 0;
    head_.clear();
    at_ = 0;
    in_payload_ = true;
    if (control_) {
        frame_.clear();
        if (!fin_ || left_ > kControlBytesMax) refuse(WsClose::kProtocol);
    } else {
        const bool goes_on = opcode_ == WsOpcode::kContinuation;
        if (goes_on != in_message_) refuse(WsClose::kProtocol);
        if (!goes_on) message_opcode_ = opcode_;
        in_message_ = true;
        if (left_ > message_bytes_max_ - std::min(message_bytes_max_, message_.size()))
            refuse(WsClose::kTooLarge);
    }
    return fault_ == WsClose::kNone;
}

bool WsDecoder::end_frame() {
    in_payload_ = false;
    if (control_) return true;
    if (!fin_) return false;
    opcode_ = message_opcode_;
    if (opcode_ == WsOpcode::kText && !core::is_utf8(message_)) {
        refuse(WsClose::kBadText);
        return false;
    }
    return true;
}

void WsDecoder::done() {
    if (control_) {
        frame_.clear();
        return;
    }
    in_message_ = false;
    // Most connections rest most of the time.
    if (message_.capacity() > kWsMessageBytesMax) message_ = {};
    message_.clear();
}

void append_ws_frame(std::string& out, WsOpcode opcode, std::string_view payload) {
    out += static_cast<char>(kFinBit | static_cast<unsigned>(opcode));
    const std::uint64_t bytes = payload.size();
    const auto append = [&](unsigned count) {
        for (unsigned i = count; i-- > 0;) out += static_cast<char>(bytes >> (8 * i) & 0xFF);
    };
    if (bytes <= kControlBytesMax) {
        append(1);
    } else if (bytes <= 0xFFFF) {
        out += static_cast<char>(126);
        append(2);
    } else {
        out += static_cast<char>(127);
        append(8);
    }
    out += payload;
}

std::string ws_close_frame(WsClose code, std::string_view reason) {
    std::string payload;
    payload += static_cast<char>(static_cast<unsigned>(code) >> 8);
    payload += static_cast<char>(static_cast<unsigned>(code) & 0xFF);
    payload += reason.substr(0, kControlBytesMax - 2);
    std::string out;
    append_ws_frame(out, WsOpcode::kClose, payload);
    return out;
}

}  // namespace millrace::io
