#include "matcher/regex/simple_regex_builder.h"

#include <algorithm>
#include <bit>

namespace millrace::matcher {

namespace {

constexpr std::size_t kPositionsMax = 64;
constexpr unsigned kGroupDepthMax = 16;
constexpr std::size_t kTextsMax = 16;

}  // namespace

void SimpleRegexBuilder::add(Class& c, unsigned char from, unsigned char to) {
    for (unsigned i = from; i <= to; ++i) c.bits[i >> 6] |= 1ULL << (i & 63);
}

void SimpleRegexBuilder::negate(Class& c) {
    c.bits[0] = ~c.bits[0];
    c.bits[1] = ~c.bits[1];
    c.beyond_ascii = !c.beyond_ascii;
}

// Behind a backslash. Classes by letter and escaped punctuation only; \s differs between engines.
bool SimpleRegexBuilder::escape(Class& out) {
    if (at_end()) return refuse();
    const char c = text_[at_++];
    const char lower = static_cast<char>(c | 0x20);
    if (lower == 'd' || lower == 'w') {
        add(out, '0', '9');
        if (lower == 'w') {
            add(out, 'a', 'z');
            add(out, 'A', 'Z');
            add(out, '_', '_');
        }
        if (c != lower) negate(out);
        return true;
    }
    if (c == 'n') return add(out, '\n', '\n'), true;
    if (c == 't') return add(out, '\t', '\t'), true;
    if (c == 'r') return add(out, '\r', '\r'), true;
    const bool letter = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
    if (letter || static_cast<unsigned char>(c) >= 0x80) return refuse();
    return add(out, static_cast<unsigned char>(c), static_cast<unsigned char>(c)), true;
}

// Behind '['.
bool SimpleRegexBuilder::bracket(Class& out) {
    const bool negated = !at_end() && text_[at_] == '^';
    if (negated) ++at_;
    bool first = true;
    for (;; first = false) {
        if (at_end()) return refuse();
        const char c = text_[at_++];
        if (c == ']' && !first) break;
        // POSIX classes, a leading ']', set operators: leave them to Hyperscan.
        if (c == '[' || c == ']' || c == '&' || static_cast<unsigned char>(c) >= 0x80)
            return refuse();
        Class single;
        if (c == '\\') {
            if (!escape(single)) return false;
        } else {
            add(single, static_cast<unsigned char>(c), static_cast<unsigned char>(c));
        }
        const bool is_one = !single.beyond_ascii &&
                            std::popcount(single.bits[0]) + std::popcount(single.bits[1]) == 1;
        if (at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
            const char to = text_[at_ + 1];
            if (c == '\\' || !is_one || to == '\\' || to == '[' ||
                static_cast<unsigned char>(to) >= 0x80 || to < c) {
                return refuse();
            }
            add(single, static_cast<unsigned char>(c), static_cast<unsigned char>(to));
            at_ += 2;
        }
        out.bits[0] |= single.bits[0];
        out.bits[1] |= single.bits[1];
        out.beyond_ascii = out.beyond_ascii || single.beyond_ascii;
    }
    if (negated) negate(out);
    return true;
}

bool SimpleRegexBuilder::number(unsigned& out) {
    const std::size_t begin = at_;
    for (out = 0; !at_end() && text_[at_] >= '0' && text_[at_] <= '9' && out < 1000; ++at_) {
        out = out * 10 + static_cast<unsigned>(text_[at_] - '0');
    }
    return at_ > begin;
}

bool SimpleRegexBuilder::repeat(Node& node) {
    if (at_end()) return true;
    unsigned least = 0;
    unsigned most = kUnbounded;
    switch (text_[at_]) {
        case '*': ++at_; break;
        case '+':
            ++at_;
            least = 1;
            break;
        case '?':
            ++at_;
            most = 1;
            break;
        case '{':
            ++at_;
            if (!number(least)) return refuse();
            most = least;
            if (!at_end() && text_[at_] == ',') {
                ++at_;
                if (!number(most)) most = kUnbounded;
            }
            if (at_end() || text_[at_++] != '}' || (most != kUnbounded && most < least))
                return refuse();
            break;
        default: return true;
    }
    if (!at_end() && text_[at_] == '?') ++at_;  // lazy: finds the same texts
    if (!at_end() &&
        (text_[at_] == '+' || text_[at_] == '*' || text_[at_] == '{' || text_[at_] == '?')) {
        return refuse();
    }
    Node repeated;
    repeated.kind = Node::Kind::kRepeat;
    repeated.least = least;
    repeated.most = most;
    repeated.children.push_back(std::move(node));
    node = std::move(repeated);
    return true;
}

// NOLINTBEGIN(misc-no-recursion): kGroupDepthMax bounds it.

bool SimpleRegexBuilder::atom(Node& out, unsigned depth) {
    const char c = text_[at_++];
    out.kind = Node::Kind::kClass;
    switch (c) {
        case '(':
            if (depth == kGroupDepthMax) return refuse();
            if (!at_end() && text_[at_] == '?') {
                if (text_.substr(at_, 2) != "?:") return refuse();
                at_ += 2;
            }
            out = alternatives(depth + 1);
            if (!ok_ || at_end() || text_[at_++] != ')') return refuse();
            return true;
        case '[': return bracket(out.chars);
        case '\\': return escape(out.chars);
        case '.': negate(out.chars); return true;
        case '*':
        case '+':
        case '?':
        case '{':
        case '^':
        case '$':
        case ']':
        case '}': return refuse();
        default: break;
    }
    if (static_cast<unsigned char>(c) >= 0x80) return refuse();
    add(out.chars, static_cast<unsigned char>(c), static_cast<unsigned char>(c));
    return true;
}

SimpleRegexBuilder::Node SimpleRegexBuilder::concat(unsigned depth) {
    Node out;
    while (ok_ && !at_end() && text_[at_] != '|' && text_[at_] != ')') {
        Node part;
        if (!atom(part, depth) || !repeat(part)) break;
        out.children.push_back(std::move(part));
    }
    return out;
}

SimpleRegexBuilder::Node SimpleRegexBuilder::alternatives(unsigned depth) {
    Node out;
    out.kind = Node::Kind::kAlternatives;
    out.children.push_back(concat(depth));
    while (ok_ && !at_end() && text_[at_] == '|') {
        ++at_;
        out.children.push_back(concat(depth));
    }
    if (out.children.size() > 1) return out;
    return std::move(out.children.front());
}

void SimpleRegexBuilder::follow_all(std::uint64_t from, std::uint64_t to, SimpleRegex& out) {
    for (; from != 0; from &= from - 1)
        out.follow_[static_cast<std::size_t>(std::countr_zero(from))] |= to;
}

SimpleRegexBuilder::Fragment SimpleRegexBuilder::join(const Fragment& a, const Fragment& b,
                                                      SimpleRegex& out) {
    follow_all(a.last, b.first, out);
    Fragment joined;
    joined.nullable = a.nullable && b.nullable;
    joined.first = a.first | (a.nullable ? b.first : 0);
    joined.last = b.last | (b.nullable ? a.last : 0);
    return joined;
}

// Glushkov's construction: one state for each character class, repeats unrolled.
SimpleRegexBuilder::Fragment SimpleRegexBuilder::glushkov(const Node& node, SimpleRegex& out) {
    Fragment fragment;
    switch (node.kind) {
        case Node::Kind::kClass: {
            if (out.class_of_.size() == kPositionsMax) {
                ok_ = false;
                return fragment;
            }
            const auto known = std::find(out.classes_.begin(), out.classes_.end(), node.chars);
            const auto number = static_cast<std::uint8_t>(known - out.classes_.begin());
            if (known == out.classes_.end()) out.classes_.push_back(node.chars);
            const std::uint64_t bit = 1ULL << out.class_of_.size();
            out.class_of_.push_back(number);
            out.follow_.push_back(0);
            return {false, bit, bit};
        }
        case Node::Kind::kConcat:
            for (const Node& child : node.children) {
                if (!ok_) break;
                fragment = join(fragment, glushkov(child, out), out);
            }
            return fragment;
        case Node::Kind::kAlternatives:
            fragment.nullable = false;
            for (const Node& child : node.children) {
                const Fragment part = glushkov(child, out);
                fragment.nullable = fragment.nullable || part.nullable;
                fragment.first |= part.first;
                fragment.last |= part.last;
            }
            return fragment;
        case Node::Kind::kRepeat: break;
    }
    const Node& child = node.children.front();
    const unsigned copies = node.most == kUnbounded ? std::max(node.least, 1u) : node.most;
    for (unsigned i = 0; i < copies && ok_; ++i) {
        Fragment part = glushkov(child, out);
        if (i >= node.least) part.nullable = true;
        if (i + 1 == copies && node.most == kUnbounded) follow_all(part.last, part.first, out);
        fragment = join(fragment, part, out);
    }
    return fragment;
}

bool SimpleRegexBuilder::multiply(Texts& a, const Texts& b) {
    if (a.size() * b.size() > kTextsMax) return false;
    if (b.size() == 1) {
        for (std::string& text : a) text += b[0];
        return true;
    }
    Texts product;
    for (const std::string& x : a) {
        for (const std::string& y : b) product.push_back(x + y);
    }
    a = std::move(product);
    return true;
}

// The texts a node stands for, when they are few.
bool SimpleRegexBuilder::texts_of(const Node& node, Texts& out) {
    out = {""};
    switch (node.kind) {
        case Node::Kind::kClass: {
            const int chars = std::popcount(node.chars.bits[0]) + std::popcount(node.chars.bits[1]);
            if (node.chars.beyond_ascii || chars == 0 || chars > 4) return false;
            out.clear();
            for (unsigned word = 0; word < 2; ++word) {
                for (std::uint64_t bits = node.chars.bits[word]; bits != 0; bits &= bits - 1) {
                    out.emplace_back(1, static_cast<char>(word * 64 + static_cast<unsigned>(
                                                                          std::countr_zero(bits))));
                }
            }
            return true;
        }
        case Node::Kind::kConcat:
            for (const Node& child : node.children) {
                Texts part;
                if (!texts_of(child, part) || !multiply(out, part)) return false;
            }
            return true;
        case Node::Kind::kAlternatives:
            out.clear();
            for (const Node& child : node.children) {
                Texts part;
                if (!texts_of(child, part) || out.size() + part.size() > kTextsMax) return false;
                out.insert(out.end(), part.begin(), part.end());
            }
            return true;
        case Node::Kind::kRepeat: break;
    }
    if (node.least != node.most || node.least > 8) return false;
    Texts part;
    if (!texts_of(node.children.front(), part)) return false;
    for (unsigned i = 0; i < node.least; ++i) {
        if (!multiply(out, part)) return false;
    }
    return true;
}

// NOLINTEND(misc-no-recursion)

// Among the stretches that are a few texts the one whose shortest text is longest; an affix counts
// double, since one probe finds it.
void SimpleRegexBuilder::choose_literals(const Node& root, SimpleRegex& out) const {
    std::vector<Node> single;
    const bool sequence = root.kind == Node::Kind::kConcat;
    if (!sequence) single.push_back(root);
    const std::vector<Node>& parts = sequence ? root.children : single;
    std::size_t best = 0;
    const auto consider = [&](const Texts& texts, std::size_t begin, std::size_t end) {
        std::size_t shortest = 1000;
        for (const std::string& text : texts) shortest = std::min(shortest, text.size());
        const bool first = out.at_start_ && begin == 0;
        const bool last = out.at_end_ && end == parts.size();
        const std::size_t worth = shortest * (first || last ? 2 : 1);
        if (shortest == 0 || worth <= best) return;
        best = worth;
        out.literals_ = texts;
        out.pivot_is_all_ = begin == 0 && end == parts.size();
        out.pivot_form_ = first && last ? SimpleRegex::PivotForm::kEquals
                          : first       ? SimpleRegex::PivotForm::kPrefix
                          : last        ? SimpleRegex::PivotForm::kSuffix
                                        : SimpleRegex::PivotForm::kContains;
    };
    for (std::size_t begin = 0; begin < parts.size();) {
        Texts texts;
        std::size_t end = begin + 1;
        if (texts_of(parts[begin], texts)) {
            for (; end < parts.size(); ++end) {
                Texts next;
                if (!texts_of(parts[end], next) || !multiply(texts, next)) break;
            }
            consider(texts, begin, end);
        }
        begin = end;
    }
}

bool SimpleRegexBuilder::build(SimpleRegex& out) {
    if (!text_.empty() && text_[0] == '^') {
        out.at_start_ = true;
        ++at_;
    }
    // A '$' that is not escaped at the very end.
    if (!text_.empty() && text_.back() == '$') {
        std::size_t slashes = 0;
        while (slashes + 1 < text_.size() && text_[text_.size() - 2 - slashes] == '\\') ++slashes;
        if (slashes % 2 == 0) {
            out.at_end_ = true;
            text_.remove_suffix(1);
        }
    }
    const Node root = alternatives(0);
    if (!ok_ || !at_end()) return false;
    // In ^a|b$ an anchor belongs to one alternative only; a group around them all is no sequence
    // either.
    if (root.kind == Node::Kind::kAlternatives && (out.at_start_ || out.at_end_)) return false;
    const Fragment all = glushkov(root, out);
    if (!ok_) return false;
    out.nullable_ = all.nullable;
    out.first_ = all.first;
    out.last_ = all.last;
    choose_literals(root, out);
    return true;
}

}  // namespace millrace::matcher
