#include "runtime/schema/quick_program.h"

#include "runtime/schema/validator.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <string>

namespace millrace::runtime::schema {

namespace {

// Names and texts of a schema stand in its document, whose texts end in padding, or with the texts
// that had escapes, which do not: 8 bytes of those are copied before they are looked at.
QuickText quick_text(std::string_view text) {
    char head[9] = {};
    std::copy_n(text.data(), std::min<std::size_t>(text.size(), 8), head);
    QuickText out = QuickText::of(head, std::min<std::size_t>(text.size(), 8));
    out.data = text.data();
    out.size = static_cast<std::uint32_t>(text.size());
    if (text.size() > 8) out.tail = core::load_u64(text.data() + text.size() - 8);
    return out;
}

class QuickBuilder {
public:
    QuickBuilder(const Program& program, QuickProgram& out) : program_(program), out_(out) {}

    void run() {
        for (std::uint32_t i = 0; i < program_.regexes.size(); ++i) {
            QuickPattern& made = out_.expressions.emplace_back();
            made.expression = i;
            if (program_.regexes[i].simple)
                made.table = matcher::RegexTable::make(*program_.regexes[i].simple);
            if (made.table) made.run = made.table->as_run();
        }
        for (const Subschema& sub : program_.subschemas) {
            QuickNode& node = out_.nodes.emplace_back();
            node_ = &node;
            begin_object();
            array_ = {};
            has_object_ = has_array_ = false;
            // What a node has of a kind stands together.
            for (const auto part : {&QuickBuilder::add_bounds, &QuickBuilder::add_texts,
                                    &QuickBuilder::add_shape, &QuickBuilder::add_step}) {
                for (std::uint32_t i = sub.begin; i < sub.end; ++i) (this->*part)(program_.code[i]);
            }
            if (has_object_) end_object();
            if (has_array_) {
                node.array = static_cast<std::uint32_t>(out_.arrays.size());
                out_.arrays.push_back(std::move(array_));
            }
            choose_ask();
        }
        bound_work();
    }

private:
    template <typename T>
    static void append(Span& span, std::vector<T>& to, T value) {
        if (span.count == 0) span.first = static_cast<std::uint32_t>(to.size());
        ++span.count;
        to.push_back(std::move(value));
    }
    QuickBound number_at(Op op, std::uint32_t value) const {
        return {op, read_decimal(program_.values[value].raw()), value};
    }

    void add_bounds(const Instruction& one) {
        switch (one.op) {
            case Op::kNever: node_->types = 0; break;
            case Op::kTypes: node_->types &= with_integers(one.a); break;
            case Op::kMultipleOf: append(node_->divisors, out_.divisors, one.a); break;
            case Op::kMaximum:
            case Op::kExclusiveMaximum:
            case Op::kMinimum:
            case Op::kExclusiveMinimum:
                append(node_->bounds, out_.bounds, number_at(one.op, one.a));
                break;
            default: return;
        }
        ++node_->cost;
    }
    // A number that is an integer fits both.
    static std::uint8_t with_integers(std::uint32_t bits) {
        return static_cast<std::uint8_t>(bits | ((bits & kNumberBit) != 0 ? kIntegerBit : 0u));
    }

    void add_texts(const Instruction& one) {
        switch (one.op) {
            case Op::kMaxLength: node_->length_max = std::min(node_->length_max, one.a); break;
            case Op::kMinLength: node_->length_min = std::max(node_->length_min, one.a); break;
            case Op::kPattern: append(node_->patterns, out_.patterns, one.a); break;
            case Op::kEnum:
                add_enum(one);
                node_->cost += one.b;
                break;
            default: return;
        }
        ++node_->cost;
    }

    void add_enum(const Instruction& one) {
        QuickEnum made;
        for (std::uint32_t i = one.a; i < one.a + one.b; ++i) {
            const core::JsonElement value = program_.values[i];
            std::string_view text;
            switch (value.type()) {
                case core::JsonType::kNull: made.kinds |= kNullBit; break;
                case core::JsonType::kFalse:
                    made.kinds |= kBooleanBit;
                    made.booleans |= 1;
                    break;
                case core::JsonType::kTrue:
                    made.kinds |= kBooleanBit;
                    made.booleans |= 2;
                    break;
                case core::JsonType::kNumber:
                    made.kinds |= kNumberBit;
                    append(made.numbers, out_.numbers, number_at(one.op, i));
                    break;
                case core::JsonType::kString:
                    made.kinds |= kStringBit;
                    (void)value.get(text);
                    append(made.texts, out_.texts, quick_text(text));
                    break;
                case core::JsonType::kArray: node_->open |= kArrayBit; break;
                case core::JsonType::kObject: node_->open |= kObjectBit; break;
            }
        }
        append(node_->enums, out_.enums, made);
    }

    void add_shape(const Instruction& one) {
        switch (one.op) {
            case Op::kMaxItems: array().items_max = one.a; break;
            case Op::kMinItems: array().items_min = one.a; break;
            case Op::kUniqueItems:
                array().is_unique = true;
                node_->cost += 32;
                break;
            case Op::kItems:
                array().prefix = program_.arrays[one.a].prefix;
                array().rest = program_.arrays[one.a].rest;
                break;
            case Op::kContains: array().contains.push_back(program_.counts[one.a]); break;
            case Op::kUnevaluatedItems: node_->open |= kArrayBit; break;
            case Op::kMaxProperties: object().members_max = one.a; break;
            case Op::kMinProperties: object().members_min = one.a; break;
            case Op::kRequired:
            case Op::kRequiredHere:
                for (std::uint32_t i = 0; i < one.b; ++i)
                    object().required |= bit_of(program_.names[one.a + i]);
                object().names_asked += one.op == Op::kRequired ? one.b : 0;
                node_->cost += 2 * one.b;
                break;
            case Op::kDependentRequired: {
                std::uint64_t bits = 0;
                for (const std::string_view name : program_.lists[one.b]) bits |= bit_of(name);
                object().dependent.emplace_back(bit_of(program_.names[one.a]), bits);
                object().names_asked += static_cast<std::uint32_t>(program_.lists[one.b].size());
                node_->cost += 2 * static_cast<std::uint32_t>(program_.lists[one.b].size());
                break;
            }
            case Op::kDependentSchema:
                object().dependent_subs.emplace_back(bit_of(program_.names[one.a]), one.b);
                break;
            case Op::kProperties: add_properties(program_.objects[one.a]); break;
            case Op::kPropertyNames: object().names = one.a; break;
            case Op::kUnevaluatedProperties: node_->open |= kObjectBit; break;
            default: return;
        }
        ++node_->cost;
    }

    void add_properties(const ObjectRules& rules) {
        for (const auto& [name, sub] : rules.properties) {
            QuickSlot& slot = slots_[name];
            slot.sub = sub;
            slot.is_property = true;
        }
        object().patterns = rules.patterns;
        object().additional = rules.additional;
        node_->cost += 1 + static_cast<std::uint32_t>(rules.patterns.size());
    }

    void add_step(const Instruction& one) {
        switch (one.op) {
            case Op::kRef:
            case Op::kAllOf:
            case Op::kAnyOf:
            case Op::kOneOf:
            case Op::kNot:
            case Op::kIf: append(node_->steps, out_.steps, one); break;
            case Op::kDynamicRef: node_->open = kEveryBit; break;
            default: return;
        }
        ++node_->cost;
    }

    // ---- the one question

    void choose_ask() {
        QuickNode& node = *node_;
        constexpr std::uint8_t kScalarBits = kEveryBit & ~(kArrayBit | kObjectBit);
        if ((node.open & kScalarBits) != 0 || node.steps.count != 0) return;
        const bool asks_numbers = node.bounds.count != 0 || node.divisors.count != 0;
        const bool asks_texts =
            node.length_min != 0 || node.length_max != ~0u || node.patterns.count != 0;
        const bool numbers = (node.types & kIntegerBit) != 0;
        if (node.enums.count != 0) {
            if (!asks_texts && (node.types & kStringBit) != 0) choose_choice();
        } else if ((node.types & kStringBit) != 0 && asks_texts) {
            choose_text();
        } else if (numbers && (asks_numbers || (node.types & kNumberBit) == 0)) {
            choose_number();
        } else if (!asks_numbers) {
            node.ask = QuickAsk::kKind;
        }
    }

    void choose_choice() {
        QuickNode& node = *node_;
        const Span& texts = out_.enums[node.enums.first].texts;
        if (node.enums.count != 1 || texts.count == 0 || texts.count > kChoicesMax) return;
        for (std::uint32_t i = 0; i < kChoicesMax; ++i) {
            // The first one again where there are fewer.
            const QuickText& text = out_.texts[texts.first + (i < texts.count ? i : 0)];
            const std::string_view plain(text.data, text.size);
            if (plain.size() > 7 || !stands_plainly(plain)) return;
            const QuickWord word = QuickWord::of(std::string(plain) + '"');
            node.words[2 * i] = word.word;
            node.words[2 * i + 1] = word.mask;
        }
        node.ask = QuickAsk::kChoice;
    }

    void choose_text() {
        QuickNode& node = *node_;
        if (node.patterns.count == 0) {
            node.ask = QuickAsk::kText;
            return;
        }
        const auto& run = out_.expressions[out_.patterns[node.patterns.first]].run;
        if (node.patterns.count != 1 || !run || run->head.size() > 8 || !stands_plainly(run->head))
            return;
        const QuickWord head = QuickWord::of(run->head);
        const auto each = [](char c) { return kEachByte * static_cast<unsigned char>(c); };
        node.words = {head.word,  head.mask, each(run->low),  each(run->high),
                      run->least, run->most, run->head.size()};
        node.ask = QuickAsk::kRun;
    }

    // Bounds that are whole numbers and belong to what they bound.
    void choose_number() {
        QuickNode& node = *node_;
        std::int64_t low = INT64_MIN, high = INT64_MAX;
        if (node.divisors.count != 0) return;
        for (std::uint32_t i = 0; i < node.bounds.count; ++i) {
            const QuickBound& bound = out_.bounds[node.bounds.first + i];
            if (!bound.decimal.is_known || bound.decimal.places != 0) return;
            if (bound.op == Op::kMinimum)
                low = std::max(low, bound.decimal.digits);
            else if (bound.op == Op::kMaximum)
                high = std::min(high, bound.decimal.digits);
            else
                return;
        }
        const bool any_number = (node.types & kNumberBit) != 0;
        if (any_number && low <= 0 && high == INT64_MAX) {
            node.ask = QuickAsk::kNotNegative;
            return;
        }
        node.words[0] = static_cast<std::uint64_t>(std::max<std::int64_t>(low, 0));
        node.words[1] = static_cast<std::uint64_t>(std::max<std::int64_t>(high, 0));
        if (high >= 0) node.ask = QuickAsk::kWhole;
    }

    // ---- objects

    void begin_object() {
        object_ = {};
        slots_.clear();
        bits_ = 0;
    }
    QuickObject& object() {
        has_object_ = true;
        return object_;
    }
    QuickArray& array() {
        has_array_ = true;
        return array_;
    }
    std::uint64_t bit_of(std::string_view name) {
        QuickSlot& slot = slots_[name];
        if (slot.bit != 0) return slot.bit;
        if (bits_ == kTrackedNamesMax) {
            node_->open |= kObjectBit;
            return 0;
        }
        return slot.bit = std::uint64_t{1} << bits_++;
    }

    // A factor under which each name has a place of its own is soon found: there is room enough.
    void end_object() {
        const std::size_t size = std::bit_ceil(slots_.size() * 4 + 2);
        object_.shift = static_cast<std::uint32_t>(64 - std::countr_zero(size));
        object_.by_name_alone = object_.patterns.empty() && object_.names == kNoSub;
        for (auto& [name, slot] : slots_) {
            slot.name = quick_text(name);
            slot.quoted = QuickName::of(name);
            slot.asked = slot.is_property ? slot.sub : object_.additional;
        }
        std::uint64_t best = ~0u;
        std::uint64_t factor = core::kHashSeedA | 1;
        for (unsigned turn = 0; turn < 64 && best > 0; ++turn) {
            factor = core::mix_u64(factor, core::kHashSeedB) | 1;
            std::vector<QuickSlot> slots(size);
            std::uint64_t passed = 0;
            for (const auto& [name, slot] : slots_) {
                const QuickText& text = slot.name;
                std::size_t at = (text.head + text.tail * 3 + text.size) * factor >> object_.shift;
                for (; slots[at].name.data; at = (at + 1) & (size - 1)) ++passed;
                slots[at] = slot;
            }
            if (passed >= best) continue;
            best = passed;
            object_.factor = factor;
            object_.slots = std::move(slots);
        }
        object_.order.resize(size);
        node_->object = static_cast<std::uint32_t>(out_.objects.size());
        out_.objects.push_back(std::move(object_));
    }

    // ---- how much the validator may do

    // Subschemas that one asks; `visit` is told of each.
    template <typename Visit>
    void asked_by(const QuickNode& node, Visit&& visit) const {
        const auto one = [&visit](SubId sub) {
            if (sub != kNoSub) visit(sub);
        };
        for (std::uint32_t i = 0; i < node.steps.count; ++i) {
            const Instruction& step = out_.steps[node.steps.first + i];
            if (step.op == Op::kRef || step.op == Op::kNot) {
                one(step.a);
                continue;
            }
            const std::uint32_t count = step.op == Op::kIf ? 3 : step.b;
            for (std::uint32_t k = 0; k < count; ++k) one(program_.subs[step.a + k]);
        }
        if (node.object != ~0u) {
            const QuickObject& object = out_.objects[node.object];
            for (const QuickSlot& slot : object.slots) one(slot.sub);
            for (const auto& [bit, sub] : object.dependent_subs) one(sub);
            for (const auto& [regex, sub] : object.patterns) one(sub);
            one(object.additional);
            one(object.names);
        }
        if (node.array != ~0u) {
            const QuickArray& array = out_.arrays[node.array];
            for (const SubId sub : array.prefix) one(sub);
            for (const ContainsRules& rules : array.contains) one(rules.sub);
            one(array.rest);
        }
    }

    // Each way that leads through the schema asks a value once at most: the work of all ways
    // together bounds what is done for one value. One that leads round again has no bound.
    void bound_work() {
        bool lenient = false;
        for (const Instruction& step : out_.steps)
            lenient = lenient || (step.op != Op::kRef && step.op != Op::kAllOf);
        for (const QuickArray& array : out_.arrays) lenient = lenient || !array.contains.empty();
        if (!lenient) return;
        constexpr std::uint64_t kNew = ~std::uint64_t{0}, kOpen = kNew - 1;
        std::vector<std::uint64_t> work(out_.nodes.size(), kNew);
        std::vector<std::uint32_t> depth(out_.nodes.size(), 0);
        std::vector<std::pair<SubId, bool>> stack;
        stack.emplace_back(program_.root, false);
        bool bounded = true;
        while (!stack.empty() && bounded) {
            const auto [sub, leaving] = stack.back();
            stack.pop_back();
            if (!leaving && work[sub] != kNew) continue;
            if (!leaving) {
                work[sub] = kOpen;
                stack.emplace_back(sub, true);
                asked_by(out_.nodes[sub], [&](SubId next) {
                    if (work[next] == kOpen) bounded = false;
                    if (work[next] == kNew) stack.emplace_back(next, false);
                });
                continue;
            }
            std::uint64_t sum = out_.nodes[sub].cost + 2;
            asked_by(out_.nodes[sub], [&](SubId next) {
                if (work[next] >= kOpen) {
                    bounded = false;
                    return;
                }
                sum += work[next];
                depth[sub] = std::max(depth[sub], depth[next] + 1);
            });
            bounded = bounded && depth[sub] < kFramesMax / 2 && sum <= kStepsMax;
            work[sub] = sum;
        }
        out_.steps_a_value = bounded ? work[program_.root] : kStepsMax;
    }

    const Program& program_;
    QuickProgram& out_;
    QuickNode* node_ = nullptr;
    QuickObject object_;
    QuickArray array_;
    std::map<std::string_view, QuickSlot> slots_;
    unsigned bits_ = 0;
    bool has_object_ = false;
    bool has_array_ = false;
};

}  // namespace

QuickProgram::QuickProgram(const Program& of) : program(of) { QuickBuilder(of, *this).run(); }

}  // namespace millrace::runtime::schema
