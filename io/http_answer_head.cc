#include "io/http_answer_head.h"

#include <algorithm>
#include <charconv>

namespace millrace::io {
namespace {

bool is_answer_field_name(std::string_view text) {
    constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               kOthers.find(c) != std::string_view::npos;
    });
}

bool is_answer_field_value(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
    });
}

std::string_view without_answer_blanks(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

bool read_answer_status(std::string_view line, AnswerHead& out) {
    if (!line.starts_with("HTTP/1.1 ") && !line.starts_with("HTTP/1.0 ")) return false;
    out.keep_alive = line[7] == '1';
    const std::string_view digits = line.substr(9, 3);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), out.status);
    return digits.size() == 3 && read.ec == std::errc() && read.ptr == digits.data() + 3 &&
           out.status >= 100 && out.status <= 599 && (line.size() == 12 || line[12] == ' ') &&
           is_answer_field_value(line);
}

// What the framing hangs on may stand there once.
bool take_answer_framing(std::string_view name, std::string_view value, AnswerHead& out) {
    if (equals_ignore_case(name, "Content-Length")) {
        if (out.has_length) return false;
        const auto read =
            std::from_chars(value.data(), value.data() + value.size(), out.content_length);
        out.has_length = true;
        return !value.empty() && read.ec == std::errc() && read.ptr == value.data() + value.size();
    }
    if (equals_ignore_case(name, "Transfer-Encoding")) {
        if (out.chunked || !equals_ignore_case(value, "chunked")) return false;
        out.chunked = true;
    } else if (equals_ignore_case(name, "Connection")) {
        if (equals_ignore_case(value, "close")) out.keep_alive = false;
        if (equals_ignore_case(value, "keep-alive")) out.keep_alive = true;
    } else if (equals_ignore_case(name, "Content-Type")) {
        out.content_type = value;
    }
    return true;
}

}  // namespace

std::string_view AnswerHead::header(std::string_view name) const {
    for (const HeaderField& field : headers()) {
        if (equals_ignore_case(field.name, name)) return field.value;
    }
    return {};
}

bool parse_answer_head(std::string_view head, AnswerHead& out) {
    out = {};
    bool first = true;
    while (true) {
        const std::size_t end = head.find("\r\n");
        if (end == std::string_view::npos) return false;
        const std::string_view line = head.substr(0, end);
        head.remove_prefix(end + 2);
        if (first) {
            if (!read_answer_status(line, out)) return false;
            first = false;
            continue;
        }
        if (line.empty()) return head.empty() && !(out.chunked && out.has_length);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || out.field_count == out.fields.size()) return false;
        const std::string_view name = line.substr(0, colon);
        const std::string_view value = without_answer_blanks(line.substr(colon + 1));
        if (!is_answer_field_name(name) || !is_answer_field_value(value) ||
            !take_answer_framing(name, value, out))
            return false;
        out.fields[out.field_count++] = {name, value};
    }
}

}  // namespace millrace::io
