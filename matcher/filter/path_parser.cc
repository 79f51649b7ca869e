#include "matcher/filter/path_parser.h"

#include "matcher/filter/limits.h"
#include "matcher/filter/text_scanner.h"

#include <algorithm>
#include <array>
#include <string>

namespace millrace::matcher {
namespace {

using core::ErrorCode;
using Steps = std::vector<PathStep>;

constexpr std::array<std::string_view, 11> kEnvelopeMembers = {
    "eventId",  "pattern",      "version",  "source",      "timestamp", "payload",
    "metadata", "partitionKey", "priority", "scheduledAt", "tenantId",
};

// RFC 9535: an index is an exact integer of I-JSON.
constexpr std::int64_t kIndexMax = (std::int64_t{1} << 53) - 1;

tl::unexpected<core::Error> bad_path(const std::string& message, std::size_t at) {
    return core::fail(
        core::Error(ErrorCode::kValidation, "path: " + message + " at byte " + std::to_string(at))
            .at(static_cast<std::int64_t>(at)));
}

PathStep name_step(std::string name) {
    PathStep step;
    step.name = std::move(name);
    return step;
}

bool is_name_first(char c) {
    return is_alpha(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

// Reads the segments of RFC 9535 behind `$`.
class SegmentReader {
public:
    SegmentReader(std::string_view text, std::size_t at) : text_(text), at_(at) {}

    core::Result<Steps> read() {
        Steps steps;
        while (true) {
            const std::size_t before = at_;
            skip_space();
            if (peek() != '.' && peek() != '[') {
                at_ = before;
                return steps;
            }
            auto step = peek() == '.' ? read_dotted() : read_bracketed();
            if (!step) return core::fail(std::move(step.error()));
            steps.push_back(std::move(*step));
            if (steps.size() > kPathStepsMax) {
                return core::fail(
                    core::Error(ErrorCode::kValidation,
                                "path: more than " + std::to_string(kPathStepsMax) + " steps")
                        .at(static_cast<std::int64_t>(at_))
                        .bound(kPathStepsMax));
            }
        }
    }
    std::size_t at() const { return at_; }

private:
    char peek(std::size_t ahead = 0) const {
        return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
    }
    void skip_space() {
        while (at_ < text_.size() && is_json_space(text_[at_])) ++at_;
    }

    core::Result<PathStep> read_dotted() {
        ++at_;
        if (peek() == '.')
            return bad_path("descendant segments (..) are not supported in filters", at_ - 1);
        if (peek() == '*') {
            ++at_;
            return wildcard();
        }
        return read_shorthand();
    }

    core::Result<PathStep> read_shorthand() {
        const std::size_t begin = at_;
        if (!is_name_first(peek())) return bad_path("expected a name or * after '.'", at_);
        while (at_ < text_.size() && (is_name_first(text_[at_]) || is_digit_char(text_[at_]))) {
            const std::size_t length = utf8_length(text_, at_);
            if (length == 0) return bad_path("invalid UTF-8 in a name", at_);
            at_ += length;
        }
        return name_step(std::string(text_.substr(begin, at_ - begin)));
    }

    core::Result<PathStep> read_bracketed() {
        ++at_;
        skip_space();
        auto step = read_selector();
        if (!step) return step;
        skip_space();
        if (peek() == ',')
            return bad_path("several selectors in one [] are not supported in filters", at_);
        if (peek() == ':') return bad_path("slices are not supported in filters", at_);
        if (peek() != ']') return bad_path("expected ']'", at_);
        ++at_;
        return step;
    }

    core::Result<PathStep> read_selector() {
        const char c = peek();
        if (c == '\'' || c == '"') {
            ++at_;
            std::string name;
            std::string_view reason;
            if (!scan_quoted(text_, at_, c, name, reason))
                return bad_path(std::string(reason), at_);
            return name_step(std::move(name));
        }
        if (c == '*') {
            ++at_;
            return wildcard();
        }
        if (c == '?') return bad_path("filter selectors [?...] are not supported in filters", at_);
        if (c == ':') return bad_path("slices are not supported in filters", at_);
        if (c == '-' || is_digit_char(c)) return read_index();
        return bad_path("expected a quoted name, an index or * in []", at_);
    }

    core::Result<PathStep> read_index() {
        const std::size_t begin = at_;
        const bool negative = peek() == '-';
        if (negative) ++at_;
        if (!is_digit_char(peek())) return bad_path("expected digits after '-'", at_);
        if (peek() == '0' && (negative || is_digit_char(peek(1)))) {
            return bad_path("an index has no leading zero and no -0", begin);
        }
        PathStep step;
        step.kind = PathStep::Kind::kIndex;
        for (; is_digit_char(peek()); ++at_) {
            step.index = step.index * 10 + (peek() - '0');
            if (step.index > kIndexMax) return bad_path("index beyond 2^53-1", begin);
        }
        if (negative) step.index = -step.index;
        return step;
    }

    static PathStep wildcard() {
        PathStep step;
        step.kind = PathStep::Kind::kWildcard;
        return step;
    }

    std::string_view text_;
    std::size_t at_;
};

core::Status check_text(std::string_view text) {
    if (text.size() > kPathBytesMax) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "path: " + std::to_string(text.size()) +
                                                          " bytes exceed the limit of " +
                                                          std::to_string(kPathBytesMax))
                .bound(kPathBytesMax));
    }
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = utf8_length(text, at);
        if (length == 0) return bad_path("invalid UTF-8", at);
        at += length;
    }
    return {};
}

core::Status too_many_steps(const Steps& steps) {
    if (steps.size() <= kPathStepsMax) return {};
    return core::fail(core::Error(ErrorCode::kValidation,
                                  "path: more than " + std::to_string(kPathStepsMax) + " steps")
                          .bound(kPathStepsMax));
}

core::Result<Steps> parse_pointer(std::string_view text) {
    Steps steps;
    std::string token;
    for (std::size_t i = 1; i <= text.size(); ++i) {
        if (i == text.size() || text[i] == '/') {
            steps.push_back(name_step(std::move(token)));
            token.clear();
        } else if (text[i] == '~') {
            const char next = i + 1 < text.size() ? text[i + 1] : '\0';
            if (next != '0' && next != '1')
                return bad_path("expected ~0 or ~1 in a JSON Pointer", i);
            token += next == '0' ? '~' : '/';
            ++i;
        } else {
            token += text[i];
        }
    }
    return steps;
}

// "a.b[0].c": names are any bytes but '.' and '['.
core::Result<Steps> parse_dotted(std::string_view text) {
    Steps steps;
    std::size_t at = 0;
    while (true) {
        const std::size_t end = std::min(text.find_first_of(".[", at), text.size());
        if (end == at) return bad_path("expected a name", at);
        steps.push_back(name_step(std::string(text.substr(at, end - at))));
        at = end;
        while (at < text.size() && text[at] == '[') {
            const std::size_t close = text.find(']', at);
            if (close == std::string_view::npos) return bad_path("expected ']'", text.size());
            auto inner = SegmentReader(text.substr(0, close + 1), at).read();
            if (!inner) return core::fail(std::move(inner.error()));
            steps.insert(steps.end(), inner->begin(), inner->end());
            at = close + 1;
        }
        if (at == text.size()) return steps;
        if (text[at] != '.') return bad_path("expected '.' or '['", at);
        ++at;
    }
}

core::Result<Path> in_payload(core::Result<Steps> steps) {
    if (!steps) return core::fail(std::move(steps.error()));
    Path path;
    path.steps.push_back(name_step("payload"));
    path.steps.insert(path.steps.end(), std::make_move_iterator(steps->begin()),
                      std::make_move_iterator(steps->end()));
    if (auto fits = too_many_steps(path.steps); !fits) return core::fail(std::move(fits.error()));
    return path;
}

}  // namespace

bool is_envelope_member(std::string_view name) {
    return name.starts_with("x-") || std::find(kEnvelopeMembers.begin(), kEnvelopeMembers.end(),
                                               name) != kEnvelopeMembers.end();
}

core::Result<Path> root_path(Steps steps) {
    if (steps.empty() || steps.front().kind != PathStep::Kind::kName) {
        return bad_path("expected a member name as the first step, like $.payload", 1);
    }
    if (!is_envelope_member(steps.front().name)) return in_payload(std::move(steps));
    Path path;
    path.steps = std::move(steps);
    return path;
}

core::Result<Steps> parse_jsonpath(std::string_view text) {
    if (auto fits = check_text(text); !fits) return core::fail(std::move(fits.error()));
    if (text.empty() || text[0] != '$') return bad_path("expected '$'", 0);
    SegmentReader reader(text, 1);
    auto steps = reader.read();
    if (steps && reader.at() != text.size()) {
        return bad_path("expected '.' or '[' or the end", reader.at());
    }
    return steps;
}

core::Result<Path> scan_jsonpath(std::string_view text, std::size_t& at) {
    SegmentReader reader(text, at + 1);
    auto steps = reader.read();
    if (!steps) return core::fail(std::move(steps.error()));
    if (auto fits = check_text(text.substr(at, reader.at() - at)); !fits) {
        return core::fail(std::move(fits.error()).at(static_cast<std::int64_t>(at)));
    }
    auto path = root_path(std::move(*steps));
    if (!path) return core::fail(std::move(path.error()).at(static_cast<std::int64_t>(at)));
    at = reader.at();
    return path;
}

core::Result<Path> parse_field(std::string_view text) {
    if (auto fits = check_text(text); !fits) return core::fail(std::move(fits.error()));
    if (text.empty())
        return bad_path("expected a path like $.payload.amount, found an empty text", 0);
    if (text[0] == '/') return in_payload(parse_pointer(text));
    auto steps = text[0] == '$' ? parse_jsonpath(text) : parse_dotted(text);
    if (!steps) return core::fail(std::move(steps.error()));
    auto path = root_path(std::move(*steps));
    if (!path) return path;
    if (auto fits = too_many_steps(path->steps); !fits) return core::fail(std::move(fits.error()));
    return path;
}

core::Result<Path> parse_map_key(std::string_view text) {
    if (auto fits = check_text(text); !fits) return core::fail(std::move(fits.error()));
    if (text.empty()) return bad_path("expected a key like customer.tier, found an empty text", 0);
    if (text[0] == '$') return parse_field(text);
    return in_payload(text[0] == '/' ? parse_pointer(text) : parse_dotted(text));
}

}  // namespace millrace::matcher
