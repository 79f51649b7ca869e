#include "io/body_writer.h"

#include "core/utf8.h"
#include "io/sized_pools.h"

#include <algorithm>

namespace millrace::io {

namespace {

constexpr std::size_t kFirstBytes = 4096;
constexpr char kHex[] = "0123456789abcdef";

bool plain(char c) {
    return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f &&
           c != '"' && c != '\\';
}

}  // namespace

void BodyWriter::grow(std::size_t bytes) {
    const std::size_t used = size();
    core::BufferRef larger = pools_->acquire(std::max({kFirstBytes, used + bytes, used * 2}));
    if (used > 0) std::memcpy(larger.data(), buffer_.data(), used);
    larger.set_size(used);
    buffer_ = std::move(larger);
}

void BodyWriter::append_json_string(std::string_view text) {
    append('"');
    while (!text.empty()) {
        std::size_t run = 0;
        while (run < text.size() && plain(text[run])) ++run;
        append(text.substr(0, run));
        text.remove_prefix(run);
        if (text.empty()) break;
        const char c = text.front();
        const std::size_t bytes = core::utf8_sequence_bytes(text, 0);
        if (c == '"' || c == '\\') {
            append('\\');
            append(c);
        } else if (bytes > 1) {
            append(text.substr(0, bytes));
        } else if (bytes == 0) {
            append("\\ufffd");
        } else if (c == '\n') {
            append("\\n");
        } else {
            append("\\u00");
            append(kHex[(c >> 4) & 15]);
            append(kHex[c & 15]);
        }
        text.remove_prefix(bytes == 0 ? 1 : bytes);
    }
    append('"');
}

}  // namespace millrace::io
