#include "store/retention/event_rules.h"

#include "core/duration.h"

#include <charconv>

namespace millrace::store {
namespace {

template <typename Number>
bool read_number(std::string_view text, Number& out) {
    const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
    return !text.empty() && read.ec == std::errc{} && read.ptr == text.data() + text.size();
}

bool parse_rule(std::string_view text, EventRule& rule) {
    const std::size_t equals = text.rfind('=');
    if (equals == std::string_view::npos) return false;
    std::string_view what = text.substr(0, equals);
    std::string_view limits = text.substr(equals + 1);
    if (const std::size_t at = what.rfind('@'); at != std::string_view::npos) {
        std::uint32_t tenant = 0;
        if (!read_number(what.substr(at + 1), tenant)) return false;
        rule.tenant = core::TenantId{tenant};
        what = what.substr(0, at);
    }
    rule.prefix = what.ends_with('*');
    if (rule.prefix) what.remove_suffix(1);
    // A star elsewhere would look as if it meant something.
    if ((what.empty() && !rule.prefix) || what.find('*') != std::string_view::npos) return false;
    rule.pattern = what;
    if (const std::size_t comma = limits.find(','); comma != std::string_view::npos) {
        if (!read_number(limits.substr(comma + 1), rule.bytes) || rule.bytes == 0) return false;
        limits = limits.substr(0, comma);
    }
    return core::parse_told_duration_us(limits, rule.age_us);
}

}  // namespace

core::Result<std::vector<EventRule>> parse_event_rules(std::string_view text) {
    constexpr std::string_view kBetween = " \t\n;";
    std::vector<EventRule> rules;
    for (;;) {
        const std::size_t begin = text.find_first_not_of(kBetween);
        if (begin == std::string_view::npos) return rules;
        text.remove_prefix(begin);
        const std::string_view one = text.substr(0, text.find_first_of(kBetween));
        text.remove_prefix(one.size());
        EventRule rule;
        if (!parse_rule(one, rule)) {
            return core::fail(core::ErrorCode::kValidation,
                              "retention.rules: '" + std::string(one) +
                                  "' is no rule; write PATTERN[@TENANT]=AGE[,BYTES], a pattern may "
                                  "end in *");
        }
        if (rules.size() == kRulesMax) {
            return core::fail(core::ErrorCode::kValidation,
                              "retention.rules: at most " + std::to_string(kRulesMax) + " rules");
        }
        rules.push_back(std::move(rule));
    }
}

}  // namespace millrace::store
