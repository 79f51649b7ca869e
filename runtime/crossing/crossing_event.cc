#include "runtime/crossing/crossing_event.h"

#include <algorithm>
#include <charconv>

namespace millrace::runtime::crossing {
namespace {

tl::unexpected<core::Error> refuse(std::size_t at, std::string_view why) {
    return core::fail(core::ErrorCode::kValidation,
                      "crossing: at byte " + std::to_string(at) + ": " + std::string(why));
}

// The next word of a head, up to a blank or the end.
std::string_view next_word(std::string_view& head) {
    const std::size_t end = std::min(head.find(' '), head.size());
    const std::string_view word = head.substr(0, end);
    head.remove_prefix(std::min(end + 1, head.size()));
    return word;
}

bool read_number(std::string_view word, std::size_t most, std::size_t& out) {
    const auto read = std::from_chars(word.data(), word.data() + word.size(), out);
    return !word.empty() && read.ec == std::errc() && read.ptr == word.data() + word.size() &&
           out <= most;
}

}  // namespace

std::string taken_text(std::size_t events) { return "{\"taken\":" + std::to_string(events) + "}"; }

void append_crossing(std::string& out, const CrossingEvent& event) {
    out.append(event.tenant).append(" ").append(std::to_string(event.depth)).append(" ");
    out.append(std::to_string(event.trace.size())).append(" ");
    out.append(std::to_string(event.event.size())).append("\n");
    out.append(event.trace).append(event.event).append("\n");
}

core::Result<std::vector<CrossingEvent>> read_crossing(std::string_view text) {
    std::vector<CrossingEvent> out;
    std::size_t at = 0;
    while (at < text.size()) {
        if (out.size() == kCrossingEventsMax) return refuse(at, "too many events");
        const std::size_t end = text.find('\n', at);
        if (end == std::string_view::npos || end - at > kCrossingHeadBytesMax)
            return refuse(at, "no head");
        std::string_view head = text.substr(at, end - at);
        CrossingEvent event;
        event.tenant = next_word(head);
        std::size_t depth = 0, trace_bytes = 0, event_bytes = 0;
        if (event.tenant.empty() || !read_number(next_word(head), UINT8_MAX, depth) ||
            !read_number(next_word(head), kCrossingTraceBytesMax, trace_bytes) ||
            !read_number(next_word(head), kCrossingEventBytesMax, event_bytes) || !head.empty())
            return refuse(at, "the head does not read");
        at = end + 1;
        if (text.size() - at < trace_bytes + event_bytes + 1) return refuse(at, "it is cut off");
        event.depth = static_cast<std::uint8_t>(depth);
        event.trace = text.substr(at, trace_bytes);
        event.event = text.substr(at + trace_bytes, event_bytes);
        at += trace_bytes + event_bytes;
        if (text[at] != '\n' || event.event.empty() ||
            event.event.find('\n') != std::string_view::npos ||
            event.trace.find('\n') != std::string_view::npos)
            return refuse(at, "an event is one line");
        ++at;
        out.push_back(event);
    }
    return out;
}

}  // namespace millrace::runtime::crossing
