#include "runtime/schema/validator.h"

#include "core/key_hash.h"
#include "matcher/filter/number.h"
#include "runtime/schema/sources.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

namespace millrace::runtime::schema {

namespace {

using core::JsonElement;
using core::JsonType;

// A value of the document, or the name of a member, which propertyNames asks about.
struct Value {
    JsonElement element;
    std::string_view name;
    bool is_name = false;

    JsonType type() const { return is_name ? JsonType::kString : element.type(); }
    std::string_view text() const {
        std::string_view out = name;
        if (!is_name) (void)element.get(out);
        return out;
    }
};

// Where in the document the work is: a list that leads up.
struct Where {
    const Where* up = nullptr;
    std::string_view name;
    std::size_t index = 0;
    bool is_index = false;
};

// What of an object's members or an array's items some subschema has spoken about.
struct Evaluated {
    std::vector<bool> parts;
    void all() { std::fill(parts.begin(), parts.end(), true); }
    void join(const Evaluated& other) {
        for (std::size_t i = 0; i < parts.size() && i < other.parts.size(); ++i)
            parts[i] = parts[i] || other.parts[i];
    }
};

// Whether a number is whole is asked where only that would do.
bool is_of(std::uint32_t bits, const Value& value) {
    constexpr std::uint32_t kNumber = 1u << 2, kInteger = 1u << 3;
    switch (value.type()) {
        case JsonType::kNull: return (bits & 1u << 0) != 0;
        case JsonType::kFalse:
        case JsonType::kTrue: return (bits & 1u << 1) != 0;
        case JsonType::kNumber:
            return (bits & kNumber) != 0 ||
                   ((bits & kInteger) != 0 && is_integer(value.element.raw()));
        case JsonType::kString: return (bits & 1u << 4) != 0;
        case JsonType::kArray: return (bits & 1u << 5) != 0;
        case JsonType::kObject: return (bits & 1u << 6) != 0;
    }
    return false;
}

std::uint32_t type_bits(const Value& value) {
    switch (value.type()) {
        case JsonType::kNull: return 1u << 0;
        case JsonType::kFalse:
        case JsonType::kTrue: return 1u << 1;
        case JsonType::kNumber: return 1u << 2 | (is_integer(value.element.raw()) ? 1u << 3 : 0u);
        case JsonType::kString: return 1u << 4;
        case JsonType::kArray: return 1u << 5;
        case JsonType::kObject: return 1u << 6;
    }
    return 0;
}

std::string type_words(std::uint32_t bits) {
    constexpr std::string_view kWords[] = {"null",   "boolean", "number", "integer",
                                           "string", "array",   "object"};
    std::string out;
    for (std::size_t i = 0; i < std::size(kWords); ++i) {
        if ((bits >> i & 1) == 0) continue;
        out += out.empty() ? "" : " or ";
        out += kWords[i];
    }
    return out;
}

std::string quoted(std::string_view text) {
    return "\"" + std::string(text.substr(0, 64)) + (text.size() > 64 ? "...\"" : "\"");
}

std::string keyword_of(std::string_view path) {
    return std::string(path.substr(path.rfind('/') + 1));
}

class Run {
public:
    Run(const Program& program, std::size_t failures_max, std::vector<Failure>* failures)
        : program_(program), failures_max_(failures_max), failures_(failures) {}

    // What gave up fits nothing, whatever a "not" makes of it.
    bool run(JsonElement value) {
        const Where top;
        return check(program_.root, {value, {}, false}, &top, nullptr) && !given_up_;
    }

private:
    bool check(SubId sub, const Value& value, const Where* where, Evaluated* outer) {
        const Subschema& of = program_.subschemas[sub];
        if (++frames_ > kFramesMax) {
            give_up(where, "it goes deeper than 1000 subschemas into each other");
            --frames_;
            return false;
        }
        const bool scoped =
            program_.has_dynamic && (scope_.empty() || scope_.back() != of.resource);
        if (scoped) scope_.push_back(of.resource);
        Evaluated own;
        Evaluated* evaluated = nullptr;
        if (program_.tracks_evaluated && !value.is_name) {
            own.parts.resize(parts_of(value.element));
            evaluated = &own;
        }
        bool fine = true;
        for (std::uint32_t i = of.begin; i < of.end && (fine || failures_); ++i) {
            if (!spend(1, where)) {
                fine = false;
                break;
            }
            fine = step(program_.code[i], value, where, evaluated) && fine;
            if (!fine && failures_ && failures_->size() >= failures_max_) break;
        }
        if (fine && evaluated && outer) outer->join(own);
        if (scoped) scope_.pop_back();
        --frames_;
        return fine;
    }

    static std::size_t parts_of(JsonElement element) {
        if (element.is_object()) return core::JsonMembers(element).size();
        return element.is_array() ? core::JsonArray(element).size() : 0;
    }

    bool spend(std::uint64_t steps, const Where* where) {
        steps_ += steps;
        if (steps_ <= kStepsMax) return true;
        give_up(where, "it takes more than 1000000 steps to say whether this fits");
        return false;
    }
    void give_up(const Where* where, std::string_view why) {
        if (given_up_) return;
        given_up_ = true;
        if (failures_) failures_->push_back({pointer(where), "", "#", std::string(why)});
    }

    static std::string pointer(const Where* where) {
        if (!where || !where->up) return {};
        const std::string up = pointer(where->up);
        return child_pointer(
            up, where->is_index ? std::to_string(where->index) : std::string(where->name));
    }

    // Always false; `why` is called only when somebody reads it.
    template <typename Why>
    bool fail(std::uint32_t path, const Where* where, Why&& why) {
        if (failures_ && failures_->size() < failures_max_) {
            const std::string& at = program_.paths[path];
            failures_->push_back({pointer(where), keyword_of(at), at, why()});
        }
        return false;
    }

    // Without a word of what did not fit.
    bool quietly(SubId sub, const Value& value, const Where* where, Evaluated* evaluated) {
        std::vector<Failure>* const told = std::exchange(failures_, nullptr);
        const bool fine = check(sub, value, where, evaluated);
        failures_ = told;
        return fine;
    }

    bool step(const Instruction& one, const Value& value, const Where* where,
              Evaluated* evaluated) {
        switch (one.op) {
            case Op::kNever: return fail(one.path, where, [] { return "nothing may stand here"; });
            case Op::kTypes:
                return is_of(one.a, value) || fail(one.path, where, [&] {
                           return "must be " + type_words(one.a) + ", not " +
                                  type_words(type_bits(value));
                       });
            case Op::kEnum: return is_one_of(one, value, where);
            case Op::kMultipleOf:
            case Op::kMaximum:
            case Op::kExclusiveMaximum:
            case Op::kMinimum:
            case Op::kExclusiveMinimum: return number(one, value, where);
            case Op::kMaxLength:
            case Op::kMinLength:
            case Op::kPattern: return text(one, value, where);
            case Op::kMaxItems:
            case Op::kMinItems:
            case Op::kUniqueItems: return array_size(one, value, where);
            case Op::kMaxProperties:
            case Op::kMinProperties:
            case Op::kRequired:
            case Op::kDependentRequired: return object_size(one, value, where);
            // Who wants to know which one is missing asks for each.
            case Op::kRequiredHere: return !failures_ || object_size(one, value, where);
            case Op::kDependentSchema: return dependent(one, value, where, evaluated);
            case Op::kRef: return check(one.a, value, where, evaluated);
            case Op::kDynamicRef: return check(dynamic(one), value, where, evaluated);
            case Op::kAllOf: return all_of(one, value, where, evaluated);
            case Op::kAnyOf: return any_of(one, value, where, evaluated);
            case Op::kOneOf: return one_of(one, value, where, evaluated);
            case Op::kNot:
                return !quietly(one.a, value, where, nullptr) ||
                       fail(one.path, where, [] { return "must not fit this schema"; });
            case Op::kIf: return conditional(one, value, where, evaluated);
            case Op::kProperties: return properties(one, value, where, evaluated);
            case Op::kPropertyNames: return property_names(one, value, where);
            case Op::kItems: return items(one, value, where, evaluated);
            case Op::kContains: return contains(one, value, where, evaluated);
            case Op::kUnevaluatedItems:
            case Op::kUnevaluatedProperties: return unevaluated(one, value, where, evaluated);
        }
        return true;
    }

    bool is_one_of(const Instruction& one, const Value& value, const Where* where) {
        for (std::uint32_t i = 0; i < one.b; ++i) {
            const JsonElement wanted = program_.values[one.a + i];
            std::string_view plain;
            if (!spend(1, where)) return false;
            if (value.is_name ? wanted.get(plain) && plain == value.name
                              : equal(value.element, wanted))
                return true;
        }
        return fail(one.path, where, [&] {
            if (one.b == 1)
                return "must be " + std::string(program_.values[one.a].raw().substr(0, 128));
            return std::string("must be one of the values that are listed");
        });
    }

    bool number(const Instruction& one, const Value& value, const Where* where) {
        if (value.type() != JsonType::kNumber) return true;
        const std::string_view text = value.element.raw();
        if (one.op == Op::kMultipleOf) {
            return program_.divisors[one.a].divides(text) || fail(one.path, where, [] {
                       return "must be a multiple of what multipleOf says";
                   });
        }
        matcher::NumberView given;
        (void)matcher::parse_number(text, given);
        const auto order = matcher::compare(given, program_.numbers[one.a]);
        const bool fine = one.op == Op::kMaximum            ? order <= 0
                          : one.op == Op::kExclusiveMaximum ? order < 0
                          : one.op == Op::kMinimum          ? order >= 0
                                                            : order > 0;
        return fine || fail(one.path, where, [&] {
                   const char* const words = one.op == Op::kMaximum            ? "at most "
                                             : one.op == Op::kExclusiveMaximum ? "less than "
                                             : one.op == Op::kMinimum          ? "at least "
                                                                               : "more than ";
                   return "must be " + std::string(words) +
                          std::string(program_.values[one.a].raw());
               });
    }

    bool text(const Instruction& one, const Value& value, const Where* where) {
        if (value.type() != JsonType::kString) return true;
        const std::string_view given = value.text();
        if (one.op == Op::kPattern) {
            if (!spend(given.size() / 16, where)) return false;
            return program_.regexes[one.a].found_in(given) ||
                   fail(one.path, where, [] { return "must fit the expression"; });
        }
        // A character has from one to four bytes.
        const bool most = one.op == Op::kMaxLength;
        if (most ? given.size() <= one.a : given.size() / 4 >= one.a) return true;
        const std::size_t points = code_points(given);
        return size(one, points, one.op == Op::kMaxLength, "characters", where);
    }

    bool size(const Instruction& one, std::size_t count, bool most, const char* what,
              const Where* where) {
        if (most ? count <= one.a : count >= one.a) return true;
        return fail(one.path, where, [&] {
            return std::string("must have at ") + (most ? "most " : "least ") +
                   std::to_string(one.a) + " " + what + ", and has " + std::to_string(count);
        });
    }

    bool array_size(const Instruction& one, const Value& value, const Where* where) {
        if (value.type() != JsonType::kArray) return true;
        const core::JsonArray array(value.element);
        if (one.op != Op::kUniqueItems)
            return size(one, array.size(), one.op == Op::kMaxItems, "items", where);
        std::vector<std::pair<std::uint64_t, JsonElement>> seen;
        for (const JsonElement item : array) seen.emplace_back(hash(item), item);
        if (!spend(value.element.raw().size() / 8, where)) return false;
        std::sort(seen.begin(), seen.end(),
                  [](const auto& a, const auto& b) { return a.first < b.first; });
        for (std::size_t i = 1; i < seen.size(); ++i) {
            // Equal hashes stand together; different values that share one are next to impossible.
            if (seen[i].first == seen[i - 1].first && equal(seen[i].second, seen[i - 1].second))
                return fail(one.path, where, [] { return "must not hold a value twice"; });
        }
        return true;
    }

    bool object_size(const Instruction& one, const Value& value, const Where* where) {
        if (value.type() != JsonType::kObject) return true;
        const core::JsonMembers members(value.element);
        if (one.op == Op::kMaxProperties || one.op == Op::kMinProperties)
            return size(one, members.size(), one.op == Op::kMaxProperties, "members", where);
        JsonElement found;
        if (one.op == Op::kDependentRequired) {
            if (!members.find(program_.names[one.a], found)) return true;
            return has_all(one, program_.lists[one.b], value.element, where);
        }
        return has_all(one, std::span(program_.names).subspan(one.a, one.b), value.element, where);
    }

    bool has_all(const Instruction& one, std::span<const std::string_view> names,
                 JsonElement object, const Where* where) {
        bool fine = true;
        JsonElement found;
        for (const std::string_view name : names) {
            if (!spend(1 + core::JsonMembers(object).size() / 8, where)) return false;
            if (object.find(name, found)) continue;
            fine = fail(one.path, where,
                        [&] { return "the member " + quoted(name) + " is required"; });
            if (!failures_) return false;
        }
        return fine;
    }

    bool dependent(const Instruction& one, const Value& value, const Where* where,
                   Evaluated* evaluated) {
        JsonElement found;
        if (value.type() != JsonType::kObject || !value.element.find(program_.names[one.a], found))
            return true;
        return check(one.b, value, where, evaluated);
    }

    SubId dynamic(const Instruction& one) const {
        const std::string_view name = program_.names[one.b];
        for (const std::uint32_t resource : scope_) {
            const auto& anchors = program_.dynamic_anchors[resource];
            if (const auto found = anchors.find(name); found != anchors.end()) return found->second;
        }
        return one.a;
    }

    bool all_of(const Instruction& one, const Value& value, const Where* where,
                Evaluated* evaluated) {
        bool fine = true;
        for (std::uint32_t i = 0; i < one.b && (fine || failures_); ++i)
            fine = check(program_.subs[one.a + i], value, where, evaluated) && fine;
        return fine;
    }

    bool any_of(const Instruction& one, const Value& value, const Where* where,
                Evaluated* evaluated) {
        bool any = false;
        for (std::uint32_t i = 0; i < one.b && (!any || evaluated); ++i)
            any = quietly(program_.subs[one.a + i], value, where, evaluated) || any;
        return any || fail(one.path, where, [&] {
                   return "must fit one at least of " + std::to_string(one.b) + " schemas";
               });
    }

    bool one_of(const Instruction& one, const Value& value, const Where* where,
                Evaluated* evaluated) {
        std::uint32_t count = 0;
        for (std::uint32_t i = 0; i < one.b && count < 2; ++i)
            count += quietly(program_.subs[one.a + i], value, where, evaluated);
        return count == 1 || fail(one.path, where, [&] {
                   return "must fit exactly one of " + std::to_string(one.b) +
                          " schemas, and fits " + (count == 0 ? "none" : "several");
               });
    }

    bool conditional(const Instruction& one, const Value& value, const Where* where,
                     Evaluated* evaluated) {
        const bool holds = quietly(program_.subs[one.a], value, where, evaluated);
        const SubId then = program_.subs[one.a + (holds ? 1 : 2)];
        return then == kNoSub || check(then, value, where, evaluated);
    }

    bool properties(const Instruction& one, const Value& value, const Where* where,
                    Evaluated* evaluated) {
        if (value.type() != JsonType::kObject) return true;
        const ObjectRules& rules = program_.objects[one.a];
        bool fine = true;
        std::size_t index = 0;
        std::uint64_t seen = 0;
        for (const core::JsonMember member : core::JsonMembers(value.element)) {
            const std::size_t at = index++;
            const Where inner{where, member.key, 0, false};
            if (!spend(1 + rules.patterns.size(), where)) return false;
            const bool known = one_member(rules, member, inner, fine, seen);
            const bool additional = !known && rules.additional != kNoSub;
            if (additional)
                fine = check(rules.additional, {member.value, {}, false}, &inner, nullptr) && fine;
            if (evaluated && (known || additional)) evaluated->parts[at] = true;
            if (!fine && !failures_) return false;
        }
        // With somebody who wants words the instruction for it has told them.
        return fine && (failures_ || (seen & rules.required) == rules.required);
    }

    // The place of a name in `properties`; their number where it is none.
    static std::size_t place_of(const ObjectRules& rules, std::string_view name) {
        const std::size_t count = rules.properties.size();
        if (rules.hashes.empty()) {
            const auto named = std::lower_bound(
                rules.properties.begin(), rules.properties.end(), name,
                [](const auto& entry, std::string_view key) { return entry.first < key; });
            const bool known = named != rules.properties.end() && named->first == name;
            return known ? static_cast<std::size_t>(named - rules.properties.begin()) : count;
        }
        const std::uint64_t hash = core::hash_key(name);
        for (std::size_t i = 0; i < count; ++i) {
            if (rules.hashes[i] == hash && rules.properties[i].first == name) return i;
        }
        return count;
    }

    // Whether properties or patternProperties speak of it.
    bool one_member(const ObjectRules& rules, const core::JsonMember& member, const Where& inner,
                    bool& fine, std::uint64_t& seen) {
        const Value value{member.value, {}, false};
        const std::size_t place = place_of(rules, member.key);
        bool known = place < rules.properties.size();
        if (known) {
            if (place < kHashedPropertiesMax) seen |= std::uint64_t{1} << place;
            fine = check(rules.properties[place].second, value, &inner, nullptr) && fine;
        }
        for (const auto& [regex, sub] : rules.patterns) {
            if (!program_.regexes[regex].found_in(member.key)) continue;
            known = true;
            fine = check(sub, value, &inner, nullptr) && fine;
        }
        return known;
    }

    bool property_names(const Instruction& one, const Value& value, const Where* where) {
        if (value.type() != JsonType::kObject) return true;
        bool fine = true;
        for (const core::JsonMember member : core::JsonMembers(value.element)) {
            const Where inner{where, member.key, 0, false};
            fine = check(one.a, {{}, member.key, true}, &inner, nullptr) && fine;
            if (!fine && !failures_) return false;
        }
        return fine;
    }

    bool items(const Instruction& one, const Value& value, const Where* where,
               Evaluated* evaluated) {
        if (value.type() != JsonType::kArray) return true;
        const ArrayRules& rules = program_.arrays[one.a];
        bool fine = true;
        std::size_t index = 0;
        for (const JsonElement item : core::JsonArray(value.element)) {
            const std::size_t at = index++;
            const SubId sub = at < rules.prefix.size() ? rules.prefix[at] : rules.rest;
            if (sub == kNoSub) break;
            const Where inner{where, {}, at, true};
            fine = check(sub, {item, {}, false}, &inner, nullptr) && fine;
            if (evaluated) evaluated->parts[at] = true;
            if (!fine && !failures_) return false;
        }
        return fine;
    }

    bool contains(const Instruction& one, const Value& value, const Where* where,
                  Evaluated* evaluated) {
        if (value.type() != JsonType::kArray) return true;
        const ContainsRules& rules = program_.counts[one.a];
        std::uint64_t count = 0;
        std::size_t index = 0;
        for (const JsonElement item : core::JsonArray(value.element)) {
            const std::size_t at = index++;
            const Where inner{where, {}, at, true};
            if (!quietly(rules.sub, {item, {}, false}, &inner, nullptr)) continue;
            ++count;
            if (evaluated && rules.evaluates) evaluated->parts[at] = true;
        }
        return (count >= rules.min && count <= rules.max) || fail(one.path, where, [&] {
                   return "must hold from " + std::to_string(rules.min) + " to " +
                          (rules.max == ~std::uint64_t{0} ? "any number"
                                                          : std::to_string(rules.max)) +
                          " of these, and holds " + std::to_string(count);
               });
    }

    bool unevaluated(const Instruction& one, const Value& value, const Where* where,
                     Evaluated* evaluated) {
        const bool object = one.op == Op::kUnevaluatedProperties;
        if (value.type() != (object ? JsonType::kObject : JsonType::kArray) || !evaluated)
            return true;
        bool fine = true;
        std::size_t index = 0;
        const auto part = [&](JsonElement element, const Where& inner) {
            const std::size_t at = index++;
            if (evaluated->parts[at]) return;
            fine = check(one.a, {element, {}, false}, &inner, nullptr) && fine;
        };
        if (object) {
            for (const core::JsonMember member : core::JsonMembers(value.element))
                part(member.value, {where, member.key, 0, false});
        } else {
            for (const JsonElement item : core::JsonArray(value.element))
                part(item, {where, {}, index, true});
        }
        evaluated->all();
        return fine;
    }

    const Program& program_;
    const std::size_t failures_max_;
    std::vector<Failure>* failures_;
    std::vector<std::uint32_t> scope_;  // resources, from the outermost
    std::uint64_t steps_ = 0;
    std::size_t frames_ = 0;
    bool given_up_ = false;
};

}  // namespace

std::vector<Failure> validate(const Program& program, core::JsonElement value,
                              std::size_t failures_max) {
    std::vector<Failure> failures;
    if (fits(program, value)) return failures;
    if (failures_max > 0) (void)Run(program, failures_max, &failures).run(value);
    if (failures.empty()) failures.push_back({"", "", "#", "does not fit"});
    return failures;
}

bool fits(const Program& program, core::JsonElement value) {
    return Run(program, 0, nullptr).run(value);
}

}  // namespace millrace::runtime::schema
