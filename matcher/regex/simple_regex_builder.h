// What: parses the simple regular expressions into a tree and makes their automaton and literals.
// Threads: one owner, one use. Lifetime: value. Limits: those of SimpleRegex.
// Failure: ok() is false when the expression is beyond SimpleRegex.
#pragma once

#include "matcher/regex/simple_regex.h"

#include <string>
#include <string_view>
#include <vector>

namespace millrace::matcher {

class SimpleRegexBuilder {
public:
    explicit SimpleRegexBuilder(std::string_view text) : text_(text) {}
    bool build(SimpleRegex& out);

private:
    using Class = SimpleRegex::Class;
    struct Node {
        enum class Kind : std::uint8_t { kClass, kConcat, kAlternatives, kRepeat };
        Kind kind = Kind::kConcat;
        Class chars;
        unsigned least = 0;
        unsigned most = 0;  // kUnbounded: any number
        std::vector<Node> children;
    };
    static constexpr unsigned kUnbounded = ~0u;
    struct Fragment {
        bool nullable = true;
        std::uint64_t first = 0;
        std::uint64_t last = 0;
    };
    // A stretch of the expression: one of a few texts, or something else.
    using Texts = std::vector<std::string>;

    bool refuse() {
        ok_ = false;
        return false;
    }
    bool at_end() const { return at_ >= text_.size(); }
    Node alternatives(unsigned depth);
    Node concat(unsigned depth);
    bool atom(Node& out, unsigned depth);
    bool repeat(Node& atom);
    bool number(unsigned& out);
    bool escape(Class& out);
    bool bracket(Class& out);
    static void add(Class& c, unsigned char from, unsigned char to);
    static void negate(Class& c);

    Fragment glushkov(const Node& node, SimpleRegex& out);
    Fragment join(const Fragment& a, const Fragment& b, SimpleRegex& out);
    void follow_all(std::uint64_t from, std::uint64_t to, SimpleRegex& out);

    static bool texts_of(const Node& node, Texts& out);
    static bool multiply(Texts& a, const Texts& b);
    void choose_literals(const Node& root, SimpleRegex& out) const;

    std::string_view text_;
    std::size_t at_ = 0;
    bool ok_ = true;
};

}  // namespace millrace::matcher
