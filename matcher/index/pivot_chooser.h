// What: what a predicate can hang on: the necessary condition, or set of conditions of which one is
//       necessary, that fewest events are expected to meet.
// Threads: pure but for the statistics. Lifetime: borrows the stores.
// Limits: kPivotsMax places per subscription; lists beyond are not hung on.
// Failure: none; a predicate without such a condition has no pivots.
#pragma once

#include "matcher/filter/cidr.h"
#include "matcher/index/leaf_store.h"
#include "matcher/index/pivot.h"
#include "matcher/index/program.h"
#include "matcher/index/selectivity.h"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::matcher {

inline constexpr std::size_t kPivotsMax = 64;
inline constexpr LeafId kNoLeaf = 0xffffffffu;

struct PivotPoint {
    PivotKind kind = PivotKind::kEquals;
    core::FieldType type = core::FieldType::kString;
    std::uint32_t slot = 0;
    double number = 0;
    std::string text;
};

struct PivotChoice {
    enum class Form : std::uint8_t { kNone, kPoints, kRange };
    Form form = Form::kNone;
    double cost = 2;                 // expected share of events that meet it; above 1: none
    std::vector<PivotPoint> points;  // kPoints
    // kRange: the condition; kPoints: the condition met exactly, if any
    LeafId leaf = kNoLeaf;
};

class PivotChooser {
public:
    // `live` may be null: then variety alone says what is rare.
    PivotChooser(const LeafStore& leaves, const Selectivity* live);

    PivotChoice choose(const Token* program) const;

private:
    // How many different operands conditions of one kind have at a slot: the more, the rarer each.
    struct Variety {
        std::uint32_t equals = 0;
        std::uint32_t affixes = 0;
        std::uint32_t contains = 0;
        std::uint32_t ranges = 0;
    };
    // Of a program that is one condition there is nothing to choose; costs are not looked up.
    PivotChoice leaf(LeafId id) const;
    double equal_cost(const PivotPoint& point, double prior) const;
    double range_cost(const LeafStore::Record& record) const;
    PivotChoice equals(LeafId id, const LeafStore::Record& record) const;
    PivotChoice texts(LeafId id, const LeafStore::Record& record) const;
    PivotChoice cidr(const LeafStore::Record& record) const;
    PivotChoice any_of(const Token* first, std::uint32_t count) const;

    const LeafStore& leaves_;
    const Selectivity* live_;
    std::vector<Variety> variety_;
};

// The literal of a text condition to hang on, and whether meeting it is the whole condition. False
// when there is none.
struct TextPivot {
    PivotKind kind = PivotKind::kEquals;
    std::string text;
    bool is_exact = false;
};
bool text_pivot(Op op, std::string_view literal, TextPivot& out);
// The pivot of an expression without literals: its number.
TextPivot regex_pivot(std::uint32_t number);
// Wildcards: from the pieces between the stars.
bool wildcard_pivot(const std::vector<std::string_view>& pieces, bool fold, TextPivot& out);

// The pivot of a v4 block of so many bits around an address.
inline constexpr std::size_t kCidrLiteralBytes = 5;
std::string_view write_cidr_literal(const IpAddress& v4, unsigned bits, char* out);

}  // namespace millrace::matcher
