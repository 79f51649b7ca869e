// A small TLS of our own, for tests: a handshake, records of up to kRecordBytesMax bytes, whose
// bytes are not the plain ones, an end that is said, and a refusal that is said.
//     client: "HI"   server: "YO"   then both: u16 length, bytes ^ 0x5a ...   length 0: the end
// Anything else instead of "HI": the server says "NO" and fails.
#pragma once

#include "io/out_queue.h"
#include "tests/io/wire_transform.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::io {

class FrameTransform final : public WireTransform {
public:
    enum class Role : std::uint8_t { kServer, kClient };
    static constexpr std::size_t kRecordBytesMax = 700;

    explicit FrameTransform(Role role) : role_(role) {
        if (role == Role::kClient) wire_ = "HI";
    }

    State state() const override { return state_; }
    void take(std::string_view wire) override {
        in_ += wire;
        if (state_ == State::kHandshake) shake_hands();
    }
    std::size_t read(char* at, std::size_t bytes) override {
        if (left_ == 0 && !next_record()) return 0;
        const std::size_t part = std::min({bytes, left_, in_.size()});
        for (std::size_t i = 0; i < part; ++i) at[i] = static_cast<char>(in_[i] ^ kKey);
        in_.erase(0, part);
        left_ -= part;
        return part;
    }
    void write(std::string_view plain) override {
        while (!plain.empty()) {
            const std::string_view part = plain.substr(0, kRecordBytesMax);
            put_length(part.size());
            for (const char c : part) wire_ += static_cast<char>(c ^ kKey);
            plain.remove_prefix(part.size());
        }
    }
    void end() override { put_length(0); }
    void pull(OutQueue& wire) override { wire.append(take_wire()); }
    std::string take_wire() override { return std::exchange(wire_, {}); }

private:
    static constexpr char kKey = 0x5a;

    void shake_hands() {
        const std::string_view expected = role_ == Role::kServer ? "HI" : "YO";
        if (in_.compare(0, std::min<std::size_t>(2, in_.size()), expected.substr(0, in_.size())) !=
            0) {
            state_ = State::kFailed;
            if (role_ == Role::kServer) wire_ += "NO";
        } else if (in_.size() >= 2) {
            in_.erase(0, 2);
            state_ = State::kOpen;
            if (role_ == Role::kServer) wire_ += "YO";
        }
    }
    bool next_record() {
        if (state_ != State::kOpen || in_.size() < 2) return false;
        left_ = std::size_t{static_cast<unsigned char>(in_[0])} << 8 |
                static_cast<unsigned char>(in_[1]);
        if (left_ > kRecordBytesMax) {
            state_ = State::kFailed;
            wire_ += "NO";
            left_ = 0;
            return false;
        }
        in_.erase(0, 2);
        if (left_ == 0) state_ = State::kPeerEnded;
        return left_ > 0;
    }
    void put_length(std::size_t bytes) {
        wire_ += static_cast<char>(bytes >> 8);
        wire_ += static_cast<char>(bytes & 0xff);
    }

    const Role role_;
    State state_ = State::kHandshake;
    std::string in_;
    std::string wire_;
    std::size_t left_ = 0;  // of the record that is being read
};

}  // namespace millrace::io
