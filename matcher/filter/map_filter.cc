#include "matcher/filter/condition.h"
#include "matcher/filter/dialects.h"
#include "matcher/filter/limits.h"
#include "matcher/filter/path_parser.h"

#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::matcher {
namespace {

// One map at one place of the filter: a list of conditions that must all hold.
class MapReader {
public:
    // NOLINTNEXTLINE(misc-no-recursion): bounded by kFilterDepthMax
    core::Result<Predicate> read(const JsonValue& map, const std::string& field,
                                 std::size_t depth) {
        if (!map.is_object()) return located(expected("an object of conditions", map), field);
        if (depth > kFilterDepthMax) return located(too_deep(map), field);
        std::vector<Predicate> all;
        for (const JsonMember& member : map.members) {
            auto condition = read_member(member, field + "." + member.name.substr(0, 64), depth);
            if (!condition) return condition;
            all.push_back(std::move(*condition));
        }
        return Predicate::all_of(std::move(all));
    }

private:
    static tl::unexpected<core::Error> located(core::Error error, const std::string& field) {
        if (error.field.empty()) error.field = field;
        return core::fail(std::move(error));
    }
    static core::Error too_deep(const JsonValue& at) {
        return invalid("conditions nested deeper than " + std::to_string(kFilterDepthMax),
                       at.position)
            .bound(kFilterDepthMax);
    }

    // NOLINTNEXTLINE(misc-no-recursion): bounded by kFilterDepthMax
    core::Result<Predicate> read_member(const JsonMember& member, const std::string& field,
                                        std::size_t depth) {
        if (member.name == "$or" || member.name == "$and") return read_group(member, field, depth);
        if (member.name == "$not") {
            auto inner = read(member.value, field, depth + 1);
            if (!inner) return inner;
            return Predicate::negation(std::move(*inner));
        }
        auto path = parse_map_key(member.name);
        if (!path) {
            core::Error error = std::move(path.error());
            error.position = member.position;
            return located(std::move(error), field);
        }
        return read_value(*path, member.value, field, depth);
    }

    // NOLINTNEXTLINE(misc-no-recursion): bounded by kFilterDepthMax
    core::Result<Predicate> read_group(const JsonMember& member, const std::string& field,
                                       std::size_t depth) {
        if (!member.value.is_array() || member.value.elements.empty()) {
            return located(expected("a list of objects of conditions", member.value), field);
        }
        std::vector<Predicate> parts;
        for (std::size_t i = 0; i < member.value.elements.size(); ++i) {
            auto part =
                read(member.value.elements[i], field + "[" + std::to_string(i) + "]", depth + 1);
            if (!part) return part;
            parts.push_back(std::move(*part));
        }
        return member.name == "$or" ? Predicate::any_of(std::move(parts))
                                    : Predicate::all_of(std::move(parts));
    }

    // A scalar is equality, a list is `in`, an object holds operators.
    // NOLINTNEXTLINE(misc-no-recursion): bounded by kFilterDepthMax
    core::Result<Predicate> read_value(const Path& path, const JsonValue& value,
                                       const std::string& field, std::size_t depth) {
        if (value.is_object()) return read_operators(path, value, field, depth);
        auto condition = make_condition(
            path, value.is_array() ? FilterOperator::kIn : FilterOperator::kEquals, value);
        if (!condition) return located(std::move(condition.error()), field);
        return condition;
    }

    // NOLINTNEXTLINE(misc-no-recursion): bounded by kFilterDepthMax
    core::Result<Predicate> read_operators(const Path& path, const JsonValue& object,
                                           const std::string& field, std::size_t depth) {
        if (depth > kFilterDepthMax) return located(too_deep(object), field);
        if (object.members.empty())
            return located(invalid("expected an operator", object.position), field);
        std::vector<Predicate> all;
        for (const JsonMember& member : object.members) {
            const std::string inside = field + "." + member.name.substr(0, 64);
            if (member.name == "not") {
                auto inner = read_value(path, member.value, inside, depth + 1);
                if (!inner) return inner;
                all.push_back(Predicate::negation(std::move(*inner)));
                continue;
            }
            FilterOperator op{};
            if (!find_operator(member.name, op)) {
                return located(invalid("unknown operator \"" + member.name.substr(0, 64) +
                                           "\"; expected one of " + operator_list() +
                                           ", not (a nested field is written with dots)",
                                       member.position),
                               inside);
            }
            auto condition = make_condition(path, op, member.value);
            if (!condition) return located(std::move(condition.error()), inside);
            all.push_back(std::move(*condition));
        }
        if (auto merged = merge_bounds(all, object, field); !merged)
            return core::fail(std::move(merged.error()));
        return Predicate::all_of(std::move(all));
    }

    // One lower and one upper bound of one field are one range: an element of an array has to lie
    // inside.
    static core::Status merge_bounds(std::vector<Predicate>& all, const JsonValue& object,
                                     const std::string& field) {
        std::optional<std::size_t> lower;
        std::optional<std::size_t> upper;
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (all[i].kind != Predicate::Kind::kLeaf || all[i].leaf.op != Op::kRange) continue;
            const bool has_lower = all[i].leaf.operands[0].type != Scalar::Type::kNull;
            const bool has_upper = all[i].leaf.operands[1].type != Scalar::Type::kNull;
            if (has_lower && !has_upper && !lower) lower = i;
            if (has_upper && !has_lower && !upper) upper = i;
        }
        if (!lower || !upper) return {};
        RangeRequest range;
        range.path = all[*lower].leaf.path;
        range.lower = all[*lower].leaf.operands[0];
        range.upper = all[*upper].leaf.operands[1];
        range.lower_inclusive = all[*lower].leaf.lower_inclusive;
        range.upper_inclusive = all[*upper].leaf.upper_inclusive;
        range.position = object.position;
        auto merged = make_range(std::move(range));
        if (!merged) return located(std::move(merged.error()), field);
        all[*lower] = Predicate::of(std::move(*merged));
        all.erase(all.begin() + static_cast<std::ptrdiff_t>(*upper));
        return {};
    }
};

}  // namespace

core::Result<Predicate> parse_map_filter(const JsonValue& filter, const std::string& field) {
    return MapReader().read(filter, field, 0);
}

}  // namespace millrace::matcher
