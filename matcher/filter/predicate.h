// What: the ONE form that every filter dialect compiles to: a tree of and, or, not over conditions
//       {path, op, operands}. matcher/README.md has the semantics in one table; in short:
//       - A path leads from the envelope to nodes. An array on the way is passed through (any
//         element).
//       - A condition looks at the scalars at its path, elements of arrays included, and holds when
//         any of them satisfies it. No scalar there: it does not hold, negated or not.
//       - Conditions under one `and` hold together only where the arrays passed on the way to a
//         further step give the same element: fields of different elements never combine. The array
//         whose elements are the scalars themselves does not bind (tags = a && tags = b is
//         satisfiable), nor does an explicit subscript [n].
//       - `not` is the plain complement of its subtree and a scope of its own: true when no choice
//         of elements makes the subtree true, whatever was chosen outside.
// Threads: values; read from any thread while nobody writes.
// Lifetime: owns everything.
// Limits: matcher/filter/limits.h; the parsers enforce them, this form does not.
// Failure: none.
#pragma once

#include "matcher/filter/number.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::matcher {

// One step of a path.
struct PathStep {
    enum class Kind : std::uint8_t {
        kName,      // member `name` of an object; of each object in an array
        kIndex,     // element `index` of an array, from the end when negative
        kWildcard,  // every element of an array or member of an object; binds like an array
    };
    Kind kind = Kind::kName;
    std::string name;
    std::int64_t index = 0;

    bool operator==(const PathStep&) const = default;
};

// A path from the envelope's root. The first step is always a name and always a member of the
// envelope (eventId, pattern, version, source, timestamp, payload, metadata, partitionKey,
// priority, scheduledAt, tenantId, x-...): the parsers have resolved `$.amount` to payload.amount.
struct Path {
    std::vector<PathStep> steps;

    bool operator==(const Path&) const = default;
};

// A JSON scalar as an operand.
struct Scalar {
    enum class Type : std::uint8_t { kNull, kFalse, kTrue, kNumber, kString };
    Type type = Type::kNull;
    bool number_is_short = true;  // NumberView::is_short
    double number_approx = 0;     // NumberView::approx
    std::string text;             // bytes of the string, digits of the number; else empty

    static Scalar null() { return {}; }
    static Scalar boolean(bool value);
    static Scalar string(std::string_view value);
    static Scalar number(std::string_view digits);  // digits: a JSON number

    bool is_number() const { return type == Type::kNumber; }
    bool is_string() const { return type == Type::kString; }
    NumberView number_view() const { return {number_approx, number_is_short, text}; }
};

// Same type and same value; numbers as numbers.
bool operator==(const Scalar& a, const Scalar& b);

enum class Op : std::uint8_t {
    kExists,  // any node at the path: scalar (null too), object, array (empty too). No operands.
    kExistsLeaf,  // any scalar at the path (event-ruler's exists). No operands.
    kEquals,      // equal to one of the operands (so also `in`); typed: "5" is not 5
    // From here to kRegex: the scalar is a string and satisfies one of the operands, all strings.
    // "IgnoreCase" operands are stored folded (case_fold.h); the scalar is folded, then compared.
    kEqualsIgnoreCase,
    kPrefix,
    kPrefixIgnoreCase,
    kSuffix,
    kSuffixIgnoreCase,
    kContains,
    kContainsIgnoreCase,
    kWildcard,  // `*` any run of bytes, `\*` and `\\` themselves; anchored at both ends
    kWildcardIgnoreCase,
    kRegex,  // found anywhere in the string; dialect and flags: regex.h
    // The scalar is between operands[0] and operands[1]: both numbers, or both strings compared as
    // bytes. An operand of type kNull is an open end.
    kRange,
    kCidr,  // the scalar is a string holding an IP address inside one of the operands (cidr.h)
};

struct Leaf {
    Path path;
    Op op = Op::kExists;
    // Value-level negation (notEquals, notIn, anything-but): some scalar at the path exists that
    // does NOT satisfy op with any operand. Not the same as a kNot above: absent stays false.
    bool negated = false;
    bool lower_inclusive = false;  // kRange
    bool upper_inclusive = false;  // kRange
    std::vector<Scalar> operands;

    bool operator==(const Leaf&) const = default;
};

struct Predicate {
    enum class Kind : std::uint8_t { kTrue, kFalse, kAnd, kOr, kNot, kLeaf };
    Kind kind = Kind::kTrue;
    std::vector<Predicate> children;  // kAnd, kOr: two or more; kNot: one
    Leaf leaf;                        // kLeaf

    static Predicate always() { return {}; }
    static Predicate never();
    static Predicate of(Leaf leaf);
    static Predicate negation(Predicate child);
    // Flattens nested nodes of the same kind, drops neutral elements, unwraps a single child.
    static Predicate all_of(std::vector<Predicate> children);
    static Predicate any_of(std::vector<Predicate> children);

    bool operator==(const Predicate&) const = default;
};

// What a subscription says about the event's own `pattern`.
struct PatternPredicate {
    enum class Kind : std::uint8_t { kAny, kExact, kPrefix, kSuffix, kWildcard, kRegex };
    Kind kind = Kind::kAny;
    std::string value;

    bool operator==(const PatternPredicate&) const = default;
};

// Hashes agree with the == above (5 and 5.0 hash alike).
std::uint64_t hash_of(const Path& path);
std::uint64_t hash_of(const Scalar& scalar);
std::uint64_t hash_of(const Leaf& leaf);
std::uint64_t hash_of(const Predicate& predicate);
std::uint64_t hash_of(const PatternPredicate& pattern);

// Number of conditions in the tree.
std::size_t leaf_count(const Predicate& predicate);

}  // namespace millrace::matcher
