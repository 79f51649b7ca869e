#include "core/config.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#define TOML_EXCEPTIONS 0
#include "core/duration.h"
#include "core/json_writer.h"

// 3.3.0 asserts that what follows "[[" can begin a key, and answers that it can not in its next
// lines: with assertions on, a bad file would end the process instead of being told.
#define TOML_ASSERT(expression) static_cast<void>(0)
#include <toml++/toml.h>

namespace millrace::core {
namespace {

constexpr double kSecond = 1e6;
constexpr double kDay = 86'400 * kSecond;

using T = ConfigType;

constexpr ConfigKey kKeys[] = {
    {.name = "data.dir",
     .type = T::kText,
     .member = &Config::data_dir,
     .doc = "Folder of the store; one process at a time"},
    {.name = "http.listen",
     .type = T::kText,
     .member = &Config::http_listen,
     .doc = "HOST:PORT of the HTTP edge; port 0 picks a free one"},
    {.name = "http.body_bytes_max",
     .type = T::kInteger,
     .member = &Config::http_body_bytes_max,
     .min = 1024,
     .max = double(kBodyBytesMax),
     .doc = "Largest request body"},
    {.name = "http.header_bytes_max",
     .type = T::kInteger,
     .member = &Config::http_header_bytes_max,
     .min = 1024,
     .max = 1 << 20,
     .doc = "Largest request line with headers"},
    {.name = "http.idle_timeout",
     .type = T::kDuration,
     .member = &Config::http_idle_timeout_us,
     .min = kSecond / 10,
     .max = kDay,
     .doc = "A connection without a request is closed after this time"},
    {.name = "http.request_timeout",
     .type = T::kDuration,
     .member = &Config::http_request_timeout_us,
     .min = kSecond / 10,
     .max = kDay,
     .doc = "A request must have arrived whole within this time"},
    {.name = "http.connections_max",
     .type = T::kInteger,
     .member = &Config::http_connections_max,
     .min = 1,
     .max = 1'000'000,
     .doc = "Open connections per shard; further ones wait in the kernel's queue"},
    {.name = "socket.listen",
     .type = T::kText,
     .member = &Config::socket_listen,
     .doc = "HOST:PORT of the NDJSON socket; empty = none"},
    {.name = "socket.unix",
     .type = T::kText,
     .member = &Config::socket_unix,
     .doc = "Path of the Unix NDJSON socket; empty = none"},
    {.name = "engine.shards",
     .type = T::kInteger,
     .member = &Config::engine_shards,
     .min = 0,
     .max = double(kShardsMax),
     .doc = "Edge and log shards; 0 = as many as the data folder was made with, a new one gets one "
            "per core, one on two cores. Fixed when the data folder is made"},
    {.name = "engine.lanes",
     .type = T::kInteger,
     .member = &Config::engine_lanes,
     .min = 0,
     .max = double(kLanesMax),
     .alias = "EVENT_WORKER_COUNT",
     .doc = "Threads that run handlers; 0 = one per core, one on two cores"},
    {.name = "engine.pin",
     .type = T::kBoolean,
     .member = &Config::engine_pin,
     .doc = "Pin shards and lanes to cores"},
    {.name = "engine.queue_events",
     .type = T::kInteger,
     .member = &Config::engine_queue_events,
     .min = 1,
     .max = 16'777'216,
     .alias = "EVENT_BUFFER_SIZE",
     .doc = "Deliveries that wait in memory for a lane; more of them wait in the log"},
    {.name = "engine.drain_timeout",
     .type = T::kDuration,
     .member = &Config::engine_drain_timeout_us,
     .min = 0,
     .max = kDay,
     .doc = "How long SIGTERM waits for requests and handlers in flight"},
    {.name = "events.event_bytes_max",
     .type = T::kInteger,
     .member = &Config::events_event_bytes_max,
     .min = 256,
     .max = double(kEventBytesMax),
     .doc = "Largest event"},
    {.name = "events.batch_events_max",
     .type = T::kInteger,
     .member = &Config::events_batch_events_max,
     .min = 1,
     .max = double(kBatchEventsMax),
     .doc = "Most events in one request"},
    {.name = "store.durability",
     .type = T::kChoice,
     .member = &Config::store_durability,
     .choices = "fsync|os|memory",
     .doc = "What an ack means: on disk, handed to the system, or in memory"},
    {.name = "store.linger",
     .type = T::kDuration,
     .member = &Config::store_linger_us,
     .min = 0,
     .max = kSecond,
     .doc =
         "Longest time a commit waits for more while the disk is free: for clients about to come "
         "back, and of outcomes for the next events"},
    {.name = "store.sync_depth_max",
     .type = T::kInteger,
     .member = &Config::store_sync_depth_max,
     .min = 1,
     .max = 8,
     .doc = "Most syncs of the log at the disk at once, where several gain; 1 = never more than "
            "one"},
    {.name = "store.reserve_bytes",
     .type = T::kInteger,
     .member = &Config::store_reserve_bytes,
     .min = 0,
     .max = 1e15,
     .doc = "With less free disk than this, ingest is refused with 503"},
    {.name = "store.kv_history",
     .type = T::kDuration,
     .member = &Config::store_kv_history_us,
     .min = 0,
     .max = 3660 * kDay,
     .doc = "How far back kv can be looked at as it was; 0 = no history is kept"},
    {.name = "retention.age",
     .type = T::kDuration,
     .member = &Config::retention_age_us,
     .min = 0,
     .max = 36600 * kDay,
     .doc = "Events older than this go, once nothing needs them; 0 = never for their age"},
    {.name = "retention.bytes",
     .type = T::kInteger,
     .member = &Config::retention_bytes,
     .min = 0,
     .max = 1e15,
     .doc = "With more bytes of stored blocks the oldest go, once nothing needs them; 0 = never"},
    {.name = "retention.every",
     .type = T::kDuration,
     .member = &Config::retention_every_us,
     .min = kSecond / 10,
     .max = kDay,
     .doc = "How often the oldest events are looked at"},
    {.name = "retention.rules",
     .type = T::kText,
     .member = &Config::retention_rules,
     .doc = "Other ages and bytes for patterns and tenants: PATTERN[@TENANT]=AGE[,BYTES] ..., the "
            "first that fits counts, a pattern may end in *, age 0 = for ever"},
    {.name = "retry.max_retries",
     .type = T::kInteger,
     .member = &Config::retry_max_retries,
     .min = 0,
     .max = 100,
     .alias = "EVENT_RETRY_MAX_RETRIES",
     .doc = "Default of subscriptions: retries behind the first attempt"},
    {.name = "retry.initial_delay",
     .type = T::kDuration,
     .member = &Config::retry_initial_delay_us,
     .min = 0,
     .max = 30 * kDay,
     .alias = "EVENT_RETRY_INITIAL_DELAY",
     .doc = "Default of subscriptions: delay before the first retry"},
    {.name = "retry.max_delay",
     .type = T::kDuration,
     .member = &Config::retry_max_delay_us,
     .min = 0,
     .max = 30 * kDay,
     .alias = "EVENT_RETRY_MAX_DELAY",
     .doc = "Default of subscriptions: longest delay"},
    {.name = "retry.backoff_factor",
     .type = T::kReal,
     .member = &Config::retry_backoff_factor,
     .min = 1,
     .max = 100,
     .alias = "EVENT_RETRY_BACKOFF_FACTOR",
     .doc = "Default of subscriptions: each delay is this many times the one before"},
    {.name = "retry.jitter",
     .type = T::kBoolean,
     .member = &Config::retry_jitter,
     .doc = "Default of subscriptions: spread the delays"},
    {.name = "script.timeout",
     .type = T::kDuration,
     .member = &Config::script_timeout_us,
     .min = 1000,
     .max = 300 * kSecond,
     .doc = "Default deadline of a script run"},
    {.name = "script.memory_bytes",
     .type = T::kInteger,
     .member = &Config::script_memory_bytes,
     .min = 1 << 20,
     .max = 1 << 30,
     .doc = "Default memory cap of a script"},
    {.name = "matcher.verify_fraction",
     .type = T::kReal,
     .member = &Config::matcher_verify_fraction,
     .min = 0,
     .max = 1,
     .doc = "Share of events that are also matched by the reference matcher and compared"},
    {.name = "log.level",
     .type = T::kChoice,
     .member = &Config::log_level,
     .choices = "debug|info|warn|error|off",
     .doc = "Least level that is logged"},
};

// A number for people: whole numbers without a fraction or exponent.
std::string bound_text(const ConfigKey& key, double bound) {
    if (key.type == T::kDuration) return format_duration(static_cast<std::int64_t>(bound));
    std::string text;
    if (key.type == T::kInteger)
        append_number(text, static_cast<std::int64_t>(bound));
    else
        append_number(text, bound);
    return text;
}

tl::unexpected<Error> refuse(const ConfigKey& key, std::string_view value,
                             std::string_view source) {
    std::string expected;
    switch (key.type) {
        case T::kInteger: expected = "a whole number from "; break;
        case T::kReal: expected = "a number from "; break;
        case T::kDuration: expected = "a duration such as 500ms, 1m or 1h from "; break;
        case T::kBoolean: expected = "true or false"; break;
        case T::kText: expected = "text"; break;
        case T::kChoice: expected = "one of " + std::string(key.choices); break;
    }
    if (key.type == T::kInteger || key.type == T::kReal || key.type == T::kDuration) {
        expected += bound_text(key, key.min) + " to " + bound_text(key, key.max);
    }
    return fail(Error(ErrorCode::kValidation, "config: " + std::string(key.name) + " = \"" +
                                                  std::string(value.substr(0, 128)) + "\" from " +
                                                  std::string(source) + " is refused; expected " +
                                                  expected)
                    .in(std::string(key.name)));
}

bool parse_boolean(std::string_view value, bool& out) {
    const bool yes = value == "true" || value == "1" || value == "yes" || value == "on";
    const bool no = value == "false" || value == "0" || value == "no" || value == "off";
    if (yes || no) out = yes;
    return yes || no;
}

bool is_choice(std::string_view choices, std::string_view value) {
    while (!choices.empty()) {
        const std::size_t bar = std::min(choices.find('|'), choices.size());
        if (choices.substr(0, bar) == value) return true;
        choices.remove_prefix(std::min(bar + 1, choices.size()));
    }
    return false;
}

template <typename Number>
bool parse_number(std::string_view value, Number& out) {
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
    return error == std::errc() && end == value.data() + value.size();
}

bool parse_value(Config& config, const ConfigKey& key, std::string_view value) {
    switch (key.type) {
        case T::kInteger:
        case T::kDuration: {
            std::int64_t number = 0;
            const bool read = key.type == T::kDuration ? parse_duration_us(value, number)
                                                       : parse_number(value, number);
            if (!read || static_cast<double>(number) < key.min ||
                static_cast<double>(number) > key.max)
                return false;
            config.*std::get<std::int64_t Config::*>(key.member) = number;
            return true;
        }
        case T::kReal: {
            double number = 0;
            if (!parse_number(value, number) || !(number >= key.min && number <= key.max))
                return false;
            config.*std::get<double Config::*>(key.member) = number;
            return true;
        }
        case T::kBoolean: return parse_boolean(value, config.*std::get<bool Config::*>(key.member));
        case T::kChoice:
            if (!is_choice(key.choices, value)) return false;
            [[fallthrough]];
        case T::kText:
            config.*std::get<std::string Config::*>(key.member) = std::string(value);
            return true;
    }
    return false;
}

const ConfigKey* find_key(std::string_view name) {
    for (const ConfigKey& key : kKeys) {
        if (key.name == name) return &key;
    }
    return nullptr;
}

// The key closest in letters, for "did you mean".
std::string_view nearest_key(std::string_view name) {
    std::string_view best;
    std::size_t best_distance = 6;
    for (const ConfigKey& key : kKeys) {
        std::vector<std::size_t> row(key.name.size() + 1);
        for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
        for (std::size_t i = 1; i <= name.size(); ++i) {
            std::size_t diagonal = row[0]++;
            for (std::size_t j = 1; j < row.size(); ++j) {
                const std::size_t change = diagonal + (name[i - 1] != key.name[j - 1]);
                diagonal = row[j];
                row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
            }
        }
        if (row.back() < best_distance) {
            best_distance = row.back();
            best = key.name;
        }
    }
    return best;
}

tl::unexpected<Error> unknown_key(std::string_view name, std::string_view source) {
    std::string text = "config: key " + std::string(name.substr(0, 128)) + " from " +
                       std::string(source) + " is not known";
    if (const auto nearest = nearest_key(name); !nearest.empty())
        text += "; did you mean " + std::string(nearest) + "?";
    return fail(Error(ErrorCode::kValidation, std::move(text)).in(std::string(name)));
}

tl::unexpected<Error> no_scalar(const std::string& name, std::string_view source) {
    std::string text = "config: " + name;
    text.append(" from ").append(source).append(" is neither text, number nor boolean");
    return fail(Error(ErrorCode::kValidation, std::move(text)).in(name));
}

Status apply_toml_table(Config& config, const toml::table& table, const std::string& prefix,
                        std::string_view path) {
    for (const auto& [node_key, node] : table) {
        const std::string name = std::string(prefix).append(node_key.str());
        if (const toml::table* inner = node.as_table()) {
            if (!prefix.empty()) return unknown_key(name, path);
            if (auto status = apply_toml_table(config, *inner, name + ".", path); !status)
                return status;
            continue;
        }
        const std::string source =
            std::string(path) + ":" + std::to_string(node.source().begin.line);
        std::string text;
        if (const auto* value = node.as_string())
            text = value->get();
        else if (const auto* integer = node.as_integer())
            append_number(text, integer->get());
        else if (const auto* real = node.as_floating_point())
            append_number(text, real->get());
        else if (const auto* boolean = node.as_boolean())
            text = boolean->get() ? "true" : "false";
        else
            return no_scalar(name, source);
        if (auto status = set_config_value(config, name, text, source); !status) return status;
    }
    return {};
}

}  // namespace

std::string ConfigKey::environment_name() const {
    std::string out = "MILLRACE_";
    for (const char c : name)
        out += c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    return out;
}

std::span<const ConfigKey> config_keys() { return kKeys; }

Status set_config_value(Config& config, std::string_view name, std::string_view value,
                        std::string_view source) {
    const ConfigKey* key = find_key(name);
    if (!key) return unknown_key(name, source);
    if (!parse_value(config, *key, value)) return refuse(*key, value, source);
    return {};
}

Status apply_config_toml(Config& config, std::string_view text, std::string_view path) {
    const toml::parse_result parsed = toml::parse(text, path);
    if (!parsed) {
        const auto& error = parsed.error();
        return fail(ErrorCode::kValidation, "config: " + std::string(path) + ":" +
                                                std::to_string(error.source().begin.line) + ":" +
                                                std::to_string(error.source().begin.column) + ": " +
                                                std::string(error.description()));
    }
    return apply_toml_table(config, parsed.table(), "", path);
}

Status apply_config_file(Config& config, const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        return fail(ErrorCode::kValidation,
                    "config: open " + path + " failed: " + std::strerror(errno));
    }
    std::ostringstream text;
    text << file.rdbuf();
    return apply_config_toml(config, text.str(), path);
}

namespace {

// Names of the command line, the scripts, the tests and core/fault.h: whoever sets one for those
// may start a server all the same.
bool is_foreign_name(std::string_view name) {
    constexpr std::array<std::string_view, 9> kNames = {
        "MILLRACE_SERVER",      "MILLRACE_API_KEY",     "MILLRACE_OUTPUT",
        "MILLRACE_CRASH_AT",    "MILLRACE_THIRD_PARTY", "MILLRACE_PRESET",
        "MILLRACE_CI_SANITIZE", "MILLRACE_BINARY",      "MILLRACE_BENCH_SMOKE"};
    return name.starts_with("MILLRACE_FUZZ_") ||
           std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace

Status apply_config_environment(Config& config, const char* const* environment) {
    for (; environment && *environment; ++environment) {
        const std::string_view entry = *environment;
        const std::size_t equals = entry.find('=');
        if (equals == std::string_view::npos) continue;
        const std::string_view name = entry.substr(0, equals);
        const ConfigKey* found = nullptr;
        for (const ConfigKey& key : kKeys) {
            if (name == key.environment_name() || (!key.alias.empty() && name == key.alias))
                found = &key;
        }
        const std::string source = "environment " + std::string(name);
        if (found) {
            if (!parse_value(config, *found, entry.substr(equals + 1))) {
                return refuse(*found, entry.substr(equals + 1), source);
            }
        } else if (name.starts_with("MILLRACE_") && !is_foreign_name(name)) {
            return unknown_key(name, source);
        }
    }
    return {};
}

Status check_config(const Config& config) {
    if (config.data_dir.empty()) {
        return fail(Error(ErrorCode::kValidation, "config: data.dir is empty; name a folder")
                        .in("data.dir"));
    }
    return {};
}

std::string config_value_text(const Config& config, const ConfigKey& key) {
    std::string text;
    if (const auto* member = std::get_if<std::int64_t Config::*>(&key.member)) {
        if (key.type == T::kDuration) return format_duration(config.**member);
        append_number(text, config.**member);
    } else if (const auto* real = std::get_if<double Config::*>(&key.member)) {
        append_number(text, config.**real);
    } else if (const auto* boolean = std::get_if<bool Config::*>(&key.member)) {
        text = config.**boolean ? "true" : "false";
    } else {
        text = config.*std::get<std::string Config::*>(key.member);
    }
    return text;
}

std::string dump_config_toml(const Config& config) {
    std::string out, section;
    for (const ConfigKey& key : kKeys) {
        const std::size_t dot = key.name.find('.');
        if (key.name.substr(0, dot) != section) {
            section = key.name.substr(0, dot);
            out += (out.empty() ? "[" : "\n[") + section + "]\n";
        }
        out += "# " + std::string(key.doc) + "\n# " + key.environment_name();
        if (!key.alias.empty()) out += ", " + std::string(key.alias);
        if (!key.choices.empty()) out += "; one of " + std::string(key.choices);
        if (key.max > 0)
            out += "; from " + bound_text(key, key.min) + " to " + bound_text(key, key.max);
        out += "\n" + std::string(key.name.substr(dot + 1)) + " = ";
        const std::string value = config_value_text(config, key);
        if (key.type == T::kText || key.type == T::kChoice || key.type == T::kDuration)
            append_json_string(out, value);
        else
            out += value;
        out += "\n";
    }
    return out;
}

}  // namespace millrace::core
