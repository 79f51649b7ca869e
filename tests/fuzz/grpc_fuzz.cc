// Goal: frames of gRPC come out the same however they are cut; of their messages either nothing is
// made or lines that are no more than they say: one a event, each of them one JSON value at most.
// Method: the input as a stream of frames, and as a message of each kind.
#include "core/assert.h"
#include "runtime/grpc/frames.h"
#include "runtime/grpc/messages.h"
#include "runtime/grpc/reflection.h"
#include "runtime/grpc/status.h"
#include "runtime/grpc/wire.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace millrace;
using namespace millrace::runtime::grpc;

std::string frames_of(std::string_view bytes, std::size_t step) {
    FrameReader frames(1u << 16);
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        const auto taken =
            frames.take(bytes.substr(at, step), [&](bool compressed, std::string_view message) {
                out += compressed ? 'z' : 'p';
                append_frame(out, message);
                return core::Status{};
            });
        if (!taken) return out + taken.error().message;
    }
    return out + std::to_string(frames.kept_bytes());
}

void publish(std::string_view message) {
    std::string lines;
    std::vector<RefusedEvent> refused;
    const auto events = append_lines(message, 0, lines, refused);
    if (!events) return;
    MR_ASSERT(static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n')) == *events);
    MR_ASSERT(lines.find('\r') == std::string::npos);
    for (std::size_t at = 0; at < lines.size(); at = lines.find('\n', at) + 1)
        MR_ASSERT(lines[at] == '{' || lines[at] == ' ' || lines[at] == '\t');
    for (const RefusedEvent& one : refused) MR_ASSERT(one.entry < *events);
    // An event that stands alone makes the same line.
    std::string again;
    append_bytes_field(again, 1, {});
    std::string line;
    MR_ASSERT(append_lines(again, 0, line, refused).value_or(0) == 1 && line == "{}\n");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    MR_ASSERT(frames_of(bytes, size + 1) == frames_of(bytes, 1));
    publish(bytes);
    (void)read_subscribe(bytes);
    (void)read_text_message(bytes);
    (void)reflect(bytes);
    (void)parse_timeout(bytes);
    for (const char c : encode_message(bytes)) MR_ASSERT(c >= ' ' && c <= '~');
    // As what a stream tells: JSON, or none.
    std::string event;
    append_event(event, "0-1", bytes, false);
    WireReader wire(event);
    while (wire.next()) {
    }
    MR_ASSERT(!wire.failed());
    return 0;
}
