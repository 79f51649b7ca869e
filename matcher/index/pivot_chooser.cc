#include "matcher/index/pivot_chooser.h"

#include "matcher/filter/cidr.h"
#include "matcher/regex/regex_set.h"

#include <algorithm>

namespace millrace::matcher {

namespace {

PivotKind folded_kind(PivotKind kind, bool fold) {
    return fold ? static_cast<PivotKind>(static_cast<unsigned>(kind) + 4) : kind;
}

bool is_fold(Op op) {
    return op == Op::kEqualsIgnoreCase || op == Op::kPrefixIgnoreCase ||
           op == Op::kSuffixIgnoreCase || op == Op::kContainsIgnoreCase ||
           op == Op::kWildcardIgnoreCase;
}

// The run of a literal to look for: its end, which in practice differs more than its beginning.
std::string_view gram_of(std::string_view literal) {
    return literal.substr(literal.size() - gram_bytes(literal.size()));
}

// Shares of events, where nothing better is known.
constexpr double kLiteralShare = 0.5;  // true, false, null
constexpr double kRangeShare = 0.4;
constexpr double kRegexShare = 0.45;  // of an expression without literals; a scan besides
constexpr double kVarietyMin = 4;

double share(double hits, std::uint32_t variety) {
    return std::min(1.0, hits / std::max(kVarietyMin, static_cast<double>(variety)));
}

}  // namespace

bool text_pivot(Op op, std::string_view literal, TextPivot& out) {
    if (literal.empty() && op != Op::kEquals && op != Op::kEqualsIgnoreCase) return false;
    const bool fold = is_fold(op);
    switch (op) {
        case Op::kEquals:
        case Op::kEqualsIgnoreCase: out = {PivotKind::kEquals, std::string(literal), true}; break;
        case Op::kPrefix:
        case Op::kPrefixIgnoreCase: {
            const std::size_t bytes = kPivotLengths[length_index(literal.size())];
            out = {PivotKind::kPrefix, std::string(literal.substr(0, bytes)),
                   bytes == literal.size()};
            break;
        }
        case Op::kSuffix:
        case Op::kSuffixIgnoreCase: {
            const std::size_t bytes = kPivotLengths[length_index(literal.size())];
            out = {PivotKind::kSuffix, std::string(literal.substr(literal.size() - bytes)),
                   bytes == literal.size()};
            break;
        }
        case Op::kContains:
        case Op::kContainsIgnoreCase: {
            const std::string_view gram = gram_of(literal);
            out = {PivotKind::kContains, std::string(gram), gram.size() == literal.size()};
            break;
        }
        default: return false;
    }
    out.kind = folded_kind(out.kind, fold);
    return true;
}

TextPivot regex_pivot(std::uint32_t number) {
    TextPivot pivot{PivotKind::kRegex, std::string(sizeof number, '\0'), true};
    std::memcpy(pivot.text.data(), &number, sizeof number);
    return pivot;
}

bool wildcard_pivot(const std::vector<std::string_view>& pieces, bool fold, TextPivot& out) {
    const Op prefix = fold ? Op::kPrefixIgnoreCase : Op::kPrefix;
    const Op suffix = fold ? Op::kSuffixIgnoreCase : Op::kSuffix;
    const Op contains = fold ? Op::kContainsIgnoreCase : Op::kContains;
    if (pieces.size() == 1)
        return text_pivot(fold ? Op::kEqualsIgnoreCase : Op::kEquals, pieces[0], out);
    std::string_view longest;
    for (std::size_t i = 1; i + 1 < pieces.size(); ++i) {
        if (pieces[i].size() > longest.size()) longest = pieces[i];
    }
    const std::string_view first = pieces.front();
    const std::string_view last = pieces.back();
    bool found = false;
    // One probe finds an affix, a run costs one for each byte of the value: twice as long or not at
    // all.
    if (first.size() >= last.size() && first.size() * 2 >= longest.size()) {
        found = text_pivot(prefix, first, out);
        out.is_exact = out.is_exact && last.empty() && pieces.size() == 2;
    } else if (last.size() * 2 >= longest.size()) {
        found = text_pivot(suffix, last, out);
        out.is_exact = out.is_exact && first.empty() && pieces.size() == 2;
    } else {
        found = text_pivot(contains, longest, out);
        out.is_exact = out.is_exact && first.empty() && last.empty() && pieces.size() == 3;
    }
    return found;
}

PivotChooser::PivotChooser(const LeafStore& leaves, const Selectivity* live)
    : leaves_(leaves), live_(live) {
    for (LeafId id = 0; id < leaves.size(); ++id) {
        const LeafStore::Record& record = leaves.record(id);
        if (record.slot >= variety_.size()) variety_.resize(record.slot + 1);
        Variety& variety = variety_[record.slot];
        switch (record.op) {
            case Op::kEquals:
            case Op::kEqualsIgnoreCase: variety.equals += record.count; break;
            case Op::kContains:
            case Op::kContainsIgnoreCase:
            case Op::kRegex: variety.contains += record.count; break;
            case Op::kRange: variety.ranges += 1; break;
            default: variety.affixes += record.count; break;
        }
    }
}

double PivotChooser::equal_cost(const PivotPoint& point, double prior) const {
    if (!live_) return prior;
    return live_->equal(point.slot, hash_of_value(point.type, point.number, point.text), prior);
}

double PivotChooser::range_cost(const LeafStore::Record& record) const {
    const LeafStore::Operand& lower = leaves_.operand(record, 0);
    const LeafStore::Operand& upper = leaves_.operand(record, 1);
    const bool two = lower.type != core::FieldType::kNull && upper.type != core::FieldType::kNull;
    const double prior = two ? kRangeShare / 2 : kRangeShare;
    if (!live_ || lower.type == core::FieldType::kString || upper.type == core::FieldType::kString)
        return prior;
    Bounds bounds;
    if (lower.type == core::FieldType::kNumber) bounds.lower = lower.approx;
    if (upper.type == core::FieldType::kNumber) bounds.upper = upper.approx;
    return live_->range(record.slot, bounds, prior);
}

PivotChoice PivotChooser::equals(LeafId id, const LeafStore::Record& record) const {
    PivotChoice choice;
    if (record.count == 0 || record.count > kPivotsMax) return choice;
    choice.form = PivotChoice::Form::kPoints;
    choice.leaf = id;
    choice.cost = 0;
    for (std::uint32_t i = 0; i < record.count; ++i) {
        const LeafStore::Operand& operand = leaves_.operand(record, i);
        PivotPoint point;
        point.slot = record.slot;
        point.type = operand.type;
        if (operand.type == core::FieldType::kString) {
            point.text = leaves_.text(operand);
        } else if (operand.type == core::FieldType::kNumber) {
            point.number = operand.approx;
            if (!operand.number_is_short) choice.leaf = kNoLeaf;  // the digits must be compared
        }
        const bool rare =
            operand.type == core::FieldType::kString || operand.type == core::FieldType::kNumber;
        choice.cost +=
            equal_cost(point, rare ? share(1, variety_[record.slot].equals) : kLiteralShare);
        choice.points.push_back(std::move(point));
    }
    return choice;
}

PivotChoice PivotChooser::texts(LeafId id, const LeafStore::Record& record) const {
    PivotChoice choice;
    if (record.count == 0 || record.count > kPivotsMax) return choice;
    choice.leaf = id;
    choice.cost = 0;
    const Variety& variety = variety_[record.slot];
    for (std::uint32_t i = 0; i < record.count; ++i) {
        const LeafStore::Operand& operand = leaves_.operand(record, i);
        std::vector<TextPivot> pivots(1);
        bool found = false;
        if (record.op == Op::kRegex) {
            found = leaves_.regexes().pivots(operand.text, pivots);
            if (!found) pivots.assign(1, regex_pivot(operand.text));
            found = true;
        } else if (record.op == Op::kWildcard || record.op == Op::kWildcardIgnoreCase) {
            found = wildcard_pivot(leaves_.wildcard_pieces(operand), is_fold(record.op), pivots[0]);
        } else {
            found = text_pivot(record.op, leaves_.text(operand), pivots[0]);
        }
        if (!found) return {};
        for (TextPivot& pivot : pivots) {
            if (!pivot.is_exact) choice.leaf = kNoLeaf;
            const bool gram =
                pivot.kind == PivotKind::kContains || pivot.kind == PivotKind::kContainsFold;
            const bool equal =
                pivot.kind == PivotKind::kEquals || pivot.kind == PivotKind::kEqualsFold;
            const double prior = pivot.kind == PivotKind::kRegex ? kRegexShare
                                 : gram  ? share(3, variety.contains + variety.affixes)
                                 : equal ? share(1, variety.equals)
                                         : share(1.5, variety.affixes + variety.contains);
            choice.cost += live_ && pivot.kind != PivotKind::kRegex
                               ? live_->part(record.slot, pivot.kind, pivot.text, prior)
                               : prior;
            choice.points.push_back(
                {pivot.kind, core::FieldType::kString, record.slot, 0, std::move(pivot.text)});
        }
        if (choice.points.size() > kPivotsMax) return {};
    }
    choice.form = PivotChoice::Form::kPoints;
    return choice;
}

PivotChoice PivotChooser::leaf(LeafId id) const {
    const LeafStore::Record& record = leaves_.record(id);
    PivotChoice choice;
    if ((record.flags & LeafStore::kNegated) != 0) return choice;
    switch (record.op) {
        case Op::kEquals: return equals(id, record);
        case Op::kRange: {
            choice.form = PivotChoice::Form::kRange;
            choice.cost = range_cost(record);
            choice.leaf = id;
            return choice;
        }
        case Op::kExists:
        case Op::kExistsLeaf: return choice;
        case Op::kCidr: return cidr(record);
        default: return texts(id, record);
    }
}

PivotChoice PivotChooser::cidr(const LeafStore::Record& record) const {
    PivotChoice choice;
    choice.cost = 0;
    for (std::uint32_t i = 0; i < record.count; ++i) {
        CidrBlock block;
        std::memcpy(&block, leaves_.text(leaves_.operand(record, i)).data(), sizeof block);
        if (block.address.is_v6 || record.count > kPivotsMax) return {};
        PivotPoint point;
        point.kind = PivotKind::kCidr;
        point.slot = record.slot;
        char bytes[kCidrLiteralBytes];
        point.text = write_cidr_literal(block.address, block.prefix_bits, bytes);
        choice.cost += share(1.5, variety_[record.slot].affixes);
        choice.points.push_back(std::move(point));
    }
    choice.form = PivotChoice::Form::kPoints;
    return choice;
}

std::string_view write_cidr_literal(const IpAddress& v4, unsigned bits, char* out) {
    std::uint32_t address = 0;
    for (unsigned i = 0; i < 4; ++i) address = address << 8 | v4.bytes[i];
    address = bits == 0 ? 0 : address >> (32 - bits) << (32 - bits);
    out[0] = static_cast<char>(bits);
    std::memcpy(out + 1, &address, sizeof address);
    return {out, kCidrLiteralBytes};
}

// NOLINTBEGIN(misc-no-recursion): as deep as the predicate, which its parser bounded.

// One of them holds: all must have points.
PivotChoice PivotChooser::any_of(const Token* child, std::uint32_t count) const {
    PivotChoice all;
    all.cost = 0;
    for (; count > 0; --count) {
        PivotChoice choice = choose(child);
        if (choice.form != PivotChoice::Form::kPoints) return {};
        all.cost += choice.cost;
        for (PivotPoint& point : choice.points) all.points.push_back(std::move(point));
        if (all.points.size() > kPivotsMax) return {};
        child = skip_subtree(child);
    }
    all.form = PivotChoice::Form::kPoints;
    return all;
}

PivotChoice PivotChooser::choose(const Token* program) const {
    const std::uint32_t count = number_of(*program);
    switch (kind_of(*program)) {
        case TokenKind::kLeaf: return leaf(count);
        case TokenKind::kOr: return any_of(program + 1, count);
        case TokenKind::kAnd: {
            PivotChoice best;
            const Token* child = program + 1;
            for (std::uint32_t i = 0; i < count; ++i) {
                PivotChoice choice = choose(child);
                if (choice.form != PivotChoice::Form::kNone && choice.cost < best.cost)
                    best = std::move(choice);
                child = skip_subtree(child);
            }
            return best;
        }
        default: return {};
    }
}

// NOLINTEND(misc-no-recursion)

}  // namespace millrace::matcher
