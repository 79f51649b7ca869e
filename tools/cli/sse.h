// What: reads Server-Sent Events out of bytes as they arrive.
// Threads: one. Lifetime: owns the unfinished part. Limits: a message of up to kSseMessageBytesMax.
// Failure: a message over the limit is cut there; unknown fields are ignored, as the format says.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace millrace::tools {

inline constexpr std::size_t kSseMessageBytesMax = 4u << 20;  // an event is at most 1 MiB

struct SseMessage {
    std::string id;
    std::string event;
    std::string data;
};

class SseParser {
public:
    explicit SseParser(std::function<void(const SseMessage&)> on_message)
        : on_message_(std::move(on_message)) {}
    void feed(std::string_view bytes);

private:
    void take_line(std::string_view line);

    std::function<void(const SseMessage&)> on_message_;
    std::string line_;
    SseMessage message_;
    bool has_data_ = false;
};

}  // namespace millrace::tools
