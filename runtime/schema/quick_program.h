// What: a schema in the form that is quick to ask of a text whose tokens are known: one node a
//       subschema, everything that is asked of one value side by side, so that a value is walked
//       once. Made from a Program, which has the last word: what a node can not say it leaves open.
// Threads: immutable once made. Lifetime: borrows the program.
// Limits: kTrackedNamesMax names of an object that are required.
// Failure: none: what is beyond it is left open.
#pragma once

#include "core/key_hash.h"
#include "matcher/filter/number.h"
#include "matcher/regex/regex_table.h"
#include "runtime/schema/decimal.h"
#include "runtime/schema/program.h"
#include "runtime/schema/quick_order.h"
#include "runtime/schema/quick_word.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime::schema {

inline constexpr std::size_t kTrackedNamesMax = 64;

// Bits of kinds of values, in the order of the compiler's.
inline constexpr std::uint8_t kNullBit = 1, kBooleanBit = 2, kNumberBit = 4, kIntegerBit = 8,
                              kStringBit = 16, kArrayBit = 32, kObjectBit = 64, kEveryBit = 127;

struct Span {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
};

// A text in the form that is compared by words; 8 bytes behind a text that is held against it are
// readable.
struct QuickText {
    std::uint64_t head = 0;  // its first 8 bytes, zeros behind
    std::uint64_t tail = 0;  // its last 8, of those that have more
    const char* data = nullptr;
    std::uint32_t size = 0;

    static QuickText of(const char* data, std::size_t size) {
        QuickText out;
        out.data = data;
        out.size = static_cast<std::uint32_t>(size);
        const std::uint64_t word = core::load_u64(data);
        out.head = size >= 8 ? word : word & ((std::uint64_t{1} << size * 8) - 1);
        if (size > 8) out.tail = core::load_u64(data + size - 8);
        return out;
    }
    bool operator==(const QuickText& other) const {
        return head == other.head && size == other.size && tail == other.tail &&
               (size <= 16 || core::equal_bytes(data, other.data, size));
    }
};

struct QuickSlot {
    QuickText name;
    std::uint64_t bit = 0;  // of `required` and the like
    SubId sub = kNoSub;     // kNoSub: `properties` does not speak of it
    bool is_property = false;
    QuickName quoted;      // the name again, as it is held against one that is expected
    SubId asked = kNoSub;  // what its value must fit where names alone decide that
};

struct QuickObject {
    std::vector<QuickSlot> slots;  // by hash, a power of two of them; without a name: free
    std::uint64_t factor = 1;
    std::uint32_t shift = 63;
    std::uint64_t required = 0;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> dependent;  // a bit, those it asks for
    std::vector<std::pair<std::uint64_t, SubId>> dependent_subs;
    std::vector<std::pair<std::uint32_t, SubId>> patterns;  // expression, subschema
    SubId additional = kNoSub;
    SubId names = kNoSub;           // of propertyNames
    std::uint32_t names_asked = 0;  // of `required` and the like, each for itself
    std::uint32_t members_min = 0;
    std::uint32_t members_max = ~0u;
    bool by_name_alone = false;  // no expression is asked about names
    QuickOrder order;            // of places in `slots`

    const QuickSlot* find(const QuickText& name) const {
        const std::size_t mask = slots.size() - 1;
        for (std::size_t at = (name.head + name.tail * 3 + name.size) * factor >> shift;;
             at = (at + 1) & mask) {
            const QuickSlot& slot = slots[at];
            if (!slot.name.data) return nullptr;
            if (slot.name == name) return &slot;
        }
    }
};

struct QuickArray {
    std::vector<SubId> prefix;
    SubId rest = kNoSub;
    bool is_unique = false;
    std::uint32_t items_min = 0;
    std::uint32_t items_max = ~0u;
    std::vector<ContainsRules> contains;
};

struct QuickBound {
    Op op = Op::kMaximum;
    Decimal decimal;
    std::uint32_t number = 0;  // in Program::numbers
};

struct QuickEnum {
    std::uint8_t kinds = 0;     // of which it has values
    std::uint8_t booleans = 0;  // 1: false, 2: true
    Span texts;                 // in QuickProgram::texts
    Span numbers;
};

// The one question to which most schemas of a scalar come down, and what it needs; a value that
// does not pass it is asked in full.
enum class QuickAsk : std::uint8_t {
    kInFull,
    kKind,         // nothing but `types`
    kText,         // a string of some length
    kRun,          // the same, and: words[0] and its mask [1] begin it, then from [4] to [5]
                   // characters from [2] to [3]; [6]: bytes of the beginning
    kChoice,       // a string: pairs of a word and its mask, the quote behind the text included
    kNotNegative,  // a number
    kWhole,        // a whole number from words[0] to [1]
};
inline constexpr std::size_t kChoicesMax = 4;

// What is asked of each value stands together.
struct alignas(64) QuickNode {
    std::uint8_t types = kEveryBit;  // that fit
    std::uint8_t open = 0;           // kinds of values about which it says nothing
    QuickAsk ask = QuickAsk::kInFull;
    std::uint32_t cost = 1;  // steps of the validator for this value alone, at most
    std::uint32_t length_min = 0;
    std::uint32_t length_max = ~0u;
    Span patterns;  // in QuickProgram::patterns
    Span bounds;
    Span divisors;  // in Program::divisors
    Span enums;
    Span steps;  // what asks other subschemas about the same value
    std::uint32_t object = ~0u;
    std::uint32_t array = ~0u;
    std::array<std::uint64_t, 2 * kChoicesMax> words{};  // of `ask`
};

struct QuickPattern {
    std::optional<matcher::RegexTable> table;
    std::optional<matcher::CharRun> run;
    std::uint32_t expression = 0;  // in Program::regexes

    bool found_in(const Program& program, std::string_view text) const {
        return table ? table->found_in(text) : program.regexes[expression].found_in(text);
    }
};

static_assert(sizeof(QuickNode) == 128);

class QuickProgram {
public:
    explicit QuickProgram(const Program& program);

    const Program& program;
    std::vector<QuickNode> nodes;  // as Program::subschemas
    std::vector<QuickObject> objects;
    std::vector<QuickArray> arrays;
    std::vector<QuickEnum> enums;
    std::vector<QuickBound> bounds;
    std::vector<std::uint32_t> divisors;
    std::vector<std::uint32_t> patterns;    // in `expressions`
    std::vector<QuickPattern> expressions;  // as Program::regexes
    std::vector<QuickText> texts;
    std::vector<QuickBound> numbers;  // of enums
    std::vector<Instruction> steps;
    // Where something that does not fit may still leave the whole fitting, the validator may have
    // done more than is seen here before it found that out: so many steps for each value, at most.
    // 0: nothing is like that.
    std::uint64_t steps_a_value = 0;
};

}  // namespace millrace::runtime::schema
