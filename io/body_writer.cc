#include "io/body_writer.h"

#include "io/sized_pools.h"

#include <algorithm>

namespace millrace::io {

namespace {

constexpr std::size_t kFirstBytes = 4096;
constexpr char kHex[] = "0123456789abcdef";

// Bytes of the UTF-8 sequence that begins here; 0 when it is none (overlong, surrogate, cut short).
std::size_t utf8_bytes(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(0);
    const std::size_t bytes = lead < 0x80   ? 1
                              : lead < 0xc2 ? 0
                              : lead < 0xe0 ? 2
                              : lead < 0xf0 ? 3
                              : lead < 0xf5 ? 4
                                            : 0;
    if (bytes < 2) return bytes;
    if (text.size() < bytes) return 0;
    for (std::size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
    }
    if (lead == 0xe0 && byte(1) < 0xa0) return 0;
    if (lead == 0xed && byte(1) > 0x9f) return 0;
    if (lead == 0xf0 && byte(1) < 0x90) return 0;
    if (lead == 0xf4 && byte(1) > 0x8f) return 0;
    return bytes;
}

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
        const std::size_t bytes = utf8_bytes(text);
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
