#include "runtime/node/member_merge.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

namespace millrace::runtime::node {
namespace {

// A rule's path is dots between names: no member of ours has one in it.
constexpr std::size_t kPathDepthMax = 8;

void write_number(core::JsonWriter& json, double number) {
    // Whole ones stay whole; shares and rates have two digits behind the point, as each had.
    const double rounded = std::round(number * 100) / 100;
    if (std::abs(rounded) < 9e15 && rounded == std::floor(rounded))
        json.value(static_cast<std::int64_t>(rounded));
    else
        json.value(rounded);
}

template <typename Better>
void best_number(core::JsonWriter& json, PartValues values, Better better) {
    const PartValue* best = nullptr;
    double best_number = 0;
    for (const PartValue& one : values) {
        double number = 0;
        if (!one.value.get(number) || (best && !better(number, best_number))) continue;
        best = &one;
        best_number = number;
    }
    json.raw(best ? best->value.raw() : std::string_view("null"));
}

template <typename Better>
void best_text(core::JsonWriter& json, PartValues values, Better better) {
    std::string_view best;
    for (const PartValue& one : values) {
        std::string_view text;
        if (one.value.get(text) && !text.empty() && (best.empty() || better(text, best)))
            best = text;
    }
    if (best.empty())
        json.value(nullptr);
    else
        json.value(best);
}

ValueMerge rule_of(std::span<const MemberRule> rules, std::string_view path) {
    for (const MemberRule& rule : rules) {
        if (rule.path == path) return rule.merge;
    }
    return nullptr;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the answers, bounded by kPathDepthMax
void append_below(core::JsonWriter& json, PartValues objects, std::span<const MemberRule> rules,
                  const std::string& above, std::size_t depth) {
    std::vector<std::string_view> names;
    for (const PartValue& object : objects) {
        core::JsonMembers members;
        if (!object.value.get(members)) continue;
        for (const core::JsonMember member : members) {
            if (std::find(names.begin(), names.end(), member.key) == names.end())
                names.push_back(member.key);
        }
    }
    for (const std::string_view name : names) {
        const std::vector<PartValue> values = values_of(objects, name);
        const std::string path =
            above.empty() ? std::string(name) : above + "." + std::string(name);
        json.key(name);
        if (const ValueMerge merge = rule_of(rules, path)) {
            merge(json, values);
            continue;
        }
        const core::JsonElement first = values.front().value;
        if (first.is_object() && depth < kPathDepthMax) {
            json.begin_object();
            append_below(json, values, rules, path, depth + 1);
            json.end_object();
        } else if (first.is_number()) {
            sum_of(json, values);
        } else {
            first_of(json, values);
        }
    }
}

}  // namespace

std::vector<PartValue> values_of(PartValues objects, std::string_view name) {
    std::vector<PartValue> out;
    for (const PartValue& object : objects) {
        core::JsonElement value;
        if (object.value.find(name, value)) out.push_back({object.partition, value});
    }
    return out;
}

void sum_of(core::JsonWriter& json, PartValues values) {
    std::int64_t whole = 0;
    double real = 0;
    bool is_whole = true;
    for (const PartValue& one : values) {
        std::int64_t number = 0;
        double part = 0;
        if (!one.value.get(part)) continue;
        real += part;
        is_whole =
            is_whole && one.value.get(number) && !__builtin_add_overflow(whole, number, &whole);
    }
    if (is_whole)
        json.value(whole);
    else
        write_number(json, real);
}

void largest_of(core::JsonWriter& json, PartValues values) {
    best_number(json, values, [](double a, double b) { return a > b; });
}

void smallest_of(core::JsonWriter& json, PartValues values) {
    best_number(json, values, [](double a, double b) { return a < b; });
}

void first_of(core::JsonWriter& json, PartValues values) {
    for (const PartValue& one : values) {
        if (one.value.is_null()) continue;
        json.raw(one.value.raw());
        return;
    }
    json.value(nullptr);
}

void true_of_all(core::JsonWriter& json, PartValues values) {
    json.value(std::all_of(values.begin(), values.end(), [](const PartValue& one) {
        return one.value.type() == core::JsonType::kTrue;
    }));
}

void true_of_any(core::JsonWriter& json, PartValues values) {
    json.value(std::any_of(values.begin(), values.end(), [](const PartValue& one) {
        return one.value.type() == core::JsonType::kTrue;
    }));
}

void earliest_of(core::JsonWriter& json, PartValues values) {
    best_text(json, values, [](std::string_view a, std::string_view b) { return a < b; });
}

void latest_of(core::JsonWriter& json, PartValues values) {
    best_text(json, values, [](std::string_view a, std::string_view b) { return a > b; });
}

void append_with_partition(core::JsonWriter& json, const PartValue& object) {
    core::JsonMembers members;
    if (!object.value.get(members)) {
        json.raw(object.value.raw());
        return;
    }
    json.begin_object();
    for (const core::JsonMember member : members) {
        if (member.key != "partition") json.raw_field(member.key, member.value.raw());
    }
    json.field("partition", object.partition).end_object();
}

std::string with_partition(std::string_view object, std::size_t partition) {
    core::JsonDom dom;
    core::JsonDom::Options any_size;
    any_size.bytes_max = object.size();
    const auto root = dom.parse(object, any_size);
    if (!root) return std::string(object);
    std::string out;
    core::JsonWriter json(out);
    append_with_partition(json, {partition, *root});
    return out;
}

void each_of(core::JsonWriter& json, PartValues values) {
    json.begin_array();
    for (const PartValue& one : values) {
        core::JsonArray items;
        if (!one.value.get(items)) continue;
        for (const core::JsonElement item : items)
            append_with_partition(json, {one.partition, item});
    }
    json.end_array();
}

void append_members(core::JsonWriter& json, PartValues objects, std::span<const MemberRule> rules) {
    append_below(json, objects, rules, {}, 0);
}

void merge_members(core::JsonWriter& json, PartValues objects, std::span<const MemberRule> rules) {
    json.begin_object();
    append_members(json, objects, rules);
    json.end_object();
}

void append_missing(core::JsonWriter& json, std::span<const std::size_t> missing) {
    if (missing.empty()) return;
    json.key("missing").begin_array();
    for (const std::size_t partition : missing) json.value(partition);
    json.end_array();
}

}  // namespace millrace::runtime::node
