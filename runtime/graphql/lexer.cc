#include "runtime/graphql/lexer.h"

#include "core/json_writer.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace millrace::runtime::graphql {
namespace {

constexpr std::string_view kBlockQuotes = "\"\"\"";
constexpr std::string_view kBom = "\xEF\xBB\xBF";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_part(char c) { return is_name_start(c) || is_digit(c); }

int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// The four digits behind \u; -1: they are none.
std::int32_t four_digits(std::string_view text, std::size_t at) {
    std::int32_t value = 0;
    for (std::size_t i = at; i < at + 4; ++i) {
        const int digit = i < text.size() ? hex_value(text[i]) : -1;
        if (digit < 0) return -1;
        value = value << 4 | digit;
    }
    return value;
}

bool is_leading(std::int32_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool is_trailing(std::int32_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

// What stands behind the backslash at `at`; false: nothing that is known.
struct Escaped {
    std::uint32_t character = 0;
    std::size_t bytes = 0;
};
bool read_escape(std::string_view text, std::size_t at, Escaped& out) {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (at + 1 >= text.size()) return false;
    const std::size_t letter = kLetters.find(text[at + 1]);
    if (letter != std::string_view::npos) {
        out = {static_cast<unsigned char>(kMeanings[letter]), 2};
        return true;
    }
    if (text[at + 1] != 'u') return false;
    if (at + 2 < text.size() && text[at + 2] == '{') {
        std::uint32_t value = 0;
        std::size_t i = at + 3;
        for (; i < text.size() && hex_value(text[i]) >= 0 && value <= 0x10FFFF; ++i)
            value = value << 4 | static_cast<std::uint32_t>(hex_value(text[i]));
        if (i == at + 3 || i >= text.size() || text[i] != '}' || value > 0x10FFFF ||
            (value >= 0xD800 && value <= 0xDFFF))
            return false;
        out = {value, i + 1 - at};
        return true;
    }
    const std::int32_t first = four_digits(text, at + 2);
    if (first < 0 || is_trailing(first)) return false;
    if (!is_leading(first)) {
        out = {static_cast<std::uint32_t>(first), 6};
        return true;
    }
    if (text.substr(std::min(text.size(), at + 6), 2) != "\\u") return false;
    const std::int32_t second = four_digits(text, at + 8);
    if (!is_trailing(second)) return false;
    out = {static_cast<std::uint32_t>(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)), 12};
    return true;
}

void append_utf8(std::string& out, std::uint32_t c) {
    const auto add = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (c < 0x80) return add(c);
    if (c < 0x800) {
        add(0xC0 | c >> 6);
    } else if (c < 0x10000) {
        add(0xE0 | c >> 12);
        add(0x80 | (c >> 6 & 0x3F));
    } else {
        add(0xF0 | c >> 18);
        add(0x80 | (c >> 12 & 0x3F));
        add(0x80 | (c >> 6 & 0x3F));
    }
    add(0x80 | (c & 0x3F));
}

// Of a block string: the indentation that all lines but the first have goes, and so do blank lines
// at both ends (spec, 2.9.4).
std::string dedent(std::string_view raw) {
    std::vector<std::string_view> lines;
    for (std::size_t begin = 0;;) {
        const std::size_t end = raw.find_first_of("\r\n", begin);
        lines.push_back(raw.substr(begin, end - begin));
        if (end == std::string_view::npos) break;
        begin = end + (raw.substr(end, 2) == "\r\n" ? 2 : 1);
    }
    std::size_t common = std::numeric_limits<std::size_t>::max();
    const auto indent_of = [](std::string_view line) { return line.find_first_not_of(" \t"); };
    for (std::size_t i = 1; i < lines.size(); ++i) common = std::min(common, indent_of(lines[i]));
    std::size_t first = 0, last = lines.size();
    while (first < last && indent_of(lines[first]) == std::string_view::npos) ++first;
    while (last > first && indent_of(lines[last - 1]) == std::string_view::npos) --last;
    std::string out;
    for (std::size_t i = first; i < last; ++i) {
        if (i != first) out += '\n';
        out += i == 0 ? lines[i] : lines[i].substr(std::min(common, lines[i].size()));
    }
    return out;
}

}  // namespace

core::Error syntax_error(std::size_t position, const std::string& what) {
    return core::Error(core::ErrorCode::kValidation, "Syntax Error: " + what)
        .at(static_cast<std::int64_t>(position));
}

std::string token_text(const Token& token) {
    switch (token.kind) {
        case TokenKind::kEnd: return "the end";
        case TokenKind::kString:
        case TokenKind::kBlockString: return "a string";
        default: return "\"" + std::string(token.text.substr(0, 64)) + "\"";
    }
}

void Lexer::skip_ignored() {
    while (at_ < text_.size()) {
        const char c = text_[at_];
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',') {
            ++at_;
        } else if (c == '#') {
            at_ = std::min(text_.size(), text_.find_first_of("\r\n", at_));
        } else if (text_.substr(at_, kBom.size()) == kBom) {
            at_ += kBom.size();
        } else {
            break;
        }
    }
}

Token Lexer::take(TokenKind kind, std::size_t end) {
    Token token{kind, text_.substr(at_, end - at_), at_};
    at_ = end;
    return token;
}

core::Result<Token> Lexer::next() {
    skip_ignored();
    if (at_ >= text_.size()) return Token{TokenKind::kEnd, {}, text_.size()};
    if (++tokens_ > kTokensMax) {
        return core::fail(syntax_error(at_, "the document holds more than " +
                                                std::to_string(kTokensMax) +
                                                " tokens, the most that are read")
                              .bound(kTokensMax));
    }
    const char c = text_[at_];
    if (is_name_start(c)) {
        std::size_t end = at_ + 1;
        while (end < text_.size() && is_name_part(text_[end])) ++end;
        return take(TokenKind::kName, end);
    }
    if (is_digit(c) || c == '-') return number();
    if (text_.substr(at_, kBlockQuotes.size()) == kBlockQuotes) return block_string();
    if (c == '"') return string();
    if (text_.substr(at_, 3) == "...") return take(TokenKind::kPunctuator, at_ + 3);
    if (std::string_view("!$&():=@[]{|}").find(c) != std::string_view::npos)
        return take(TokenKind::kPunctuator, at_ + 1);
    std::string shown;
    core::append_json_string(shown,
                             text_.substr(at_, core::detail::utf8_sequence_bytes(text_, at_)));
    return core::fail(syntax_error(at_, "unexpected character " + shown));
}

core::Result<Token> Lexer::number() {
    std::size_t end = at_;
    const auto here = [&] { return end < text_.size() ? text_[end] : '\0'; };
    const auto digits = [&] {
        const std::size_t begin = end;
        while (is_digit(here())) ++end;
        return end != begin;
    };
    const auto bad = [&](const char* what) { return core::fail(syntax_error(end, what)); };
    bool whole = true;
    if (here() == '-') ++end;
    const bool zero = here() == '0';
    const std::size_t begin = end;
    if (!digits()) return bad("a number needs a digit here");
    if (zero && end - begin > 1) {
        end = begin + 1;
        return bad("a number has no digit behind a leading 0");
    }
    if (here() == '.') {
        ++end;
        whole = false;
        if (!digits()) return bad("a number needs a digit here");
    }
    if (here() == 'e' || here() == 'E') {
        ++end;
        whole = false;
        if (here() == '+' || here() == '-') ++end;
        if (!digits()) return bad("a number needs a digit here");
    }
    if (here() == '.' || is_name_start(here())) return bad("a number ends before this");
    return take(whole ? TokenKind::kInt : TokenKind::kFloat, end);
}

core::Result<Token> Lexer::string() {
    std::size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != '"') {
        const char c = text_[end];
        if (c == '\n' || c == '\r') break;
        if (c == '\\') {
            Escaped escaped;
            if (!read_escape(text_, end, escaped))
                return core::fail(syntax_error(end, "no escape that a string knows"));
            end += escaped.bytes;
            continue;
        }
        const std::size_t bytes = core::detail::utf8_sequence_bytes(text_, end);
        if (bytes == 0) return core::fail(syntax_error(end, "the text is not UTF-8"));
        end += bytes;
    }
    if (end >= text_.size() || text_[end] != '"')
        return core::fail(syntax_error(std::min(end, text_.size()), "the string has no end"));
    return take(TokenKind::kString, end + 1);
}

core::Result<Token> Lexer::block_string() {
    std::size_t end = at_ + kBlockQuotes.size();
    while (end < text_.size()) {
        if (text_.substr(end, 3) == kBlockQuotes) return take(TokenKind::kBlockString, end + 3);
        if (text_.substr(end, 4) == "\\\"\"\"") {
            end += 4;
            continue;
        }
        const std::size_t bytes = core::detail::utf8_sequence_bytes(text_, end);
        if (bytes == 0) return core::fail(syntax_error(end, "the text is not UTF-8"));
        end += bytes;
    }
    return core::fail(syntax_error(text_.size(), "the string has no end"));
}

std::string string_value(const Token& token) {
    if (token.kind == TokenKind::kBlockString) {
        std::string_view raw = token.text.substr(3, token.text.size() - 6);
        std::string unescaped;
        for (std::size_t at = 0; at < raw.size();) {
            const std::size_t mark = raw.find("\\\"\"\"", at);
            unescaped += raw.substr(at, mark - at);
            if (mark == std::string_view::npos) break;
            unescaped += kBlockQuotes;
            at = mark + 4;
        }
        return dedent(unescaped);
    }
    const std::string_view raw = token.text.substr(1, token.text.size() - 2);
    std::string out;
    for (std::size_t at = 0; at < raw.size();) {
        Escaped escaped;
        if (raw[at] != '\\' || !read_escape(raw, at, escaped)) {
            out += raw[at++];
            continue;
        }
        append_utf8(out, escaped.character);
        at += escaped.bytes;
    }
    return out;
}

}  // namespace millrace::runtime::graphql
