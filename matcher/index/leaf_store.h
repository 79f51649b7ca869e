// What: conditions in the form that is asked while matching: interned (equal conditions are one),
//       each a small record with its operands in shared arrays.
// Threads: built by one thread; then read by any number.
// Lifetime: owns everything; goes with its index.
// Limits: 2^28 conditions, 4 GiB of operand text.
// Failure: add() refuses what Hyperscan refuses.
#pragma once

#include "core/field_plan.h"
#include "core/field_table.h"
#include "core/result.h"
#include "matcher/filter/predicate.h"
#include "matcher/index/eval_scratch.h"
#include "matcher/index/huge_vector.h"
#include "matcher/index/intern_table.h"

#include <compare>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::matcher {

using LeafId = std::uint32_t;

// The text ignoring case; valid until the next call.
std::string_view fold_for(std::string_view text, EvalScratch& scratch);

class RegexSet;

class LeafStore {
public:
    struct Operand {
        core::FieldType type = core::FieldType::kNull;
        bool number_is_short = false;
        std::uint32_t bytes = 0;
        std::uint32_t text = 0;  // offset into text_; kRegex: number of the regex
        double approx = 0;
    };
    static constexpr std::uint32_t kNoMemo = 0xffffffffu;
    struct Record {
        std::uint32_t slot = 0;
        Op op = Op::kExists;
        std::uint8_t flags = 0;
        std::uint16_t count = 0;
        std::uint32_t operands = 0;
        std::uint32_t memo = kNoMemo;  // number of the verdict that readers keep during one event
    };
    static_assert(sizeof(Record) == 16);
    static constexpr std::uint8_t kNegated = 1;
    static constexpr std::uint8_t kLowerInclusive = 2;
    static constexpr std::uint8_t kUpperInclusive = 4;
    // kEquals with many operands: they are sorted by hash.
    static constexpr std::uint8_t kSorted = 8;

    LeafStore();
    ~LeafStore();
    LeafStore(const LeafStore&) = delete;
    LeafStore& operator=(const LeafStore&) = delete;

    // `slot` is that of the leaf's path.
    core::Result<LeafId> add(const Leaf& leaf, std::uint32_t slot);
    // The same condition as in another store.
    core::Result<LeafId> add(const LeafStore& other, LeafId id);

    const Record& record(LeafId id) const { return records_[id]; }
    const Operand& operand(const Record& record, std::uint32_t i) const {
        return operands_[record.operands + i];
    }
    std::string_view text(const Operand& operand) const {
        return std::string_view(text_).substr(operand.text, operand.bytes);
    }

    // Does this value, a scalar, satisfy the condition? kExists takes any value.
    bool holds_for(const Record& record, const core::FieldValue& value, EvalScratch& scratch) const;
    // Does any value of the condition's slot?
    bool holds(LeafId id, const core::FieldTable& fields, EvalScratch& scratch) const {
        const Record& r = records_[id];
        if (r.op == Op::kEquals && r.count <= kPlainOperands) return equals_some(r, fields);
        for (const core::FieldValue* v = fields.first(r.slot); v; v = fields.next(*v)) {
            if (holds_for(r, *v, scratch)) return true;
        }
        return false;
    }

    // The runs between the stars of a kWildcard operand.
    std::vector<std::string_view> wildcard_pieces(const Operand& operand) const;

    void set_memo(LeafId id, std::uint32_t memo) { records_[id].memo = memo; }

    std::size_t size() const { return records_.size(); }
    std::size_t bytes() const;
    const RegexSet& regexes() const { return *regexes_; }
    // The builder's tables are needed no more.
    void seal();

private:
    // So few operands are compared where they are met: most conditions are such.
    static constexpr std::uint16_t kPlainOperands = 3;
    bool equals_some(const Record& record, const core::FieldTable& fields) const {
        const bool negated = (record.flags & kNegated) != 0;
        const Operand* first = operands_.data() + record.operands;
        for (const core::FieldValue* v = fields.first(record.slot); v; v = fields.next(*v)) {
            if (!v->is_scalar()) continue;
            bool found = false;
            for (std::uint16_t i = 0; i < record.count && !found; ++i) found = equals(first[i], *v);
            if (found != negated) return true;
        }
        return false;
    }
    bool equals(const Operand& operand, const core::FieldValue& value) const {
        if (operand.type != value.type) return false;
        if (operand.type == core::FieldType::kString) {
            return operand.bytes == value.bytes &&
                   std::memcmp(text_.data() + operand.text, value.data, value.bytes) == 0;
        }
        return operand.type != core::FieldType::kNumber || order_of(value, operand) == 0;
    }
    bool any_operand(const Record& record, const core::FieldValue& value,
                     EvalScratch& scratch) const;
    bool text_holds(const Record& record, std::string_view text, EvalScratch& scratch) const;
    bool in_range(const Record& record, const core::FieldValue& value) const;
    std::strong_ordering order_of(const core::FieldValue& value, const Operand& operand) const;
    bool equals_any(const Record& record, const core::FieldValue& value) const;
    bool wildcard_matches(std::string_view blob, std::string_view text) const;
    core::Status put_operand(Op op, const Scalar& scalar);
    std::uint32_t put_text(std::string_view text);
    LeafId intern(Record record, std::size_t text_before);
    std::uint64_t hash_of_record(const Record& record) const;
    bool same(const Record& a, const Record& b) const;

    HugeVector<Record> records_;
    HugeVector<Operand> operands_;
    std::string text_;
    std::unique_ptr<RegexSet> regexes_;
    InternTable by_hash_;
};

// Hash of a scalar value as equality sees it: 5 and 5.0 alike.
std::uint64_t hash_of_value(core::FieldType type, double approx, std::string_view text);

}  // namespace millrace::matcher
