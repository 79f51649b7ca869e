#include "runtime/schema/quick_check.h"

#include "core/json_number.h"
#include "matcher/filter/number.h"
#include "runtime/schema/validator.h"

#include <array>
#include <bit>
#include <cstring>
#include <string_view>

namespace millrace::runtime::schema {

namespace {

enum class Fit : std::uint8_t { kFits, kMisfit, kOpen };

using QuickToken = const std::uint32_t*;

// Kinds of the value that begins so. A number may be an integer: who wants one has to look.
constexpr std::array<std::uint8_t, 256> kKindsOf = [] {
    std::array<std::uint8_t, 256> out{};
    out['"'] = kStringBit;
    out['t'] = out['f'] = kBooleanBit;
    out['n'] = kNullBit;
    for (const char c : {'-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'})
        out[static_cast<unsigned char>(c)] = kNumberBit | kIntegerBit;
    return out;
}();

class QuickRun {
public:
    QuickRun(const QuickProgram& quick, const core::JsonPlace& value)
        : quick_(quick),
          program_(quick.program),
          nodes_(quick.nodes.data()),
          base_(value.base),
          escapes_(!value.is_plain && has_backslash({value.base + *value.token, value.bytes})) {}

    bool run(QuickToken token) {
        const bool fits = root(token) == Fit::kFits;
        return fits && steps_ <= kStepsMax && !too_deep_;
    }

private:
    // Values inside each other, and subschemas that are asked about the same one.
    static constexpr unsigned kDepthMax = 200;
    static constexpr std::size_t kUniqueMax = 16;

    static bool has_backslash(std::string_view text) {
        return std::memchr(text.data(), '\\', text.size()) != nullptr;
    }
    bool is_escaped(std::string_view text) const {
        return escapes_ && !text.empty() && has_backslash(text);
    }

    // NOLINTBEGIN(misc-no-recursion): kDepthMax bounds it.

    // Nearly every payload is an object, and nothing else is asked of it as a whole.
    Fit root(QuickToken& token) {
        const QuickNode& node = nodes_[program_.root];
        if (base_[*token] != '{' || node.steps.count != 0) return value(program_.root, token);
        steps_ += node.cost;
        ++depth_;
        return object(node, token);
    }

    // `token` stays in a register of its caller.
    [[gnu::always_inline]] Fit value(SubId sub, QuickToken& token) {
        const QuickNode& node = nodes_[sub];
        steps_ += node.cost;
        if (passes(node, token)) [[likely]] {
            ++token;
            return Fit::kFits;
        }
        QuickToken behind = token;
        const Fit fit = in_full(node, behind);
        token = behind;
        return fit;
    }

    // The one question, where there is one and the value is a scalar of the kind that is meant.
    [[gnu::always_inline]] bool passes(const QuickNode& node, QuickToken token) {
        const char* const at = base_ + *token;
        switch (node.ask) {
            case QuickAsk::kInFull: return false;
            case QuickAsk::kKind: {
                const std::uint8_t kinds = kKindsOf[static_cast<unsigned char>(*at)];
                return kinds != 0 && (node.types & kinds) == kinds;
            }
            case QuickAsk::kText:
                return *at == '"' && !escapes_ && has_length(node, text_at(token));
            case QuickAsk::kRun: return *at == '"' && !escapes_ && is_run(node, text_at(token));
            case QuickAsk::kChoice: return *at == '"' && is_choice(node, at + 1);
            case QuickAsk::kNotNegative: return *at >= '0' && *at <= '9';
            case QuickAsk::kWhole: return is_between(node, at);
        }
        return false;
    }

    // A character has from one to four bytes.
    static bool has_length(const QuickNode& node, std::string_view text) {
        const std::size_t size = text.size();
        if (size < node.length_min) return false;
        if (size <= node.length_max) {
            if (size / 4 >= node.length_min || node.length_min == 1) return true;
            // Short ones are mostly ASCII.
            if (size <= 8 && (core::load_u64(text.data()) & low_bytes(size) & kHighBits) == 0)
                return true;
        }
        const std::size_t points = points_of(text);
        return points <= node.length_max && points >= node.length_min;
    }
    bool is_run(const QuickNode& node, std::string_view text) {
        const auto& words = node.words;
        const std::size_t head = words[6];
        const std::size_t size = text.size() - head;  // wraps around beyond any length
        // All of it is ASCII.
        if (text.size() < node.length_min || text.size() > node.length_max || text.size() < head ||
            size < words[4] || size > words[5])
            return false;
        if (!QuickWord{words[0], words[1]}.is_at(text.data())) return false;
        steps_ += text.size() / 16;
        return all_between(text.data() + head, size, words[2], words[3]);
    }
    static bool is_choice(const QuickNode& node, const char* at) {
        const std::uint64_t word = core::load_u64(at);
        bool found = false;
        for (std::size_t i = 0; i < 2 * kChoicesMax; i += 2)
            found |= (word & node.words[i + 1]) == node.words[i];
        return found;
    }
    // Of up to seven digits.
    static bool is_between(const QuickNode& node, const char* at) {
        const auto digit = static_cast<std::uint64_t>(*at - '0');  // large where it is none
        if (digit <= 9 && (at[1] == ',' || at[1] == '}'))
            return digit >= node.words[0] && digit <= node.words[1];
        std::uint64_t value = 0;
        const unsigned count = read_few_digits(at, value);
        const char end = at[count];
        return count != 0 && count < 8 && end != '.' && (end | 0x20) != 'e' &&
               value >= node.words[0] && value <= node.words[1];
    }

    Fit in_full(const QuickNode& node, QuickToken& token) {
        const char first = base_[*token];
        if (first == '{' || first == '[' || node.steps.count != 0) return nested(node, token);
        return scalar(node, token++, first);
    }

    Fit scalar(const QuickNode& node, QuickToken at, char first) {
        switch (first) {
            case '"': return string(node, at);
            case 't':
            case 'f':
            case 'n': return literal(node, first);
            default: return number(node, base_ + *at);
        }
    }

    // What leads to further values, or to further subschemas.
    Fit nested(const QuickNode& node, QuickToken& token) {
        if (steps_ > kStepsMax || depth_ == kDepthMax) [[unlikely]] {
            too_deep_ = true;
            return Fit::kOpen;
        }
        ++depth_;
        const QuickToken start = token;
        const char first = base_[*token];
        Fit fit = first == '{'   ? object(node, token)
                  : first == '[' ? array(node, token)
                                 : scalar(node, token++, first);
        if (node.steps.count != 0 && fit == Fit::kFits) fit = same_value(node, start);
        --depth_;
        return fit;
    }

    std::string_view text_at(QuickToken token) const { return core::text_at(base_, token); }

    Fit string(const QuickNode& node, QuickToken at) {
        if ((node.types & kStringBit) == 0) return Fit::kMisfit;
        if ((node.open & kStringBit) != 0) return Fit::kOpen;
        const std::string_view text = text_at(at);
        if (is_escaped(text)) [[unlikely]]
            return asks_texts(node) ? Fit::kOpen : Fit::kFits;
        return text_fits(node, text) ? Fit::kFits : Fit::kMisfit;
    }
    static bool asks_texts(const QuickNode& node) {
        return node.length_min != 0 || node.length_max != ~0u || node.patterns.count != 0 ||
               node.enums.count != 0;
    }

    bool text_fits(const QuickNode& node, std::string_view text) {
        if (!has_length(node, text)) return false;
        for (std::uint32_t i = 0; i < node.patterns.count; ++i) {
            steps_ += text.size() / 16;
            const QuickPattern& one = quick_.expressions[quick_.patterns[node.patterns.first + i]];
            if (!one.found_in(program_, text)) return false;
        }
        for (std::uint32_t i = 0; i < node.enums.count; ++i) {
            const QuickEnum& one = quick_.enums[node.enums.first + i];
            if (!has_text(one, QuickText::of(text.data(), text.size()))) return false;
        }
        return true;
    }
    bool has_text(const QuickEnum& one, const QuickText& text) const {
        for (std::uint32_t i = 0; i < one.texts.count; ++i) {
            if (quick_.texts[one.texts.first + i] == text) return true;
        }
        return false;
    }
    // Characters: the bytes that begin one. Bytes behind the text are readable.
    static std::size_t points_of(std::string_view text) {
        std::size_t goes_on = 0;
        for (std::size_t at = 0; at < text.size(); at += 8) {
            std::uint64_t word = core::load_u64(text.data() + at);
            if (text.size() - at < 8) word &= (std::uint64_t{1} << (text.size() - at) * 8) - 1;
            // Of 10xxxxxx alone the second bit is 0 below the first.
            const std::uint64_t marks = word & ~(word << 1) & 0x8080808080808080u;
            goes_on += static_cast<std::size_t>(std::popcount(marks));
        }
        return text.size() - goes_on;
    }

    Fit literal(const QuickNode& node, char first) const {
        const std::uint8_t bit = first == 'n' ? kNullBit : kBooleanBit;
        if ((node.types & bit) == 0) return Fit::kMisfit;
        if ((node.open & bit) != 0) return Fit::kOpen;
        for (std::uint32_t i = 0; i < node.enums.count; ++i) {
            const QuickEnum& one = quick_.enums[node.enums.first + i];
            const unsigned wanted = first == 't' ? 2u : 1u;
            const bool has =
                first == 'n' ? (one.kinds & kNullBit) != 0 : (one.booleans & wanted) != 0;
            if (!has) return Fit::kMisfit;
        }
        return Fit::kFits;
    }

    Fit number(const QuickNode& node, const char* begin) const {
        if ((node.types & (kNumberBit | kIntegerBit)) == 0) return Fit::kMisfit;
        const bool whole_only = (node.types & kNumberBit) == 0;
        if ((node.open & kNumberBit) != 0) return Fit::kOpen;
        const char* end = begin;
        const Decimal decimal = read_decimal(begin, end);
        if (!decimal.is_known) [[unlikely]]
            return number_by_text(node, begin);
        if (whole_only && !decimal.is_whole()) return Fit::kMisfit;
        for (std::uint32_t i = 0; i < node.bounds.count; ++i) {
            const QuickBound& bound = quick_.bounds[node.bounds.first + i];
            if (!bound.decimal.is_known) return number_by_text(node, begin);
            if (!keeps(bound.op, compare(decimal, bound.decimal))) return Fit::kMisfit;
        }
        for (std::uint32_t i = 0; i < node.divisors.count; ++i) {
            if (!program_.divisors[quick_.divisors[node.divisors.first + i]].divides(decimal))
                return Fit::kMisfit;
        }
        for (std::uint32_t i = 0; i < node.enums.count; ++i) {
            bool has = false;
            const QuickEnum& one = quick_.enums[node.enums.first + i];
            for (std::uint32_t k = 0; k < one.numbers.count && !has; ++k) {
                const QuickBound& wanted = quick_.numbers[one.numbers.first + k];
                if (!wanted.decimal.is_known) return number_by_text(node, begin);
                has = compare(decimal, wanted.decimal) == 0;
            }
            if (!has) return Fit::kMisfit;
        }
        return Fit::kFits;
    }
    static bool keeps(Op op, int order) {
        return op == Op::kMaximum            ? order <= 0
               : op == Op::kExclusiveMaximum ? order < 0
               : op == Op::kMinimum          ? order >= 0
                                             : order > 0;
    }
    // Long ones and those with an exponent.
    Fit number_by_text(const QuickNode& node, const char* begin) const {
        if (node.divisors.count != 0 || node.enums.count != 0) return Fit::kOpen;
        const char* const end = core::scan_number(begin);
        if (!end) return Fit::kOpen;
        const std::string_view text(begin, static_cast<std::size_t>(end - begin));
        if ((node.types & kNumberBit) == 0 && !is_integer(text)) return Fit::kMisfit;
        matcher::NumberView given;
        (void)matcher::parse_number(text, given);
        for (std::uint32_t i = 0; i < node.bounds.count; ++i) {
            const QuickBound& bound = quick_.bounds[node.bounds.first + i];
            const auto order = matcher::compare(given, program_.numbers[bound.number]);
            if (!keeps(bound.op, order < 0 ? -1 : order > 0 ? 1 : 0)) return Fit::kMisfit;
        }
        return Fit::kFits;
    }

    QuickToken behind(QuickToken token) const { return core::behind_value(base_, token); }

    Fit object(const QuickNode& node, QuickToken& place) {
        if ((node.types & kObjectBit) == 0) return Fit::kMisfit;
        if ((node.open & kObjectBit) != 0) return Fit::kOpen;
        if (node.enums.count != 0) return Fit::kMisfit;  // of no object: it would be open
        if (node.object == ~0u) {
            place = behind(place);
            return Fit::kFits;
        }
        const QuickObject& rules = quick_.objects[node.object];
        const QuickToken start = place;
        QuickToken token = start + 1;
        std::uint64_t seen = 0;
        std::uint32_t count = 0;
        if (base_[*token] == '}') {
            ++token;
        } else if (rules.by_name_alone) {
            auto last = static_cast<std::uint32_t>(rules.slots.size());
            do {
                const Fit verdict = named_member(rules, token, seen, last);
                if (verdict != Fit::kFits) return verdict;
                ++count;
            } while (base_[*token++] == ',');
        } else {
            do {
                const Fit verdict = member(rules, token, seen);
                if (verdict != Fit::kFits) return verdict;
                ++count;
            } while (base_[*token++] == ',');
        }
        place = token;
        steps_ += std::uint64_t{count} * (1 + rules.patterns.size()) +
                  std::uint64_t{rules.names_asked} * (count / 8);
        if ((seen & rules.required) != rules.required || count < rules.members_min ||
            count > rules.members_max)
            return Fit::kMisfit;
        return rules.dependent.empty() && rules.dependent_subs.empty()
                   ? Fit::kFits
                   : dependents(rules, start, seen);
    }

    // `last`: the place of the last name that is known.
    [[gnu::always_inline]] Fit named_member(const QuickObject& rules, QuickToken& token,
                                            std::uint64_t& seen, std::uint32_t& last) {
        std::uint32_t place = rules.order.behind(last);
        const QuickName& expected = rules.slots[place].quoted;
        if (!expected.is_at(base_ + token[0] + 1, token[1] - token[0])) [[unlikely]] {
            const std::string_view name = text_at(token);
            if (is_escaped(name)) return Fit::kOpen;
            const QuickSlot* found = rules.find(QuickText::of(name.data(), name.size()));
            if (!found) return other_member(rules, token);
            place = static_cast<std::uint32_t>(found - rules.slots.data());
            rules.order.learn(last, place);
        }
        const QuickSlot& slot = rules.slots[place];
        token += 2;  // it, and the ':'
        seen |= slot.bit;
        last = place;
        if (slot.asked != kNoSub) return value(slot.asked, token);
        token = behind(token);
        return Fit::kFits;
    }
    Fit other_member(const QuickObject& rules, QuickToken& token) {
        token += 2;
        if (rules.additional != kNoSub) return value(rules.additional, token);
        token = behind(token);
        return Fit::kFits;
    }

    Fit member(const QuickObject& rules, QuickToken& token, std::uint64_t& seen) {
        const std::string_view name = text_at(token);
        if (is_escaped(name)) [[unlikely]]
            return Fit::kOpen;
        token += 2;  // it, and the ':'
        SubId sub = kNoSub;
        bool known = false;
        if (const QuickSlot* slot = rules.find(QuickText::of(name.data(), name.size()))) {
            seen |= slot->bit;
            sub = slot->sub;
            known = slot->is_property;
        }
        if (rules.names != kNoSub) {
            const Fit verdict = name_fits(rules.names, name);
            if (verdict != Fit::kFits) return verdict;
        }
        for (const auto& [regex, of] : rules.patterns) {
            if (!quick_.expressions[regex].found_in(program_, name)) continue;
            known = true;
            QuickToken copy = token;
            const Fit verdict = value(of, copy);
            if (verdict != Fit::kFits) return verdict;
        }
        if (!known) sub = rules.additional;
        if (sub != kNoSub) return value(sub, token);
        token = behind(token);
        return Fit::kFits;
    }

    // A name as a value, which propertyNames asks about.
    Fit name_fits(SubId sub, std::string_view name) {
        const QuickNode& node = nodes_[sub];
        steps_ += node.cost;
        if ((node.types & kStringBit) == 0) return Fit::kMisfit;
        if ((node.open & kStringBit) != 0 || node.steps.count != 0) return Fit::kOpen;
        return text_fits(node, name) ? Fit::kFits : Fit::kMisfit;
    }

    Fit dependents(const QuickObject& rules, QuickToken start, std::uint64_t seen) {
        for (const auto& [bit, wanted] : rules.dependent) {
            if ((seen & bit) != 0 && (seen & wanted) != wanted) return Fit::kMisfit;
        }
        for (const auto& [bit, sub] : rules.dependent_subs) {
            if ((seen & bit) == 0) continue;
            QuickToken copy = start;
            const Fit verdict = value(sub, copy);
            if (verdict != Fit::kFits) return verdict;
        }
        return Fit::kFits;
    }

    Fit array(const QuickNode& node, QuickToken& token) {
        if ((node.types & kArrayBit) == 0) return Fit::kMisfit;
        if ((node.open & kArrayBit) != 0) return Fit::kOpen;
        if (node.enums.count != 0) return Fit::kMisfit;
        if (node.array == ~0u) {
            token = behind(token);
            return Fit::kFits;
        }
        const QuickArray& rules = quick_.arrays[node.array];
        const QuickToken start = token++;
        std::uint32_t count = 0;
        if (base_[*token] == ']') {
            ++token;
        } else {
            do {
                const SubId sub = count < rules.prefix.size() ? rules.prefix[count] : rules.rest;
                ++count;
                if (sub == kNoSub) {
                    token = behind(token);
                    continue;
                }
                const Fit verdict = value(sub, token);
                if (verdict != Fit::kFits) return verdict;
            } while (base_[*token++] == ',');
        }
        if (count < rules.items_min || count > rules.items_max) return Fit::kMisfit;
        if (rules.is_unique && count > 1) {
            steps_ += (*token - *start) / 8;
            const Fit verdict = unique(start + 1, count);
            if (verdict != Fit::kFits) return verdict;
        }
        for (const ContainsRules& one : rules.contains) {
            const Fit verdict = contains(one, start + 1, count);
            if (verdict != Fit::kFits) return verdict;
        }
        return Fit::kFits;
    }

    Fit contains(const ContainsRules& rules, QuickToken token, std::uint32_t count) {
        std::uint64_t fitting = 0;
        for (std::uint32_t i = 0; i < count; ++i) {
            QuickToken copy = token;
            const Fit verdict = value(rules.sub, copy);
            if (verdict == Fit::kOpen) return verdict;
            fitting += verdict == Fit::kFits;
            token = behind(token) + 1;
        }
        return fitting >= rules.min && fitting <= rules.max ? Fit::kFits : Fit::kMisfit;
    }

    // Of a few scalars.
    Fit unique(QuickToken token, std::uint32_t count) const {
        struct Item {
            char first = 0;
            QuickText text;
            Decimal number;
        };
        if (count > kUniqueMax) return Fit::kOpen;
        std::array<Item, kUniqueMax> seen;
        for (std::uint32_t i = 0; i < count; ++i, token += 2) {
            Item& item = seen[i];
            item.first = base_[*token];
            if (item.first == '{' || item.first == '[') return Fit::kOpen;
            if (item.first == '"') {
                const std::string_view text = text_at(token);
                if (is_escaped(text)) return Fit::kOpen;
                item.text = QuickText::of(text.data(), text.size());
            } else if (item.first == '-' || (item.first >= '0' && item.first <= '9')) {
                const char* end = nullptr;
                item.number = read_decimal(base_ + *token, end);
                item.first = '0';
                if (!item.number.is_known) return Fit::kOpen;
            }
            for (std::uint32_t k = 0; k < i; ++k) {
                if (seen[k].first != item.first) continue;
                if (item.first == '"'   ? seen[k].text == item.text
                    : item.first == '0' ? compare(seen[k].number, item.number) == 0
                                        : true)
                    return Fit::kMisfit;
            }
        }
        return Fit::kFits;
    }

    // ---- what asks other subschemas about the same value

    Fit ask(SubId sub, QuickToken start) {
        if (sub == kNoSub) return Fit::kFits;
        return value(sub, start);
    }

    Fit same_value(const QuickNode& node, QuickToken start) {
        for (std::uint32_t i = 0; i < node.steps.count; ++i) {
            const Fit verdict = step(quick_.steps[node.steps.first + i], start);
            if (verdict != Fit::kFits) return verdict;
        }
        return Fit::kFits;
    }

    Fit step(const Instruction& one, QuickToken start) {
        switch (one.op) {
            case Op::kRef: return ask(one.a, start);
            case Op::kAllOf:
                for (std::uint32_t i = 0; i < one.b; ++i) {
                    const Fit verdict = ask(program_.subs[one.a + i], start);
                    if (verdict != Fit::kFits) return verdict;
                }
                return Fit::kFits;
            case Op::kAnyOf: return any_of(one, start);
            case Op::kOneOf: return one_of(one, start);
            case Op::kNot: {
                const Fit verdict = ask(one.a, start);
                return verdict == Fit::kFits     ? Fit::kMisfit
                       : verdict == Fit::kMisfit ? Fit::kFits
                                                 : Fit::kOpen;
            }
            case Op::kIf: {
                const Fit verdict = ask(program_.subs[one.a], start);
                if (verdict == Fit::kOpen) return verdict;
                return ask(program_.subs[one.a + (verdict == Fit::kFits ? 1 : 2)], start);
            }
            default: return Fit::kOpen;
        }
    }

    Fit any_of(const Instruction& one, QuickToken start) {
        Fit all = Fit::kMisfit;
        for (std::uint32_t i = 0; i < one.b; ++i) {
            const Fit verdict = ask(program_.subs[one.a + i], start);
            if (verdict == Fit::kFits) return verdict;
            if (verdict == Fit::kOpen) all = verdict;
        }
        return all;
    }

    Fit one_of(const Instruction& one, QuickToken start) {
        unsigned fitting = 0;
        for (std::uint32_t i = 0; i < one.b && fitting < 2; ++i) {
            const Fit verdict = ask(program_.subs[one.a + i], start);
            if (verdict == Fit::kOpen) return verdict;
            fitting += verdict == Fit::kFits;
        }
        return fitting == 1 ? Fit::kFits : Fit::kMisfit;
    }

    // NOLINTEND(misc-no-recursion)

    const QuickProgram& quick_;
    const Program& program_;
    const QuickNode* const nodes_;
    const char* const base_;
    const bool escapes_;  // some string has an escape
    bool too_deep_ = false;
    unsigned depth_ = 0;
    std::uint64_t steps_ = 0;
};

}  // namespace

bool fits_quickly(const QuickProgram& program, const core::JsonPlace& value) {
    // It may have given up where this finds out sooner.
    if (program.steps_a_value != 0 && program.steps_a_value > kStepsMax / (value.bytes / 2 + 1))
        return false;
    return QuickRun(program, value).run(value.token);
}

}  // namespace millrace::runtime::schema
