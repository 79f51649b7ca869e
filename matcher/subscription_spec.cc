#include "matcher/subscription_spec.h"

#include "core/limits.h"
#include "matcher/filter/condition.h"
#include "matcher/filter/dialects.h"
#include "matcher/filter/limits.h"
#include "matcher/filter/path_parser.h"
#include "matcher/filter/text_scanner.h"
#include "matcher/filter/wildcard.h"
#include "matcher/regex/regex.h"

#include <charconv>
#include <utility>
#include <vector>

namespace millrace::matcher {
namespace {

using PatternKind = PatternPredicate::Kind;

// More JSON values than any accepted filter has: an early end for absurd ones.
constexpr std::size_t kFilterJsonValuesMax = 100'000;

tl::unexpected<core::Error> located(core::Error error, const std::string& field) {
    if (error.field.empty()) error.field = field;
    return core::fail(std::move(error));
}

core::Result<JsonValue> parse_member(std::string_view text, const std::string& field) {
    if (text.size() > kFilterBytesMax) {
        return located(
            core::Error(core::ErrorCode::kValidation, field + ": " + std::to_string(text.size()) +
                                                          " bytes exceed the limit of " +
                                                          std::to_string(kFilterBytesMax))
                .bound(kFilterBytesMax),
            field);
    }
    auto value = parse_json(text, kFilterJsonValuesMax);
    if (!value) return located(std::move(value.error()), field);
    return value;
}

core::Status check_pattern_bytes(const PatternPredicate& pattern) {
    if (pattern.value.empty())
        return core::fail(core::Error(core::ErrorCode::kValidation, "pattern is empty"));
    if (pattern.kind == PatternKind::kWildcard || pattern.kind == PatternKind::kRegex) return {};
    if (pattern.value.size() <= core::kPatternBytesMax) return {};
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  "a pattern of " + std::to_string(pattern.value.size()) +
                                      " bytes exceeds the limit of " +
                                      std::to_string(core::kPatternBytesMax))
                          .bound(core::kPatternBytesMax));
}

core::Result<PatternPredicate> finish_pattern(PatternPredicate pattern, const std::string& field) {
    core::Status checked = check_pattern_bytes(pattern);
    if (checked && pattern.kind == PatternKind::kWildcard) {
        auto wildcard = parse_wildcard(pattern.value);
        if (!wildcard) checked = core::fail(std::move(wildcard.error()));
        if (pattern.value == "*") pattern = {};
    }
    if (checked && pattern.kind == PatternKind::kRegex) {
        auto regex = Regex::compile(pattern.value);
        if (!regex) checked = core::fail(std::move(regex.error()));
    }
    if (!checked) return located(std::move(checked.error()), field);
    return pattern;
}

bool find_pattern_kind(std::string_view name, PatternKind& out) {
    constexpr std::pair<std::string_view, PatternKind> kKinds[] = {
        {"exact", PatternKind::kExact},   {"prefix", PatternKind::kPrefix},
        {"suffix", PatternKind::kSuffix}, {"wildcard", PatternKind::kWildcard},
        {"regex", PatternKind::kRegex},
    };
    for (const auto& [text, kind] : kKinds) {
        if (text == name) return out = kind, true;
    }
    return false;
}

// "invoice.created" is exact, "invoice.*" a wildcard, {"type", "value"} what it says.
core::Result<PatternPredicate> read_pattern(const JsonValue& value) {
    PatternPredicate pattern;
    if (value.is_string()) {
        pattern.kind = has_star(value.text) ? PatternKind::kWildcard : PatternKind::kExact;
        pattern.value = value.text;
        return finish_pattern(std::move(pattern), "pattern");
    }
    if (!value.is_object())
        return located(expected("a string or {\"type\", \"value\"}", value), "pattern");
    for (const JsonMember& member : value.members) {
        if (member.name == "type" || member.name == "value") continue;
        return located(invalid("unknown member; expected type and value", member.position),
                       "pattern." + member.name.substr(0, 64));
    }
    const JsonValue* type = value.find("type");
    const JsonValue* text = value.find("value");
    if (text == nullptr || !text->is_string()) {
        return located(text ? expected("a string", *text)
                            : invalid("expected a member \"value\"", value.position),
                       "pattern.value");
    }
    pattern.kind = PatternKind::kExact;
    if (type != nullptr && (!type->is_string() || !find_pattern_kind(type->text, pattern.kind))) {
        return located(
            invalid("expected one of exact, prefix, suffix, wildcard, regex", type->position),
            "pattern.type");
    }
    pattern.value = text->text;
    return finish_pattern(std::move(pattern), "pattern.value");
}

bool is_event_form(std::string_view form) {
    return form == "event-pattern" || form == "eventPattern" || form == "event";
}

// {"form": "event-pattern", ...}: the mark inside the filter itself.
bool takes_inner_form(JsonValue& filter) {
    const JsonValue* form = filter.find("form");
    if (form == nullptr || !form->is_string() || form->text != "event-pattern") return false;
    std::erase_if(filter.members, [](const JsonMember& member) { return member.name == "form"; });
    return true;
}

core::Result<Predicate> read_filter(JsonValue filter, std::string_view form,
                                    const std::string& field) {
    if (filter.type == JsonValue::Type::kNull) return Predicate::always();
    if (filter.is_string()) return parse_expression(filter.text, field);
    if (filter.is_array()) return parse_list_filter(filter, field);
    if (!filter.is_object())
        return located(expected("an object, a list or an expression", filter), field);
    if (is_event_form(form) || takes_inner_form(filter)) return parse_event_pattern(filter, field);
    return parse_map_filter(filter, field);
}

core::Result<std::string> read_form(std::string_view text) {
    if (text.empty()) return std::string();
    auto value = parse_member(text, "form");
    if (!value) return core::fail(std::move(value.error()));
    if (value->type == JsonValue::Type::kNull) return std::string();
    if (value->is_string() && (is_event_form(value->text) || value->text == "map" ||
                               value->text == "list" || value->text == "expression")) {
        return value->text;
    }
    return located(invalid("expected one of event-pattern, map, list, expression", value->position),
                   "form");
}

// A form is a form of something: of `filters`, or of an object or list in `filter`.
core::Status check_form(std::string_view form, const SubscriptionText& text) {
    const auto holds_tree = [](std::string_view member) {
        return member.starts_with('{') || member.starts_with('[');
    };
    if (form.empty() || holds_tree(text.filters) || holds_tree(text.filter)) return {};
    if (form == "expression" && !(text.filters.empty() && text.filter.empty())) return {};
    return located(
        core::Error(core::ErrorCode::kValidation,
                    "form is \"" + std::string(form) + "\", and there are no filters of that form"),
        "form");
}

core::Result<std::int32_t> read_priority(std::string_view text) {
    auto value = parse_member(text, "priority");
    if (!value) return core::fail(std::move(value.error()));
    if (value->type == JsonValue::Type::kNull) return 0;
    std::int32_t priority = 0;
    const char* end = value->text.data() + value->text.size();
    const auto [stop, error] = std::from_chars(value->text.data(), end, priority);
    if (!value->is_number() || error != std::errc() || stop != end) {
        return located(
            invalid("expected an integer between -2147483648 and 2147483647", value->position),
            "priority");
    }
    return priority;
}

}  // namespace

core::Result<SubscriptionSpec> parse_subscription(const SubscriptionText& text) {
    SubscriptionSpec spec;
    if (!text.pattern.empty()) {
        auto value = parse_member(text.pattern, "pattern");
        if (!value) return core::fail(std::move(value.error()));
        if (value->type != JsonValue::Type::kNull) {
            auto pattern = read_pattern(*value);
            if (!pattern) return core::fail(std::move(pattern.error()));
            spec.pattern = std::move(*pattern);
        }
    }
    auto form = read_form(text.form);
    if (!form) return core::fail(std::move(form.error()));
    if (auto meant = check_form(*form, text); !meant) return core::fail(std::move(meant.error()));
    std::vector<Predicate> all;
    for (const auto& [name, member] :
         {std::pair{"filters", text.filters}, std::pair{"filter", text.filter}}) {
        if (member.empty()) continue;
        auto value = parse_member(member, name);
        if (!value) return core::fail(std::move(value.error()));
        auto predicate = read_filter(std::move(*value), *form, name);
        if (!predicate) return core::fail(std::move(predicate.error()));
        all.push_back(std::move(*predicate));
    }
    spec.predicate = Predicate::all_of(std::move(all));
    if (!text.priority.empty()) {
        auto priority = read_priority(text.priority);
        if (!priority) return core::fail(std::move(priority.error()));
        spec.priority = *priority;
    }
    if (auto fits = check_limits(spec.predicate, spec.pattern); !fits) {
        return located(std::move(fits.error()), text.filters.empty() ? "filter" : "filters");
    }
    return spec;
}

core::Result<SubscriptionSpec> parse_subscription_json(std::string_view json) {
    auto object = parse_member(json, "subscription");
    if (!object) return core::fail(std::move(object.error()));
    if (!object->is_object()) return located(expected("an object", *object), "subscription");
    const auto text_of = [&](std::string_view name) {
        const JsonValue* member = object->find(name);
        return member != nullptr ? to_json(*member) : std::string();
    };
    const std::string pattern = text_of("pattern");
    const std::string filters = text_of("filters");
    const std::string filter = text_of("filter");
    const std::string form = text_of("form");
    const std::string priority = text_of("priority");
    return parse_subscription({pattern, filters, filter, form, priority});
}

core::Result<Predicate> parse_any_filter(std::string_view text) {
    std::size_t begin = 0;
    while (begin < text.size() && is_json_space(text[begin])) ++begin;
    core::Result<Predicate> predicate = Predicate::always();
    if (begin < text.size() && (text[begin] == '{' || text[begin] == '[')) {
        auto value = parse_member(text, "filter");
        if (!value) return core::fail(std::move(value.error()));
        predicate = read_filter(std::move(*value), {}, "filter");
    } else if (text.size() > kFilterBytesMax) {
        return located(
            core::Error(core::ErrorCode::kValidation, "filter: " + std::to_string(text.size()) +
                                                          " bytes exceed the limit of " +
                                                          std::to_string(kFilterBytesMax))
                .bound(kFilterBytesMax),
            "filter");
    } else {
        predicate = parse_expression(text, "filter");
    }
    if (!predicate) return predicate;
    if (auto fits = check_limits(*predicate, {}); !fits)
        return located(std::move(fits.error()), "filter");
    return predicate;
}

}  // namespace millrace::matcher
