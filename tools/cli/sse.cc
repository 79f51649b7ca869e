#include "tools/cli/sse.h"

namespace millrace::tools {

void SseParser::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\n');
        const std::string_view piece = bytes.substr(0, end);
        if (line_.size() < kSseMessageBytesMax) line_.append(piece);
        if (end == std::string_view::npos) return;
        if (!line_.empty() && line_.back() == '\r') line_.pop_back();
        take_line(line_);
        line_.clear();
        bytes.remove_prefix(end + 1);
    }
}

void SseParser::take_line(std::string_view line) {
    if (line.empty()) {
        if (has_data_) on_message_(message_);
        message_.event.clear();
        message_.data.clear();
        has_data_ = false;
        return;
    }
    const std::size_t colon = line.find(':');
    const std::string_view field = line.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
    if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    if (field == "data") {
        if (has_data_) message_.data += '\n';
        if (message_.data.size() < kSseMessageBytesMax) message_.data += value;
        has_data_ = true;
    } else if (field == "id") {
        message_.id = value;
    } else if (field == "event") {
        message_.event = value;
    }
}

}  // namespace millrace::tools
