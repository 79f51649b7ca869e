// What: the vocabulary of the index. A subscription hangs on one necessary condition of its own,
//       its pivot (or on each of several of which one is necessary); an event asks for the values
//       it has and finds the entries that hang there, each with what remains to be checked.
// Threads: values. Lifetime: none. Limits: sizes below. Failure: none.
#pragma once

#include "core/field_table.h"
#include "core/ids.h"
#include "core/key_hash.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace millrace::matcher {

enum class PivotKind : std::uint8_t {
    kEquals,
    kPrefix,
    kSuffix,
    kContains,  // of the text as it is
    kEqualsFold,
    kPrefixFold,
    kSuffixFold,
    kContainsFold,  // of the folded text
    kCidr,          // the bits of a v4 block
    kRegex,         // the number of an expression that RegexBank asks
};

// Prefixes and suffixes are looked up by the lengths in use; these are the lengths that may be, so
// that a value costs at most this many probes. A longer literal is cut to the next one below and
// checked after.
inline constexpr std::array<std::uint8_t, 16> kPivotLengths = {1, 2,  3,  4,  5,  6,  7,  8,
                                                               9, 10, 12, 14, 16, 20, 24, 32};
// Index of the longest length that fits into `bytes`; bytes > 0.
inline unsigned length_index(std::size_t bytes) {
    unsigned i = 0;
    while (i + 1 < kPivotLengths.size() && kPivotLengths[i + 1] <= bytes) ++i;
    return i;
}
// A literal anywhere in a value is looked up by one run of its bytes, of the longest of these
// lengths: each length in use costs a pass over the value.
inline constexpr std::array<std::uint8_t, 4> kGramLengths = {1, 2, 4, 8};
inline constexpr std::size_t gram_bytes(std::size_t literal_bytes) {
    return literal_bytes >= 8 ? 8 : literal_bytes >= 4 ? 4 : literal_bytes >= 2 ? 2 : 1;
}

// What remains to be checked when the pivot was met.
enum class Residual : std::uint8_t {
    kNone,
    kNumber,   // one number against one bound, in the entry itself
    kLeaf,     // one condition
    kLeaves,   // several conditions
    kProgram,  // the whole predicate
};
// Where a number may lie, seen from the bound: one bit each, and the bit's number for a number met.
inline constexpr std::uint8_t kBelow = 1;
inline constexpr std::uint8_t kEqual = 2;
inline constexpr std::uint8_t kAbove = 4;
inline unsigned side_of(double number, double bound) {
    return static_cast<unsigned>(number >= bound) + static_cast<unsigned>(number > bound);
}
// Two conditions or more outside any `not`: where arrays were passed, their elements must combine.
inline constexpr std::uint8_t kCombines = 1;

struct Entry {
    std::uint32_t number = 0;  // of the subscription in the index
    core::SubscriptionId id;
    std::int32_t priority = 0;
    std::uint32_t what = 0;  // kNumber: slot; kLeaf: condition; kLeaves: number of the list
    Residual residual = Residual::kNone;
    std::uint8_t flags = 0;
    std::uint8_t accepts = 0;  // kNumber: bits of kBelow, kEqual, kAbove
    std::uint32_t leaf = 0;    // kNumber: the condition
    double bound = 0;          // kNumber
};
static_assert(sizeof(Entry) == 32);

// A place where entries hang.
struct PivotKey {
    std::uint32_t group = 0;
    std::uint32_t slot = 0;
    PivotKind kind = PivotKind::kEquals;
    core::FieldType type = core::FieldType::kString;
    std::string_view text;  // kString: the literal
    double number = 0;      // kNumber

    static PivotKey of_text(std::uint32_t group, std::uint32_t slot, PivotKind kind,
                            std::string_view text) {
        return {group, slot, kind, core::FieldType::kString, text, 0};
    }
};

inline std::uint64_t hash_of_place(std::uint32_t group, std::uint32_t slot, PivotKind kind,
                                   std::uint64_t value) {
    const std::uint64_t place = (std::uint64_t{group} << 32 | slot) * 0x9e3779b97f4a7c15ULL;
    return core::mix_u64(value ^ core::kHashSeedB,
                         (place + static_cast<std::uint64_t>(kind)) ^ core::kHashSeedA);
}

}  // namespace millrace::matcher
