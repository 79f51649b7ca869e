#include "runtime/event/snake_names.h"

#include "core/duration.h"
#include "runtime/event/json_scan.h"

#include <charconv>
#include <cstdint>

namespace millrace::runtime {
namespace {

struct Name {
    std::string_view snake;  // with quotes
    std::string_view camel;
    // From the value as it stands (its JSON text) to ours; null: as it is.
    std::string (*value)(std::string_view text) = nullptr;
};

// Attempts count the first try, retries do not. What is no such number is refused where it is read.
std::string retries_of(std::string_view attempts) {
    std::int64_t count = 0;
    const auto [end, error] =
        std::from_chars(attempts.data(), attempts.data() + attempts.size(), count);
    if (error != std::errc() || end != attempts.data() + attempts.size() || count < 1)
        return std::string(attempts);
    return std::to_string(count - 1);
}

// "1m" in milliseconds; numbers are that already.
std::string milliseconds_of(std::string_view text) {
    std::int64_t us = 0;
    const bool quoted = text.size() > 2 && text.front() == '"' && text.back() == '"';
    if (!quoted || !core::parse_duration_us(text.substr(1, text.size() - 2), us))
        return std::string(text);
    return std::to_string(us / 1000);
}

constexpr Name kTopNames[] = {{"\"event_type\"", "\"pattern\""},
                              {"\"retry_policy\"", "\"retry\""},
                              {"\"script_id\"", "\"scriptId\""},
                              {"\"script_version\"", "\"scriptVersion\""},
                              {"\"subscription_ids\"", "\"subscriptionIds\""},
                              {"\"subscription_id\"", "\"subscriptionId\""},
                              {"\"pattern_prefix\"", "\"patternPrefix\""},
                              {"\"dry_run\"", "\"dryRun\""},
                              {"\"rate_per_second\"", "\"ratePerSecond\""},
                              {"\"timeout_ms\"", "\"timeoutMs\""},
                              {"\"memory_bytes\"", "\"memoryBytes\""},
                              {"\"event_data\"", "\"payload\""},
                              {"\"schedule_type\"", "\"type\""},
                              {"\"cron_expression\"", "\"cron\""},
                              {"\"interval_ms\"", "\"intervalMs\"", milliseconds_of},
                              {"\"next_run_at\"", "\"nextRunAt\""},
                              {"\"catch_up\"", "\"catchUp\""},
                              {"\"jitter_ms\"", "\"jitterMs\""},
                              {"\"start_at\"", "\"startAt\""},
                              {"\"end_at\"", "\"endAt\""},
                              {"\"max_runs\"", "\"maxRuns\""},
                              {"\"pause_on_failure\"", "\"pauseOnFailure\""}};
constexpr Name kInnerNames[] = {{"\"script_id\"", "\"scriptId\""},
                                {"\"workflow_id\"", "\"workflowId\""},
                                {"\"timeout_ms\"", "\"timeoutMs\""},
                                {"\"rate_per_second\"", "\"ratePerSecond\""},
                                {"\"max_retries\"", "\"maxRetries\""},
                                {"\"max_attempts\"", "\"maxRetries\"", retries_of},
                                {"\"initial_delay_ms\"", "\"initialDelayMs\""},
                                {"\"max_delay_ms\"", "\"maxDelayMs\""},
                                {"\"initial_delay\"", "\"initialDelayMs\"", milliseconds_of},
                                {"\"max_delay\"", "\"maxDelayMs\"", milliseconds_of},
                                {"\"backoff_factor\"", "\"backoffFactor\""},
                                {"\"window_ms\"", "\"windowMs\""}};

template <std::size_t N>
const Name* find(const Name (&names)[N], std::string_view key) {
    for (const Name& name : names) {
        if (name.snake == key) return &name;
    }
    return nullptr;
}

template <std::size_t N>
std::string renamed(const Name (&names)[N], std::string_view object, bool top) {
    std::string out = "{";
    const bool whole = scan_members(object, [&](std::string_view key, std::string_view value) {
        const Name* name = find(names, key);
        if (name) key = name->camel;
        if (out.size() > 1) out += ',';
        out.append(key).append(":");
        const bool inner = top && value.starts_with('{') &&
                           (key == "\"retry\"" || key == "\"executor\"" || key == "\"catchUp\"");
        if (inner)
            out += renamed(kInnerNames, value, false);
        else
            out += name && name->value ? name->value(value) : std::string(value);
        return true;
    });
    return whole ? out + "}" : std::string(object);
}

}  // namespace

std::string with_camel_case_names(std::string_view body) {
    if (body.find('_') == std::string_view::npos) return std::string(body);
    return renamed(kTopNames, body, true);
}

}  // namespace millrace::runtime
