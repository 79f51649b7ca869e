#include "runtime/event/snake_names.h"

#include "core/duration.h"
#include "runtime/event/json_scan.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace millrace::runtime {
namespace {

struct Name {
    std::string_view snake;  // with quotes
    std::string_view camel;
    // From the value as it stands (its JSON text) to ours; null: as it is.
    std::string (*value)(std::string_view text) = nullptr;
};

std::string_view unquoted(std::string_view quoted) { return quoted.substr(1, quoted.size() - 2); }

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

core::Error both(std::string_view one, std::string_view other) {
    const std::string name(unquoted(one));
    return core::Error(core::ErrorCode::kValidation, name + " and " + std::string(unquoted(other)) +
                                                         " say the same; give one of them")
        .in(name);
}

// The members of one object that have been written, of those that have several names.
template <std::size_t N>
class Renamer {
public:
    explicit Renamer(const Name (&names)[N]) : names_(names) {}

    // The member's own name of ours, and its value; an Error when it was said before by another.
    core::Status take(std::string_view& key, std::string& value) {
        for (std::size_t i = 0; i < N; ++i) {
            const Name& name = names_[i];
            if (name.snake != key && name.camel != key) continue;
            std::string_view& said = said_[first_of(i)];
            if (!said.empty() && said != key) return core::fail(both(key, said));
            said = key;
            if (name.snake != key) return {};
            key = name.camel;
            if (name.value) value = name.value(value);
            return {};
        }
        return {};
    }

private:
    // Several may stand for one of ours.
    std::size_t first_of(std::size_t index) const {
        std::size_t first = 0;
        while (names_[first].camel != names_[index].camel) ++first;
        return first;
    }

    const Name (&names_)[N];
    std::array<std::string_view, N> said_{};
};

void append_member(std::string& object, std::string_view key, std::string_view value) {
    if (object.size() > 1) object += ',';
    object.append(key).append(":").append(value);
}

// The older document's strategies by our members.
core::Status take_strategy(std::string_view& key, std::string& value) {
    constexpr std::array<std::array<std::string_view, 3>, 3> kStrategies = {
        {{"\"exponential\"", "\"schedule\"", "\"backoff\""},
         {"\"fixed\"", "\"backoffFactor\"", "1"},
         {"\"none\"", "\"maxRetries\"", "0"}}};
    for (const auto& [strategy, member, text] : kStrategies) {
        if (value != strategy) continue;
        key = member;
        value = text;
        return {};
    }
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  "retry_policy.strategy is " + value.substr(0, 64) +
                                      "; expected exponential, fixed or none")
                          .in("retry_policy.strategy"));
}

core::Result<std::string> inner_object(std::string_view object, std::string begin = "{") {
    Renamer names(kInnerNames);
    std::string out = std::move(begin);
    core::Status good;
    const bool whole = scan_members(object, [&](std::string_view key, std::string_view text) {
        std::string value(text);
        const std::string_view asked = key;
        if (key == "\"strategy\"") good = take_strategy(key, value);
        if (good) good = names.take(key, value);
        if (!good && asked == "\"strategy\"" && good.error().field != "retry_policy.strategy")
            good = core::fail(both(asked, key));
        append_member(out, key, value);
        return good.has_value();
    });
    if (!good) return core::fail(std::move(good.error()));
    return whole ? out + "}" : std::string(object);
}

// An older document's handler: what executes it stands in two members, and its type of events is
// the pattern of an event or its class.
struct OlderHandler {
    std::string_view type, configuration;

    bool takes(std::string_view key, std::string_view value) {
        if (key == "\"executor_type\"") return type = value, true;
        if (key == "\"configuration\"") return configuration = value, true;
        return false;
    }
};

bool is_plain_name(std::string_view quoted) {
    return quoted.size() > 2 && quoted.front() == '"' &&
           unquoted(quoted).find_first_not_of(
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
               "0123456789._-:") == std::string_view::npos;
}

core::Result<std::string> top_object(std::string_view object) {
    Renamer names(kTopNames);
    OlderHandler handler;
    const bool older = !member_of(object, "\"executor_type\"").empty();
    const bool either = older && member_of(object, "\"filter\"").empty() &&
                        is_plain_name(member_of(object, "\"event_type\""));
    std::string out = "{";
    core::Status good;
    const bool whole = scan_members(object, [&](std::string_view key, std::string_view text) {
        if (older && handler.takes(key, text)) return true;
        if (older && key == "\"executor\"") good = core::fail(both("\"executor_type\"", key));
        std::string value(text);
        const std::string_view asked = key;
        if (good) good = names.take(key, value);
        if (!good) return false;
        if (either && asked == "\"event_type\"") {
            append_member(out, key, "\"*\"");
            const std::string name(unquoted(text));
            key = "\"filter\"";
            value = "\"$.pattern == '" + name + "' || $.metadata.class == '" + name + "'\"";
        }
        const bool inner = value.starts_with('{') &&
                           (key == "\"retry\"" || key == "\"executor\"" || key == "\"catchUp\"");
        if (inner) {
            auto renamed = inner_object(value);
            if (!renamed) {
                good = core::fail(std::move(renamed.error()));
                return false;
            }
            value = std::move(*renamed);
        }
        append_member(out, key, value);
        return true;
    });
    if (!good) return core::fail(std::move(good.error()));
    if (!whole) return std::string(object);
    if (older) {
        auto executor = inner_object(handler.configuration.empty() ? "{}" : handler.configuration,
                                     "{\"type\":" + std::string(handler.type));
        if (!executor) return executor;
        append_member(out, "\"executor\"", *executor);
    }
    return out + "}";
}

}  // namespace

core::Result<std::string> camel_case_body(std::string_view body) {
    if (body.find('_') == std::string_view::npos) return std::string(body);
    return top_object(body);
}

std::string with_camel_case_names(std::string_view body) {
    auto renamed = camel_case_body(body);
    return renamed ? std::move(*renamed) : std::string(body);
}

}  // namespace millrace::runtime
