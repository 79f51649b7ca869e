// The grammar, loosest first:
//   or       = and *("||" and)
//   and      = unary *("&&" unary)
//   unary    = "!" unary / "(" or ")" / "true" / "false"
//            / "exists(" path ")" / "existsLeaf(" path ")"
//            / path operator operand
//            / path ("==" / "!=" / "<" / "<=" / ">" / ">=") path    (where the caller asks for it)
//            / literal ("==" / "!=" / "<" / "<=" / ">" / ">=") path
//            / literal ["not"] "in" path
//   operator = "==" / "!=" / "<" / "<=" / ">" / ">=" / ["not"] word      (words: kWords below)
//   operand  = literal / "[" literal *("," literal) "]"
//            / for range: ("[" / "(") end "," end ("]" / ")")            (end: literal or *)
//   literal  = "text" / 'text' / number / true / false / null
#include "matcher/filter/condition.h"
#include "matcher/filter/dialects.h"
#include "matcher/filter/limits.h"
#include "matcher/filter/path_parser.h"
#include "matcher/filter/text_scanner.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::matcher {
namespace {

// A predicate of depth d prints with at most 2d parentheses and signs open at once.
constexpr std::size_t kExpressionDepthMax = 2 * kFilterDepthMax + 8;

struct WordOperator {
    std::string_view word;
    Op op;
};

constexpr std::array<WordOperator, 13> kWords = {{
    {"in", Op::kEquals},
    {"contains", Op::kContains},
    {"containsIgnoreCase", Op::kContainsIgnoreCase},
    {"startsWith", Op::kPrefix},
    {"startsWithIgnoreCase", Op::kPrefixIgnoreCase},
    {"endsWith", Op::kSuffix},
    {"endsWithIgnoreCase", Op::kSuffixIgnoreCase},
    {"equalsIgnoreCase", Op::kEqualsIgnoreCase},
    {"like", Op::kWildcard},
    {"likeIgnoreCase", Op::kWildcardIgnoreCase},
    {"matches", Op::kRegex},
    {"cidr", Op::kCidr},
    {"range", Op::kRange},
}};

constexpr std::string_view kOperatorsExpected =
    "expected an operator: == != < <= > >= in contains startsWith endsWith matches like cidr "
    "between range "
    "equalsIgnoreCase (words also after `not`)";

using Parsed = core::Result<Predicate>;

// No member of an envelope is called so.
constexpr std::string_view kComparisonStep =
    "\x01"
    "comparison";

class ExpressionParser {
public:
    ExpressionParser(std::string_view text, std::vector<PathComparison>* comparisons)
        : text_(text), comparisons_(comparisons) {}

    Parsed parse() {
        auto predicate = parse_or(0);
        if (!predicate) return predicate;
        skip_space();
        if (at_ != text_.size()) return fail_here("expected && or || or the end");
        return predicate;
    }

private:
    tl::unexpected<core::Error> fail_at(const std::string& message, std::size_t at) const {
        return core::fail(
            invalid(message + " at byte " + std::to_string(at), static_cast<std::int64_t>(at)));
    }
    tl::unexpected<core::Error> fail_here(const std::string& message) const {
        if (at_ >= text_.size()) return fail_at(message + ", found the end", at_);
        const std::size_t shown = std::max<std::size_t>(utf8_length(text_, at_), 1);
        return fail_at(message + ", found '" + std::string(text_.substr(at_, shown)) + "'", at_);
    }

    void skip_space() {
        while (at_ < text_.size() && is_json_space(text_[at_])) ++at_;
    }
    char peek() {
        skip_space();
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    bool take(std::string_view token) {
        skip_space();
        if (text_.substr(at_, token.size()) != token) return false;
        at_ += token.size();
        return true;
    }
    // The letters from here on, without moving.
    std::string_view word_ahead() {
        skip_space();
        std::size_t end = at_;
        while (end < text_.size() &&
               (is_alpha(text_[end]) || is_digit_char(text_[end]) || text_[end] == '_')) {
            ++end;
        }
        return text_.substr(at_, end - at_);
    }
    bool take_word(std::string_view word) {
        if (word_ahead() != word) return false;
        at_ += word.size();
        return true;
    }

    // NOLINTNEXTLINE(misc-no-recursion): bounded by kExpressionDepthMax
    Parsed parse_or(std::size_t depth) {
        std::vector<Predicate> parts;
        do {
            auto part = parse_and(depth);
            if (!part) return part;
            parts.push_back(std::move(*part));
        } while (take("||"));
        return Predicate::any_of(std::move(parts));
    }

    // NOLINTNEXTLINE(misc-no-recursion): bounded by kExpressionDepthMax
    Parsed parse_and(std::size_t depth) {
        std::vector<Predicate> parts;
        do {
            auto part = parse_unary(depth);
            if (!part) return part;
            parts.push_back(std::move(*part));
        } while (take("&&"));
        return Predicate::all_of(std::move(parts));
    }

    // NOLINTNEXTLINE(misc-no-recursion): bounded by kExpressionDepthMax
    Parsed parse_unary(std::size_t depth) {
        if (depth > kExpressionDepthMax) {
            core::Error error =
                invalid("expression nested too deep", static_cast<std::int64_t>(at_));
            return core::fail(std::move(error).bound(kFilterDepthMax));
        }
        const char c = peek();
        if (c == '!') {
            ++at_;
            auto inner = parse_unary(depth + 1);
            if (!inner) return inner;
            return Predicate::negation(std::move(*inner));
        }
        if (c == '(') {
            ++at_;
            auto inner = parse_or(depth + 1);
            if (!inner) return inner;
            if (!take(")")) return fail_here("expected ')'");
            return inner;
        }
        if (c == '$') return parse_path_condition();
        const std::string_view word = word_ahead();
        if (word == "exists") return parse_exists(Op::kExists);
        if (word == "existsLeaf") return parse_exists(Op::kExistsLeaf);
        if (c == '\'' || c == '"' || c == '-' || is_digit_char(c) || word == "true" ||
            word == "false" || word == "null") {
            return parse_literal_condition();
        }
        return fail_here(
            "expected a path like $.payload.amount, exists(...), a literal, '!' or '('");
    }

    Parsed parse_exists(Op op) {
        at_ += word_ahead().size();
        if (!take("(")) return fail_here("expected '(' after exists");
        if (peek() != '$') return fail_here("expected a path like $.payload.amount");
        auto path = scan_jsonpath(text_, at_);
        if (!path) return core::fail(std::move(path.error()));
        if (!take(")")) return fail_here("expected ')'");
        Leaf leaf;
        leaf.path = std::move(*path);
        leaf.op = op;
        return Predicate::of(std::move(leaf));
    }

    core::Result<Scalar> parse_literal() {
        const char c = peek();
        if (c == '\'' || c == '"') {
            ++at_;
            std::string value;
            std::string_view reason;
            if (!scan_quoted(text_, at_, c, value, reason))
                return fail_at(std::string(reason), at_);
            return Scalar::string(value);
        }
        if (take_word("true")) return Scalar::boolean(true);
        if (take_word("false")) return Scalar::boolean(false);
        if (take_word("null")) return Scalar::null();
        std::size_t end = at_;
        while (end < text_.size() && is_number_char(text_[end])) ++end;
        if (end == at_ || !(c == '-' || is_digit_char(c))) {
            return fail_here("expected a literal: 'text', \"text\", a number, true, false or null");
        }
        NumberView view;
        if (!parse_number(text_.substr(at_, end - at_), view))
            return fail_at("malformed number", at_);
        if (view.text.size() > kNumberBytesMax) {
            return core::fail(
                invalid("number too long", static_cast<std::int64_t>(at_)).bound(kNumberBytesMax));
        }
        at_ = end;
        return Scalar::number(view.text);
    }

    // A literal or, in brackets, several.
    core::Result<std::vector<Scalar>> parse_operands(bool list_required) {
        std::vector<Scalar> out;
        if (peek() != '[') {
            if (list_required) return fail_here("expected a list like ['a', 'b']");
            auto scalar = parse_literal();
            if (!scalar) return core::fail(std::move(scalar.error()));
            out.push_back(std::move(*scalar));
            return out;
        }
        ++at_;
        do {
            auto scalar = parse_literal();
            if (!scalar) return core::fail(std::move(scalar.error()));
            out.push_back(std::move(*scalar));
            if (out.size() > kFilterValuesMax) {
                return core::fail(invalid("list exceeds the limit of " +
                                              std::to_string(kFilterValuesMax) + " values",
                                          static_cast<std::int64_t>(at_))
                                      .bound(kFilterValuesMax));
            }
        } while (take(","));
        if (!take("]")) return fail_here("expected ',' or ']'");
        return out;
    }

    static Parsed wrap(core::Result<Leaf> leaf) {
        if (!leaf) return core::fail(std::move(leaf.error()));
        return Predicate::of(std::move(*leaf));
    }

    Parsed parse_path_condition() {
        auto path = scan_jsonpath(text_, at_);
        if (!path) return core::fail(std::move(path.error()));
        skip_space();
        const std::size_t operator_at = at_;
        const std::string_view sign = take_sign();
        if (!sign.empty()) {
            const std::size_t operand_at = at_;
            if (peek() == '$' && comparisons_) return parse_comparison(std::move(*path), sign);
            if (peek() == '$')
                return fail_here("comparing two paths is not supported; expected a literal");
            if (peek() == '[')
                return fail_here("expected one literal; for any of several write `in`");
            auto scalar = parse_literal();
            if (!scalar) return core::fail(std::move(scalar.error()));
            return make_comparison(std::move(*path), sign, std::move(*scalar), operand_at);
        }
        const bool negated = take_word("not");
        const std::string_view word = word_ahead();
        if (!negated &&
            (at_ >= text_.size() || text_[at_] == ')' || text_[at_] == '&' || text_[at_] == '|')) {
            return fail_at("a path alone is no condition; write exists(" + shown(*path) + ") or " +
                               shown(*path) + " == true",
                           operator_at);
        }
        if (word == "between") return parse_between(std::move(*path), negated);
        for (const WordOperator& entry : kWords) {
            if (entry.word == word) return parse_word_condition(std::move(*path), entry, negated);
        }
        return fail_here(std::string(kOperatorsExpected));
    }

    Parsed parse_comparison(Path left, std::string_view sign) {
        auto right = scan_jsonpath(text_, at_);
        if (!right) return core::fail(std::move(right.error()));
        Leaf leaf;
        leaf.path.steps = {
            {PathStep::Kind::kName, std::string(kComparisonStep), 0},
            {PathStep::Kind::kIndex, {}, static_cast<std::int64_t>(comparisons_->size())}};
        comparisons_->push_back({std::move(left), sign, std::move(*right)});
        return Predicate::of(std::move(leaf));
    }

    static std::string shown(const Path& path) { return "$." + path.steps.back().name; }

    std::string_view take_sign() {
        for (std::string_view sign : {"==", "!=", "<=", ">=", "<", ">"}) {
            if (take(sign)) return sign;
        }
        return {};
    }

    Parsed parse_word_condition(Path path, const WordOperator& entry, bool negated) {
        at_ += entry.word.size();
        const auto operand_at = static_cast<std::int64_t>(at_);
        if (entry.op == Op::kRange) return parse_range(std::move(path), negated);
        auto operands = parse_operands(entry.word == "in");
        if (!operands) return core::fail(std::move(operands.error()));
        LeafRequest request;
        request.op = entry.op;
        if (entry.op == Op::kContains && !operands->front().is_string()) request.op = Op::kEquals;
        request.path = std::move(path);
        request.negated = negated;
        request.operands = std::move(*operands);
        request.position = operand_at;
        return wrap(make_leaf(std::move(request)));
    }

    Parsed parse_between(Path path, bool negated) {
        at_ += std::string_view("between").size();
        const auto operand_at = static_cast<std::int64_t>(at_);
        auto bounds = parse_operands(true);
        if (!bounds) return core::fail(std::move(bounds.error()));
        const auto is_bound = [](const Scalar& s) { return s.is_number() || s.is_string(); };
        if (bounds->size() != 2 || !is_bound((*bounds)[0]) || !is_bound((*bounds)[1])) {
            return core::fail(
                invalid("expected [lowest, highest], two numbers or two strings", operand_at));
        }
        RangeRequest range;
        range.path = std::move(path);
        range.lower = std::move((*bounds)[0]);
        range.upper = std::move((*bounds)[1]);
        range.lower_inclusive = range.upper_inclusive = true;
        range.negated = negated;
        range.position = operand_at;
        return wrap(make_range(std::move(range)));
    }

    // A bound of `range`, or * for an open end.
    core::Result<Scalar> parse_end() {
        if (take("*")) return Scalar::null();
        auto scalar = parse_literal();
        if (scalar && !scalar->is_number() && !scalar->is_string()) {
            return fail_here("expected a number, a string or * as the end of a range");
        }
        return scalar;
    }

    Parsed parse_range(Path path, bool negated) {
        RangeRequest range;
        range.path = std::move(path);
        range.negated = negated;
        range.position = static_cast<std::int64_t>(at_);
        range.lower_inclusive = peek() == '[';
        if (!take("[") && !take("(")) return fail_here("expected '[' or '(' after range");
        auto lower = parse_end();
        if (!lower) return core::fail(std::move(lower.error()));
        if (!take(",")) return fail_here("expected ','");
        auto upper = parse_end();
        if (!upper) return core::fail(std::move(upper.error()));
        range.upper_inclusive = peek() == ']';
        if (!take("]") && !take(")")) return fail_here("expected ']' or ')'");
        if (lower->type == Scalar::Type::kNull && upper->type == Scalar::Type::kNull) {
            return fail_here("expected at least one end of the range");
        }
        range.lower = std::move(*lower);
        range.upper = std::move(*upper);
        return wrap(make_range(std::move(range)));
    }

    // literal op path: the same condition seen from the other side.
    Parsed parse_literal_condition() {
        const std::size_t literal_at = at_;
        auto scalar = parse_literal();
        if (!scalar) return core::fail(std::move(scalar.error()));
        const std::string_view sign = take_sign();
        const bool negated = sign.empty() && take_word("not");
        const bool member = sign.empty() && take_word("in");
        if (sign.empty() && !member) {
            if (scalar->type == Scalar::Type::kTrue) return Predicate::always();
            if (scalar->type == Scalar::Type::kFalse) return Predicate::never();
            return fail_here("expected == != < <= > >= or in after a literal");
        }
        if (peek() != '$') return fail_here("expected a path like $.payload.amount");
        auto path = scan_jsonpath(text_, at_);
        if (!path) return core::fail(std::move(path.error()));
        if (member)
            return make_comparison(std::move(*path), negated ? "!=" : "==", std::move(*scalar),
                                   literal_at);
        std::string_view mirrored = sign;
        if (sign[0] == '<') mirrored = sign.size() == 1 ? ">" : ">=";
        if (sign[0] == '>') mirrored = sign.size() == 1 ? "<" : "<=";
        return make_comparison(std::move(*path), mirrored, std::move(*scalar), literal_at);
    }

    Parsed make_comparison(Path path, std::string_view sign, Scalar scalar, std::size_t at) {
        if (sign == "==" || sign == "!=") {
            LeafRequest request;
            request.path = std::move(path);
            request.negated = sign == "!=";
            request.operands.push_back(std::move(scalar));
            request.position = static_cast<std::int64_t>(at);
            return wrap(make_leaf(std::move(request)));
        }
        if (!scalar.is_number() && !scalar.is_string()) {
            return fail_at("expected a number or a string beside " + std::string(sign), at);
        }
        RangeRequest range;
        range.path = std::move(path);
        range.position = static_cast<std::int64_t>(at);
        (sign[0] == '>' ? range.lower : range.upper) = std::move(scalar);
        range.lower_inclusive = sign == ">=";
        range.upper_inclusive = sign == "<=";
        return wrap(make_range(std::move(range)));
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::vector<PathComparison>* const comparisons_;
};

}  // namespace

std::optional<std::size_t> comparison_index(const Leaf& leaf) {
    const std::vector<PathStep>& steps = leaf.path.steps;
    if (steps.size() != 2 || steps.front().name != kComparisonStep) return std::nullopt;
    return static_cast<std::size_t>(steps.back().index);
}

core::Result<Predicate> parse_expression(std::string_view text, const std::string& field,
                                         std::vector<PathComparison>* comparisons) {
    auto predicate = ExpressionParser(text, comparisons).parse();
    if (!predicate && predicate.error().field.empty()) predicate.error().field = field;
    return predicate;
}

}  // namespace millrace::matcher
