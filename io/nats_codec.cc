#include "io/nats_codec.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace millrace::io {
namespace {

constexpr std::string_view kNatsHeaderLine = "NATS/1.0";
constexpr std::string_view kNatsLineEnd = "\r\n";

bool is_nats_blank(char c) { return c == ' ' || c == '\t'; }
char nats_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same_nats_word(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return nats_lower(x) == nats_lower(y); });
}

std::string_view trimmed_nats(std::string_view text) {
    while (!text.empty() && is_nats_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_nats_blank(text.back())) text.remove_suffix(1);
    return text;
}

template <typename Number>
bool read_nats_number(std::string_view text, Number& out) {
    const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
    return !text.empty() && read.ec == std::errc() && read.ptr == text.data() + text.size();
}

// The words of a line that begins a message: at most 5 behind the verb.
struct NatsWords {
    std::array<std::string_view, 6> words;
    std::size_t count = 0;
    bool too_many = false;

    explicit NatsWords(std::string_view line) {
        std::size_t at = 0;
        while (at < line.size()) {
            if (is_nats_blank(line[at])) {
                ++at;
                continue;
            }
            std::size_t end = at;
            while (end < line.size() && !is_nats_blank(line[end])) ++end;
            too_many = count == words.size();
            if (too_many) return;
            words[count++] = line.substr(at, end - at);
            at = end;
        }
    }
};

}  // namespace

// ---- the reader

void NatsReader::feed(std::string_view bytes) {
    if (!broken_.empty() || bytes.empty()) return;
    buffer_.erase(0, at_);
    at_ = 0;
    buffer_.append(bytes);
}

NatsReader::Found NatsReader::broken(std::string_view why) {
    broken_ = why;
    return Found::kBroken;
}

NatsReader::Found NatsReader::next(NatsFrame& out) {
    if (!broken_.empty()) return Found::kBroken;
    const std::string_view left = std::string_view(buffer_).substr(at_);
    if (left.empty() || left.size() < wanted_) return Found::kNone;
    const std::size_t end = left.substr(0, kNatsLineBytesMax).find('\n');
    if (end == std::string_view::npos) {
        if (left.size() >= kNatsLineBytesMax) return broken("a line is longer than 64 KiB");
        wanted_ = left.size() + 1;
        return Found::kNone;
    }
    if (end == 0 || left[end - 1] != '\r') return broken("a line does not end with CR LF");
    const std::string_view line = left.substr(0, end - 1);
    // Most of what comes.
    if (line.size() > 4 && (nats_lower(line[0]) == 'm' || nats_lower(line[0]) == 'h'))
        return read_message(line, end + 1, out);
    const Found found = read_line(line, out);
    if (found != Found::kFrame) return found;
    at_ += end + 1;
    wanted_ = 0;
    return found;
}

NatsReader::Found NatsReader::read_line(std::string_view line, NatsFrame& out) {
    const std::size_t verb_bytes = std::min(line.find_first_of(" \t"), line.size());
    const std::string_view verb = line.substr(0, verb_bytes);
    out = {};
    out.text = trimmed_nats(line.substr(verb_bytes));
    if (same_nats_word(verb, "INFO")) {
        out.kind = NatsFrame::Kind::kInfo;
    } else if (same_nats_word(verb, "-ERR")) {
        out.kind = NatsFrame::Kind::kError;
        if (out.text.size() >= 2 && out.text.front() == '\'' && out.text.back() == '\'')
            out.text = out.text.substr(1, out.text.size() - 2);
    } else if (out.text.empty() && same_nats_word(verb, "PING")) {
        out.kind = NatsFrame::Kind::kPing;
    } else if (out.text.empty() && same_nats_word(verb, "PONG")) {
        out.kind = NatsFrame::Kind::kPong;
    } else if (out.text.empty() && same_nats_word(verb, "+OK")) {
        out.kind = NatsFrame::Kind::kOk;
    } else {
        return broken("a line is none of the protocol");
    }
    return Found::kFrame;
}

// MSG subject sid [reply] bytes, HMSG subject sid [reply] header-bytes bytes.
NatsReader::Found NatsReader::read_message(std::string_view line, std::size_t line_bytes,
                                           NatsFrame& out) {
    const NatsWords in(line);
    const bool with_headers = in.count > 0 && same_nats_word(in.words[0], "HMSG");
    const std::size_t least = with_headers ? 5 : 4;
    if ((!with_headers && (in.count == 0 || !same_nats_word(in.words[0], "MSG"))) || in.too_many ||
        in.count < least || in.count > least + 1)
        return broken("a line is none of the protocol");
    std::size_t header_bytes = 0, bytes = 0;
    out = {};
    out.kind = NatsFrame::Kind::kMessage;
    out.subject = in.words[1];
    if (in.count > least) out.reply = in.words[3];
    if (!read_nats_number(in.words[2], out.sid) ||
        !read_nats_number(in.words[in.count - 1], bytes) ||
        (with_headers && !read_nats_number(in.words[in.count - 2], header_bytes)))
        return broken("a message's line has no number where one belongs");
    if (bytes > kNatsMessageBytesMax) return broken("a message is longer than 64 MiB");
    if (header_bytes > bytes) return broken("a message's headers are longer than it");
    const std::size_t whole = line_bytes + bytes + kNatsLineEnd.size();
    const std::string_view left = std::string_view(buffer_).substr(at_);
    if (left.size() < whole) {
        wanted_ = whole;
        return Found::kNone;
    }
    if (left.substr(line_bytes + bytes, kNatsLineEnd.size()) != kNatsLineEnd)
        return broken("a message does not end where it says");
    out.headers = left.substr(line_bytes, header_bytes);
    out.text = left.substr(line_bytes + header_bytes, bytes - header_bytes);
    at_ += whole;
    wanted_ = 0;
    return Found::kFrame;
}

// ---- headers

NatsStatus nats_status(std::string_view headers) {
    NatsStatus out;
    if (!headers.starts_with(kNatsHeaderLine)) return out;
    std::string_view line = headers.substr(0, headers.find(kNatsLineEnd));
    line = trimmed_nats(line.substr(kNatsHeaderLine.size()));
    const std::size_t digits = std::min(line.find_first_of(" \t"), line.size());
    if (!read_nats_number(line.substr(0, digits), out.code)) out.code = 0;
    out.text = trimmed_nats(line.substr(digits));
    return out;
}

std::string_view nats_header(std::string_view headers, std::string_view name) {
    std::size_t end = headers.find(kNatsLineEnd);
    while (end != std::string_view::npos) {
        headers.remove_prefix(end + kNatsLineEnd.size());
        end = headers.find(kNatsLineEnd);
        const std::string_view line = headers.substr(0, end);
        const std::size_t colon = line.find(':');
        if (colon != std::string_view::npos && same_nats_word(line.substr(0, colon), name))
            return trimmed_nats(line.substr(colon + 1));
    }
    return {};
}

bool is_nats_header_value(std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

// ---- what a client says

void append_nats_publish(std::string& out, const NatsPublish& what) {
    std::size_t header_bytes = 0;
    if (!what.headers.empty()) {
        header_bytes = kNatsHeaderLine.size() + 2 * kNatsLineEnd.size();
        for (const NatsHeader& header : what.headers)
            header_bytes += header.name.size() + 2 + header.value.size() + kNatsLineEnd.size();
    }
    out.append(header_bytes > 0 ? "HPUB " : "PUB ").append(what.subject).append(" ");
    if (!what.reply.empty()) out.append(what.reply).append(" ");
    if (header_bytes > 0) out.append(std::to_string(header_bytes)).append(" ");
    out.append(std::to_string(header_bytes + what.payload.size())).append(kNatsLineEnd);
    if (header_bytes > 0) {
        out.append(kNatsHeaderLine).append(kNatsLineEnd);
        for (const NatsHeader& header : what.headers)
            out.append(header.name).append(": ").append(header.value).append(kNatsLineEnd);
        out.append(kNatsLineEnd);
    }
    out.append(what.payload).append(kNatsLineEnd);
}

void append_nats_subscribe(std::string& out, std::string_view subject, std::uint64_t sid) {
    out.append("SUB ").append(subject).append(" ").append(std::to_string(sid));
    out.append(kNatsLineEnd);
}

void append_nats_unsubscribe(std::string& out, std::uint64_t sid) {
    out.append("UNSUB ").append(std::to_string(sid)).append(kNatsLineEnd);
}

bool is_nats_subject(std::string_view text, NatsWildcards wildcards) {
    if (text.empty() || text.size() > kNatsSubjectBytesMax) return false;
    const bool bad = std::any_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
    });
    if (bad) return false;
    while (true) {
        const std::size_t dot = text.find('.');
        const std::string_view part = text.substr(0, dot);
        const bool last = dot == std::string_view::npos;
        if (part.empty()) return false;
        const bool wild = part == "*" || (last && part == ">");
        if (wild && wildcards == NatsWildcards::kRefused) return false;
        if (part == ">" && !last) return false;
        if (last) return true;
        text.remove_prefix(dot + 1);
    }
}

bool is_nats_name(std::string_view text) {
    return !text.empty() && text.size() <= 255 && std::all_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) > ' ' && c != '\x7f' && c != '.' && c != '*' &&
               c != '>' && c != '/' && c != '\\';
    });
}

}  // namespace millrace::io
