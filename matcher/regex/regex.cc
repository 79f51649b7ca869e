#include "matcher/regex/regex.h"

#include "matcher/filter/limits.h"
#include "matcher/filter/text_scanner.h"
#include "matcher/filter/wildcard.h"
#include "matcher/regex/regex_file.h"

#include <hs/hs.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

namespace millrace::matcher {
namespace {

core::Error bad_regex(const std::string& message, std::size_t at) {
    return core::Error(core::ErrorCode::kValidation,
                       "regex: " + message + " at byte " + std::to_string(at))
        .at(static_cast<std::int64_t>(at));
}

// In UTF-8 any character is a choice of 1 to 4 bytes; a Unicode property is hundreds of ranges of
// them (measured: 100 of them keep Hyperscan 5.4.0 busy for 19 s, then it refuses).
constexpr std::size_t kAnyCharacterPositions = 4;
constexpr std::size_t kPropertyPositions = 150;
// Repeats within repeats: from some number on Hyperscan 5.4.0 takes three times as long with each
// (measured of "(a|b(a|b(...)*)*)*": 16 of them 4 ms, 20 of them 0.3 s, 24 of them 55 s).
constexpr std::size_t kRepeatsNestedMax = 12;

// Walks the expression once: rewrites `$`, refuses what would change the dialect, counts positions.
// Whether the syntax is right otherwise is for Hyperscan to say.
class Translator {
public:
    explicit Translator(std::string_view text) : text_(text) {
        groups_.push_back(0);
        nested_.push_back(0);
    }

    bool run() {
        while (at_ < text_.size()) {
            if (!step()) return false;
        }
        return within_positions();
    }
    std::string& out() { return out_; }
    core::Error& error() { return error_; }
    std::size_t positions() const {
        std::size_t sum = last_;
        for (std::size_t group : groups_) sum += group;
        return sum;
    }

private:
    bool refuse(const std::string& message) {
        error_ = bad_regex(message, at_);
        return false;
    }
    char peek(std::size_t ahead) const {
        return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
    }
    void copy(std::size_t bytes) {
        bytes = std::min(bytes, text_.size() - at_);
        out_.append(text_, at_, bytes);
        at_ += bytes;
    }
    void atom(std::size_t positions) {
        groups_.back() += last_;
        last_ = positions;
        nested_.back() = std::max(nested_.back(), last_nested_);
        last_nested_ = 0;
    }
    bool repeat_atom() {
        if (++last_nested_ > kRepeatsNestedMax) {
            refuse("more than " + std::to_string(kRepeatsNestedMax) +
                   " repeats stand within each other");
            error_.limit = kRepeatsNestedMax;
            return false;
        }
        copy(1);
        return true;
    }

    bool step() {
        switch (text_[at_]) {
            case '\\': return escape();
            case '[': return bracket_class();
            case '(': return open_group();
            case ')': close_group(); return true;
            case '{': return repeat();
            case '$':
                out_ += "\\z";  // `$` of PCRE also matches before a final newline
                ++at_;
                atom(0);
                return true;
            case '*':
            case '+': return repeat_atom();
            case '?':
            case '|':
            case '^': copy(1); return true;
            default:
                atom(text_[at_] == '.' ? kAnyCharacterPositions : 1);
                copy(1);
                return true;
        }
    }

    bool escape() {
        const char next = peek(1);
        if (next == 'Q') {
            const std::size_t end = std::min(text_.find("\\E", at_ + 2), text_.size());
            for (std::size_t i = at_ + 2; i < end; ++i) atom(1);
            copy(end + 2 - at_);
            return true;
        }
        if (next == 'Z' || next == 'G' || next == 'K') {
            return refuse(std::string("\\") + next + " is not supported; use ^ and $ for the ends");
        }
        atom(next == 'p' || next == 'P' || next == 'X'   ? kPropertyPositions
             : next == 'W' || next == 'D' || next == 'S' ? kAnyCharacterPositions
                                                         : 1);
        copy(2);
        if ((next == 'x' || next == 'p' || next == 'P') && at_ < text_.size() &&
            text_[at_] == '{') {
            copy(std::min(text_.find('}', at_), text_.size()) - at_ + 1);
        }
        return true;
    }

    bool bracket_class() {
        const std::size_t begin = at_;
        copy(1);
        if (peek(0) == '^') copy(1);
        if (peek(0) == ']') copy(1);
        while (at_ < text_.size() && text_[at_] != ']') {
            if (text_[at_] == '\\') {
                copy(2);
            } else if (text_[at_] == '[' && peek(1) == ':') {
                const std::size_t end = text_.find(":]", at_ + 2);
                copy(end == std::string_view::npos ? 1 : end + 2 - at_);
            } else {
                copy(1);
            }
        }
        if (at_ >= text_.size()) return refuse("unterminated character class, expected ']'");
        copy(1);
        atom(class_positions(text_.substr(begin, at_ - begin)));
        return true;
    }

    bool within_positions() {
        if (positions() <= kRegexPositionsMax) return true;
        error_ = bad_regex(
            "unrolls to more than " + std::to_string(kRegexPositionsMax) + " positions", at_);
        error_.limit = kRegexPositionsMax;
        return false;
    }

    static std::size_t class_positions(std::string_view text) {
        if (text.find("\\p") != text.npos || text.find("\\P") != text.npos)
            return kPropertyPositions;
        const bool wide = text[1] == '^' || std::any_of(text.begin(), text.end(), [](char c) {
                              return static_cast<unsigned char>(c) >= 0x80;
                          });
        return wide ? kAnyCharacterPositions : 1;
    }

    bool open_group() {
        if (peek(1) == '*') return refuse("(* verbs are not supported");
        if (peek(1) == '?' && !inline_flags_allowed()) {
            return refuse("of the inline flags only i and s are supported");
        }
        atom(0);
        groups_.push_back(0);
        nested_.push_back(0);
        copy(1);
        if (peek(0) == '?') {
            if (peek(1) == '#') {
                copy(std::min(text_.find(')', at_), text_.size()) - at_);
            } else {
                while (at_ < text_.size() && text_[at_] != ':' && text_[at_] != ')' &&
                       text_[at_] != '>')
                    copy(1);
                if (peek(0) == ':' || peek(0) == '>') copy(1);
            }
        }
        return true;
    }

    // (?ims-x: or (?i): only i, s and - between ? and the end of the flags.
    bool inline_flags_allowed() const {
        for (std::size_t i = at_ + 2; i < text_.size() && (is_alpha(text_[i]) || text_[i] == '-');
             ++i) {
            if (text_[i] != 'i' && text_[i] != 's' && text_[i] != '-') return text_[at_ + 2] == 'P';
        }
        return true;
    }

    void close_group() {
        copy(1);
        if (groups_.size() == 1) return;  // unbalanced: Hyperscan says so
        const std::size_t inner = groups_.back() + last_;
        groups_.pop_back();
        last_ = inner;
        last_nested_ = std::max(nested_.back(), last_nested_);
        nested_.pop_back();
    }

    // {n}, {n,}, {n,m} unroll the atom before them; any other brace is a character.
    bool repeat() {
        std::size_t i = at_ + 1;
        const auto number = [&](std::size_t& value) {
            const std::size_t begin = i;
            value = 0;
            for (; i < text_.size() && is_digit_char(text_[i]); ++i) {
                value = std::min<std::size_t>(value * 10 + static_cast<std::size_t>(text_[i] - '0'),
                                              1u << 20);
            }
            return i > begin;
        };
        std::size_t low = 0;
        std::size_t high = 0;
        if (number(low)) {
            high = low;
            if (i < text_.size() && text_[i] == ',') {
                ++i;
                if (!number(high)) high = low + 1;
            }
            if (i < text_.size() && text_[i] == '}') {
                last_ = saturating_product(last_, std::max<std::size_t>(high, 1));
                if (!within_positions() || !repeat_atom()) return false;
                copy(i - at_ + 1);
                return true;
            }
        }
        atom(1);
        copy(1);
        return true;
    }

    static std::size_t saturating_product(std::size_t a, std::size_t b) {
        return std::min<std::size_t>(a * b, 1u << 30);
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t last_ = 0;             // positions of the last atom: what a repeat multiplies
    std::vector<std::size_t> groups_;  // positions of each open group, without the last atom
    std::size_t last_nested_ = 0;      // repeats within each other in the last atom
    std::vector<std::size_t> nested_;  // the most of them in each open group, without the last atom
    std::string out_;
    core::Error error_;
};

int on_match(unsigned, unsigned long long, unsigned long long, unsigned, void* context) {
    *static_cast<bool*>(context) = true;
    return 1;  // one match is enough
}

}  // namespace

core::Result<std::string> translate_regex(std::string_view text) {
    if (text.empty()) return core::fail(bad_regex("the expression is empty", 0));
    if (text.size() > kRegexBytesMax) {
        core::Error error(core::ErrorCode::kValidation, "regex: " + std::to_string(text.size()) +
                                                            " bytes exceed the limit of " +
                                                            std::to_string(kRegexBytesMax));
        error.limit = kRegexBytesMax;
        return core::fail(std::move(error));
    }
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t length = utf8_length(text, i);
        if (length == 0 || text[i] == '\0') return core::fail(bad_regex("NUL or invalid UTF-8", i));
        i += length;
    }
    Translator translator(text);
    if (!translator.run()) return core::fail(std::move(translator.error()));
    return std::move(translator.out());
}

std::size_t regex_positions(std::string_view text) {
    Translator translator(text);
    return translator.run() ? translator.positions() : std::numeric_limits<std::size_t>::max();
}

unsigned regex_compile_flags() { return HS_FLAG_DOTALL | HS_FLAG_UTF8 | HS_FLAG_ALLOWEMPTY; }

std::string wildcard_to_regex(std::string_view wildcard) {
    constexpr char kHex[] = "0123456789abcdef";
    std::string out = "^";
    const auto parsed = parse_wildcard(wildcard);
    if (!parsed) return out + "[^\\x00-\\x{10ffff}]";  // refused text: matches nothing
    for (std::size_t i = 0; i < parsed->pieces.size(); ++i) {
        if (i > 0) out += ".*";
        for (char c : parsed->pieces[i]) {
            const auto byte = static_cast<unsigned char>(c);
            if (byte >= 0x80) {
                out += c;  // inside UTF-8 mode \xNN would be a code point, not a byte
                continue;
            }
            out += "\\x";
            out += kHex[byte >> 4];
            out += kHex[byte & 15];
        }
    }
    return out + "\\z";
}

struct Regex::Impl {
    hs_database_t* database = nullptr;
    hs_scratch_t* scratch = nullptr;

    Impl() = default;
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() {
        hs_free_scratch(scratch);
        hs_free_database(database);
    }
};

Regex::Regex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

core::Result<Regex> Regex::compile(std::string_view text) {
    auto translated = translate_regex(text);
    if (!translated) return core::fail(std::move(translated.error()));
    auto impl = std::make_unique<Impl>();
    hs_compile_error_t* reason = nullptr;
    const RegexToCompile expression{translated->c_str(), regex_compile_flags()};
    impl->database = compile_regex(&expression, 1, &reason);
    if (!impl->database) {
        core::Error error(
            core::ErrorCode::kValidation,
            std::string("regex: ") + (reason ? reason->message : "refused by Hyperscan"));
        error.position = 0;
        hs_free_compile_error(reason);
        return core::fail(std::move(error));
    }
    if (hs_alloc_scratch(impl->database, &impl->scratch) != HS_SUCCESS) {
        return core::fail(core::ErrorCode::kInternal, "regex: no memory for Hyperscan's scratch");
    }
    return Regex(std::move(impl));
}

bool Regex::found_in(std::string_view text) const {
    bool found = false;
    const char* data = text.empty() ? "" : text.data();
    hs_scan(impl_->database, data, static_cast<unsigned>(text.size()), 0, impl_->scratch, on_match,
            &found);
    return found;
}

}  // namespace millrace::matcher
