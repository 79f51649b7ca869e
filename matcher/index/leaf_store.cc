#include "matcher/index/leaf_store.h"

#include "core/key_hash.h"
#include "matcher/filter/case_fold.h"
#include "matcher/filter/cidr.h"
#include "matcher/filter/wildcard.h"
#include "matcher/regex/regex_set.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

namespace millrace::matcher {

namespace {

using core::FieldType;
using core::FieldValue;

FieldType type_of(Scalar::Type type) {
    switch (type) {
        case Scalar::Type::kNull: return FieldType::kNull;
        case Scalar::Type::kFalse: return FieldType::kFalse;
        case Scalar::Type::kTrue: return FieldType::kTrue;
        case Scalar::Type::kNumber: return FieldType::kNumber;
        case Scalar::Type::kString: return FieldType::kString;
    }
    return FieldType::kNull;
}

bool ignores_case(Op op) {
    return op == Op::kEqualsIgnoreCase || op == Op::kPrefixIgnoreCase ||
           op == Op::kSuffixIgnoreCase || op == Op::kContainsIgnoreCase ||
           op == Op::kWildcardIgnoreCase;
}

NumberView number_of(const FieldValue& value) {
    return {value.number_approx, value.number_is_short, value.text()};
}

// Above this many operands equality searches them by hash.
constexpr std::uint32_t kSearchedOperands = 8;

// A wildcard as a run of pieces: two bytes of length, then the piece.
std::string wildcard_blob(const Wildcard& wildcard) {
    std::string blob;
    for (const std::string& piece : wildcard.pieces) {
        blob += static_cast<char>(piece.size() & 0xff);
        blob += static_cast<char>(piece.size() >> 8);
        blob += piece;
    }
    return blob;
}

std::string_view take_piece(std::string_view& blob) {
    const auto bytes = static_cast<std::size_t>(static_cast<unsigned char>(blob[0])) |
                       static_cast<std::size_t>(static_cast<unsigned char>(blob[1])) << 8;
    const std::string_view piece = blob.substr(2, bytes);
    blob.remove_prefix(2 + bytes);
    return piece;
}

}  // namespace

std::uint64_t hash_of_value(FieldType type, double approx, std::string_view text) {
    switch (type) {
        case FieldType::kNumber:
            return core::mix_u64(std::bit_cast<std::uint64_t>(approx) ^ core::kHashSeedA,
                                 core::kHashSeedB);
        case FieldType::kString: return core::hash_key(text);
        default:
            return core::mix_u64((static_cast<std::uint64_t>(type) + 1) * 0x9e3779b97f4a7c15ULL,
                                 core::kHashSeedB);
    }
}

std::string_view fold_for(std::string_view text, EvalScratch& scratch) {
    if (is_folded_ascii(text)) return text;
    if (scratch.folded_of != text.data()) {
        scratch.folded_of = text.data();
        scratch.folded.clear();
        append_folded(text, scratch.folded);
    }
    return scratch.folded;
}

LeafStore::LeafStore() : regexes_(std::make_unique<RegexSet>()) {}
LeafStore::~LeafStore() = default;

std::uint32_t LeafStore::put_text(std::string_view text) {
    const auto at = static_cast<std::uint32_t>(text_.size());
    text_ += text;
    return at;
}

core::Status LeafStore::put_operand(Op op, const Scalar& scalar) {
    Operand operand;
    operand.type = type_of(scalar.type);
    operand.number_is_short = scalar.number_is_short;
    operand.approx = scalar.is_number() ? scalar.number_approx : 0;
    std::string_view text = scalar.text;
    std::string blob;
    if (op == Op::kWildcard || op == Op::kWildcardIgnoreCase) {
        auto wildcard = parse_wildcard(scalar.text);
        if (!wildcard) return core::fail(std::move(wildcard.error()));
        text = blob = wildcard_blob(*wildcard);
    } else if (op == Op::kCidr) {
        CidrBlock block;
        if (!parse_cidr(scalar.text, block)) {
            return core::fail(core::ErrorCode::kValidation,
                              "cidr: expected an address block like 10.0.0.0/8");
        }
        blob.assign(sizeof(CidrBlock), '\0');
        std::memcpy(blob.data(), &block, sizeof block);
        text = blob;
    } else if (op == Op::kRegex) {
        auto number = regexes_->add(scalar.text);
        if (!number) return core::fail(std::move(number.error()));
        operand.text = *number;
        operands_.push_back(operand);
        return {};
    } else if (scalar.is_number() && scalar.number_is_short) {
        text = {};  // the double says all
    }
    operand.bytes = static_cast<std::uint32_t>(text.size());
    operand.text = put_text(text);
    operands_.push_back(operand);
    return {};
}

core::Result<LeafId> LeafStore::add(const Leaf& leaf, std::uint32_t slot) {
    Record record;
    record.slot = slot;
    record.op = leaf.op;
    record.flags = static_cast<std::uint8_t>((leaf.negated ? kNegated : 0) |
                                             (leaf.lower_inclusive ? kLowerInclusive : 0) |
                                             (leaf.upper_inclusive ? kUpperInclusive : 0));
    record.operands = static_cast<std::uint32_t>(operands_.size());
    const std::size_t text_before = text_.size();
    for (const Scalar& scalar : leaf.operands) {
        if (core::Status put = put_operand(leaf.op, scalar); !put) {
            operands_.resize(record.operands);
            text_.resize(text_before);
            return core::fail(std::move(put.error()));
        }
    }
    return intern(record, text_before);
}

core::Result<LeafId> LeafStore::add(const LeafStore& other, LeafId id) {
    Record record = other.records_[id];
    record.memo = kNoMemo;
    const std::uint32_t theirs = record.operands;
    record.operands = static_cast<std::uint32_t>(operands_.size());
    const std::size_t text_before = text_.size();
    for (std::uint32_t i = 0; i < record.count; ++i) {
        Operand operand = other.operands_[theirs + i];
        if (record.op == Op::kRegex) {
            operand.text = regexes_->add(*other.regexes_, operand.text);
        } else {
            operand.text = put_text(other.text(operand));
        }
        operands_.push_back(operand);
    }
    return intern(record, text_before);
}

// The operands of `record` are the last ones. Takes them away again when an equal condition is
// there.
LeafId LeafStore::intern(Record record, std::size_t text_before) {
    record.count = static_cast<std::uint16_t>(operands_.size() - record.operands);
    if (record.op == Op::kEquals && record.count > kSearchedOperands) {
        record.flags |= kSorted;
        std::sort(operands_.begin() + record.operands, operands_.end(),
                  [this](const auto& a, const auto& b) {
                      return hash_of_value(a.type, a.approx, text(a)) <
                             hash_of_value(b.type, b.approx, text(b));
                  });
    }
    const std::uint64_t hash = hash_of_record(record);
    const std::uint32_t found =
        by_hash_.find(hash, [&](std::uint32_t id) { return same(records_[id], record); });
    if (found != InternTable::kNone) {
        operands_.resize(record.operands);
        text_.resize(text_before);
        return found;
    }
    records_.push_back(record);
    const auto id = static_cast<LeafId>(records_.size() - 1);
    by_hash_.insert(hash, id);
    return id;
}

std::uint64_t LeafStore::hash_of_record(const Record& record) const {
    std::uint64_t hash =
        core::mix_u64((std::uint64_t{record.slot} << 16) | std::uint64_t{record.flags} << 8 |
                          static_cast<std::uint64_t>(record.op),
                      core::kHashSeedA ^ record.count);
    for (std::uint32_t i = 0; i < record.count; ++i) {
        const Operand& o = operand(record, i);
        const std::uint64_t value =
            record.op == Op::kRegex ? o.text : hash_of_value(o.type, o.approx, text(o));
        hash = core::mix_u64(hash ^ core::kHashSeedB, value + 0x9e3779b97f4a7c15ULL);
    }
    return hash;
}

bool LeafStore::same(const Record& a, const Record& b) const {
    if (a.slot != b.slot || a.op != b.op || a.flags != b.flags || a.count != b.count) return false;
    for (std::uint32_t i = 0; i < a.count; ++i) {
        const Operand& x = operand(a, i);
        const Operand& y = operand(b, i);
        if (a.op == Op::kRegex) {
            if (x.text != y.text) return false;
            continue;
        }
        if (x.type != y.type || x.number_is_short != y.number_is_short || text(x) != text(y))
            return false;
        if (x.type == FieldType::kNumber && x.approx != y.approx) return false;
    }
    return true;
}

std::strong_ordering LeafStore::order_of(const FieldValue& value, const Operand& operand) const {
    // Rounding keeps the order: nearest doubles that differ have decided.
    if (value.number_approx < operand.approx) return std::strong_ordering::less;
    if (value.number_approx > operand.approx) return std::strong_ordering::greater;
    if (value.number_is_short || !operand.number_is_short) {
        return compare(number_of(value), {operand.approx, operand.number_is_short, text(operand)});
    }
    // A short operand keeps no digits, but 15 of its double's are its own.
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), operand.approx,
                                   std::chars_format::scientific, 14);
    const std::string_view text(digits.data(), static_cast<std::size_t>(end.ptr - digits.data()));
    return compare(number_of(value), {operand.approx, operand.number_is_short, text});
}

bool LeafStore::equals_any(const Record& record, const FieldValue& value) const {
    const Operand* first = operands_.data() + record.operands;
    const Operand* last = first + record.count;
    if ((record.flags & kSorted) == 0) {
        return std::any_of(first, last, [&](const Operand& o) { return equals(o, value); });
    }
    const auto hash_of_operand = [this](const Operand& o) {
        return hash_of_value(o.type, o.approx, text(o));
    };
    const std::uint64_t hash = hash_of_value(value.type, value.number_approx, value.text());
    first = std::lower_bound(first, last, hash, [&](const Operand& o, std::uint64_t h) {
        return hash_of_operand(o) < h;
    });
    for (; first != last && hash_of_operand(*first) == hash; ++first) {
        if (equals(*first, value)) return true;
    }
    return false;
}

bool LeafStore::in_range(const Record& record, const FieldValue& value) const {
    const auto ordered = [&](const Operand& bound, bool is_lower, bool inclusive) {
        if (bound.type == FieldType::kNull) return true;
        if (bound.type != value.type) return false;
        const std::strong_ordering order = value.type == FieldType::kNumber
                                               ? order_of(value, bound)
                                               : value.text().compare(text(bound)) <=> 0;
        if (order == 0) return inclusive;
        return is_lower ? order > 0 : order < 0;
    };
    return ordered(operand(record, 0), true, (record.flags & kLowerInclusive) != 0) &&
           ordered(operand(record, 1), false, (record.flags & kUpperInclusive) != 0);
}

bool LeafStore::wildcard_matches(std::string_view blob, std::string_view text) const {
    const std::string_view first = take_piece(blob);
    if (blob.empty()) return text == first;
    if (!text.starts_with(first)) return false;
    text.remove_prefix(first.size());
    for (;;) {
        const std::string_view piece = take_piece(blob);
        if (blob.empty()) return text.size() >= piece.size() && text.ends_with(piece);
        const std::size_t at = text.find(piece);
        if (at == std::string_view::npos) return false;
        text.remove_prefix(at + piece.size());
    }
}

std::vector<std::string_view> LeafStore::wildcard_pieces(const Operand& operand) const {
    std::vector<std::string_view> pieces;
    for (std::string_view blob = text(operand); !blob.empty();) pieces.push_back(take_piece(blob));
    return pieces;
}

bool LeafStore::text_holds(const Record& record, std::string_view value,
                           EvalScratch& scratch) const {
    const Operand* first = operands_.data() + record.operands;
    const auto any = [&](auto test) { return std::any_of(first, first + record.count, test); };
    switch (record.op) {
        case Op::kEqualsIgnoreCase: return any([&](const Operand& o) { return value == text(o); });
        case Op::kPrefix:
        case Op::kPrefixIgnoreCase:
            return any([&](const Operand& o) { return value.starts_with(text(o)); });
        case Op::kSuffix:
        case Op::kSuffixIgnoreCase:
            return any([&](const Operand& o) { return value.ends_with(text(o)); });
        case Op::kContains:
        case Op::kContainsIgnoreCase:
            return any(
                [&](const Operand& o) { return value.find(text(o)) != std::string_view::npos; });
        case Op::kWildcard:
        case Op::kWildcardIgnoreCase:
            return any([&](const Operand& o) { return wildcard_matches(text(o), value); });
        case Op::kRegex:
            return any(
                [&](const Operand& o) { return regexes_->found_in(o.text, value, scratch); });
        case Op::kCidr: {
            IpAddress ip;
            if (!parse_ip(value, ip)) return false;
            return any([&](const Operand& o) {
                CidrBlock block;
                std::memcpy(&block, text(o).data(), sizeof block);
                return block.contains(ip);
            });
        }
        default: return false;
    }
}

bool LeafStore::any_operand(const Record& record, const FieldValue& value,
                            EvalScratch& scratch) const {
    switch (record.op) {
        case Op::kExists:
        case Op::kExistsLeaf: return true;
        case Op::kRange: return in_range(record, value);
        case Op::kEquals: return equals_any(record, value);
        default: break;
    }
    if (value.type != FieldType::kString) return false;
    return text_holds(
        record, ignores_case(record.op) ? fold_for(value.text(), scratch) : value.text(), scratch);
}

bool LeafStore::holds_for(const Record& record, const FieldValue& value,
                          EvalScratch& scratch) const {
    if (record.op == Op::kExists) return true;
    if (!value.is_scalar()) return false;
    return any_operand(record, value, scratch) != ((record.flags & kNegated) != 0);
}

std::size_t LeafStore::bytes() const {
    return records_.capacity() * sizeof(Record) + operands_.capacity() * sizeof(Operand) +
           text_.capacity() + by_hash_.bytes() + regexes_->bytes();
}

void LeafStore::seal() {
    by_hash_.clear();
    records_.shrink_to_fit();
    operands_.shrink_to_fit();
    text_.shrink_to_fit();
}

}  // namespace millrace::matcher
