// Predicates back to the expression form: what explain shows, and what the round-trip tests read
// again.
#include "core/json_writer.h"
#include "matcher/filter/text_scanner.h"
#include "matcher/subscription_spec.h"

#include <string>

namespace millrace::matcher {
namespace {

void append_quoted(std::string_view text, std::string& out) {
    out += '"';
    core::append_json_escaped(out, text);
    out += '"';
}

void append(const Scalar& scalar, std::string& out) {
    switch (scalar.type) {
        case Scalar::Type::kNull: out += "null"; break;
        case Scalar::Type::kFalse: out += "false"; break;
        case Scalar::Type::kTrue: out += "true"; break;
        case Scalar::Type::kNumber: out += scalar.text; break;
        case Scalar::Type::kString: append_quoted(scalar.text, out); break;
    }
}

bool is_shorthand(std::string_view name) {
    if (name.empty() || is_digit_char(name[0])) return false;
    for (std::size_t i = 0; i < name.size();) {
        const char c = name[i];
        const std::size_t length = utf8_length(name, i);
        if (length == 0 || (length == 1 && !is_alpha(c) && !is_digit_char(c) && c != '_'))
            return false;
        i += length;
    }
    return true;
}

void append(const Path& path, std::string& out) {
    out += '$';
    for (const PathStep& step : path.steps) {
        if (step.kind == PathStep::Kind::kIndex) {
            out += '[';
            out += std::to_string(step.index);
            out += ']';
        } else if (step.kind == PathStep::Kind::kWildcard) {
            out += "[*]";
        } else if (is_shorthand(step.name)) {
            out += '.';
            out += step.name;
        } else {
            out += '[';
            append_quoted(step.name, out);
            out += ']';
        }
    }
}

std::string_view word_of(Op op) {
    switch (op) {
        case Op::kEquals: return "in";
        case Op::kEqualsIgnoreCase: return "equalsIgnoreCase";
        case Op::kPrefix: return "startsWith";
        case Op::kPrefixIgnoreCase: return "startsWithIgnoreCase";
        case Op::kSuffix: return "endsWith";
        case Op::kSuffixIgnoreCase: return "endsWithIgnoreCase";
        case Op::kContains: return "contains";
        case Op::kContainsIgnoreCase: return "containsIgnoreCase";
        case Op::kWildcard: return "like";
        case Op::kWildcardIgnoreCase: return "likeIgnoreCase";
        case Op::kRegex: return "matches";
        case Op::kRange: return "range";
        case Op::kCidr: return "cidr";
        case Op::kExists: return "exists";
        case Op::kExistsLeaf: return "existsLeaf";
    }
    return "";
}

void append_range(const Leaf& leaf, std::string& out) {
    const Scalar& lower = leaf.operands[0];
    const Scalar& upper = leaf.operands[1];
    const bool open_below = lower.type == Scalar::Type::kNull;
    const bool open_above = upper.type == Scalar::Type::kNull;
    if (!leaf.negated && open_below != open_above) {
        out += open_below ? " <" : " >";
        if (leaf.lower_inclusive || leaf.upper_inclusive) out += '=';
        out += ' ';
        append(open_below ? upper : lower, out);
        return;
    }
    out += leaf.negated ? " not range " : " range ";
    out += leaf.lower_inclusive ? '[' : '(';
    if (open_below)
        out += '*';
    else
        append(lower, out);
    out += ", ";
    if (open_above)
        out += '*';
    else
        append(upper, out);
    out += leaf.upper_inclusive ? ']' : ')';
}

void append(const Leaf& leaf, std::string& out) {
    if (leaf.op == Op::kExists || leaf.op == Op::kExistsLeaf) {
        out += word_of(leaf.op);
        out += '(';
        append(leaf.path, out);
        out += ')';
        return;
    }
    append(leaf.path, out);
    if (leaf.op == Op::kRange) return append_range(leaf, out);
    const bool single = leaf.operands.size() == 1;
    if (leaf.op == Op::kEquals && single) {
        out += leaf.negated ? " != " : " == ";
    } else {
        out += leaf.negated ? " not " : " ";
        out += word_of(leaf.op);
        out += ' ';
    }
    if (!single) out += '[';
    for (const Scalar& operand : leaf.operands) {
        if (&operand != leaf.operands.data()) out += ", ";
        append(operand, out);
    }
    if (!single) out += ']';
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the predicate, which its parser bounded
void append(const Predicate& predicate, std::string& out) {
    switch (predicate.kind) {
        case Predicate::Kind::kTrue: out += "true"; return;
        case Predicate::Kind::kFalse: out += "false"; return;
        case Predicate::Kind::kLeaf: append(predicate.leaf, out); return;
        case Predicate::Kind::kNot: {
            const Predicate& child = predicate.children.front();
            const bool call = child.kind == Predicate::Kind::kLeaf &&
                              (child.leaf.op == Op::kExists || child.leaf.op == Op::kExistsLeaf);
            out += call ? "!" : "!(";
            append(child, out);
            if (!call) out += ')';
            return;
        }
        case Predicate::Kind::kAnd:
        case Predicate::Kind::kOr: break;
    }
    const bool conjunction = predicate.kind == Predicate::Kind::kAnd;
    for (const Predicate& child : predicate.children) {
        if (&child != predicate.children.data()) out += conjunction ? " && " : " || ";
        const bool group = conjunction && child.kind == Predicate::Kind::kOr;
        if (group) out += '(';
        append(child, out);
        if (group) out += ')';
    }
}

}  // namespace

std::string to_text(const Predicate& predicate) {
    std::string out;
    append(predicate, out);
    return out;
}

std::string to_text(const Leaf& leaf) {
    std::string out;
    append(leaf, out);
    return out;
}

std::string to_text(const Path& path) {
    std::string out;
    append(path, out);
    return out;
}

}  // namespace millrace::matcher
