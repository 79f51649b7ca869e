// What: how long events of a pattern (and tenant) are kept, where that differs from the rest: the
//       text of the configuration, and which rule an event falls under.
//           audit.*=365d debug.*=2h payments.*@0=30d,5000000000 legal.hold=0
//       PATTERN[@TENANT]=AGE[,BYTES], separated by blanks or ';'. A pattern that ends in '*' means
//       all that begin so. AGE 0: for ever. BYTES: of the events' texts; with more, the oldest go.
//       The first rule that fits counts; events that none fits fall under retention.age.
// Threads: values. Lifetime: none. Limits: kRulesMax. Failure: Errors that name the rule.
#pragma once

#include "core/ids.h"
#include "core/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

struct EventRule {
    std::string pattern;
    bool prefix = false;  // `pattern` is what the event's begins with
    std::optional<core::TenantId> tenant{};
    std::int64_t age_us = 0;  // 0: for ever
    std::uint64_t bytes = 0;  // 0: any number

    bool fits(std::string_view event_pattern) const {
        return prefix ? event_pattern.starts_with(pattern) : event_pattern == pattern;
    }
    bool operator==(const EventRule&) const = default;
};

inline constexpr std::size_t kRulesMax = 31;

core::Result<std::vector<EventRule>> parse_event_rules(std::string_view text);

// The index of the rule that the event falls under; rules.size(): none.
inline std::size_t rule_of(const std::vector<EventRule>& rules, std::string_view pattern,
                           core::TenantId tenant) {
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (rules[i].fits(pattern) && (!rules[i].tenant || *rules[i].tenant == tenant)) return i;
    }
    return rules.size();
}

}  // namespace millrace::store
