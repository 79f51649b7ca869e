// What: a schema as flat instructions: what the compiler writes and the validator runs. Every
//       subschema is a run of instructions; what they need beside two numbers stands in tables.
// Threads: immutable once compiled; shared by all who validate.
// Lifetime: owns the schema's texts, which its tables point into.
// Limits: kSchemaBytesMax, kSchemaDepthMax, kSubschemasMax.
// Failure: none here.
#pragma once

#include "core/json_dom.h"
#include "matcher/filter/number.h"
#include "matcher/regex/regex.h"
#include "matcher/regex/simple_regex.h"
#include "runtime/schema/exact.h"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::schema {

inline constexpr std::size_t kSchemaBytesMax = 64u << 10;
inline constexpr std::size_t kSchemaDepthMax = 32;
inline constexpr std::size_t kSubschemasMax = 10'000;

using SubId = std::uint32_t;
inline constexpr SubId kNoSub = ~0u;

enum class Op : std::uint8_t {
    kNever,       // the schema false
    kTypes,       // a: bits of types
    kEnum,        // a, b: first and count in `values`
    kMultipleOf,  // a: in `divisors`
    kMaximum,     // a: in `values`; and the three like it
    kExclusiveMaximum,
    kMinimum,
    kExclusiveMinimum,
    kMaxLength,  // a: count; and the likes
    kMinLength,
    kPattern,  // a: in `regexes`
    kMaxItems,
    kMinItems,
    kUniqueItems,
    kMaxProperties,
    kMinProperties,
    kRequired,           // a, b: first and count in `names`
    kRequiredHere,       // the same; ObjectRules::required of this subschema says it as well
    kDependentRequired,  // a: name; b: in `lists`, of names
    kDependentSchema,    // a: name; b: subschema
    kRef,                // a: subschema
    kDynamicRef,         // a: subschema, b: name of the anchor in `names`
    kAllOf,              // a, b: first and count in `subs`
    kAnyOf,
    kOneOf,
    kNot,               // a: subschema
    kIf,                // a: in `subs`: if, then, else
    kProperties,        // a: in `objects`
    kPropertyNames,     // a: subschema
    kItems,             // a: in `arrays`
    kContains,          // a: in `counts`
    kUnevaluatedItems,  // a: subschema; these two stand last
    kUnevaluatedProperties,
};

struct Instruction {
    Op op = Op::kNever;
    std::uint32_t a = 0;
    std::uint32_t b = 0;
    std::uint32_t path = 0;  // in `paths`: where the keyword stands
};

struct Subschema {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::uint32_t resource = 0;  // whose $id it stands under
};

// Expressions that the quick automaton does not know go to Hyperscan, one thread at a time.
struct Expression {
    std::optional<matcher::SimpleRegex> simple;
    std::unique_ptr<matcher::Regex> general;
    std::unique_ptr<std::mutex> turn;

    bool found_in(std::string_view text) const {
        if (simple) return simple->found_in(text);
        std::lock_guard lock(*turn);
        return general->found_in(text);
    }
};

struct ObjectRules {
    std::vector<std::pair<std::string_view, SubId>> properties;  // by name
    std::vector<std::pair<std::uint32_t, SubId>> patterns;       // expression, subschema
    SubId additional = kNoSub;
    std::uint32_t additional_path = 0;
    std::vector<std::uint64_t> hashes;  // of the names of `properties`; empty: there are many
    std::uint64_t required = 0;         // bits by place in `properties`
};
inline constexpr std::size_t kHashedPropertiesMax = 64;

struct ArrayRules {
    std::vector<SubId> prefix;
    SubId rest = kNoSub;
};

struct ContainsRules {
    SubId sub = kNoSub;
    std::uint64_t min = 1;
    std::uint64_t max = ~std::uint64_t{0};
    bool evaluates = true;  // draft 7 knows nothing of what was evaluated
};

struct Program {
    std::vector<std::unique_ptr<core::JsonDom>> texts;
    std::vector<Instruction> code;
    std::vector<Subschema> subschemas;
    SubId root = kNoSub;
    bool tracks_evaluated = false;  // some unevaluated... is in it
    bool has_dynamic = false;       // some $dynamicRef is

    std::vector<std::string> paths;
    std::vector<core::JsonElement> values;
    std::vector<matcher::NumberView> numbers;  // the same, of those that are numbers
    std::vector<Divisor> divisors;
    std::vector<Expression> regexes;
    std::vector<std::string_view> names;
    std::vector<std::vector<std::string_view>> lists;
    std::vector<SubId> subs;
    std::vector<ObjectRules> objects;
    std::vector<ArrayRules> arrays;
    std::vector<ContainsRules> counts;
    // By resource: subschemas by the names that $dynamicAnchor gave them.
    std::vector<std::map<std::string_view, SubId>> dynamic_anchors;
};

using ProgramRef = std::shared_ptr<const Program>;

}  // namespace millrace::runtime::schema
