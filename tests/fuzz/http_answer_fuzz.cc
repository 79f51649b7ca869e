// Fuzzes the head of an answer: what reads lies within the bytes, and reads again as the same when
// it is written again.
#include "core/assert.h"
#include "io/http_answer_head.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    const std::string_view text(reinterpret_cast<const char*>(data), bytes);
    io::AnswerHead head, again;
    if (!io::parse_answer_head(text, head)) return 0;
    std::string written = "HTTP/1.1 " + std::to_string(head.status) + " \r\n";
    for (const io::HeaderField& field : head.headers()) {
        MR_ASSERT(field.name.data() >= text.data() &&
                  field.value.data() + field.value.size() <= text.data() + text.size());
        written.append(field.name).append(": ").append(field.value).append("\r\n");
    }
    written += "\r\n";
    MR_ASSERT(io::parse_answer_head(written, again));
    MR_ASSERT(again.status == head.status && again.field_count == head.field_count &&
              again.chunked == head.chunked && again.has_length == head.has_length &&
              again.content_length == head.content_length);
    return 0;
}
