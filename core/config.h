// What: every setting, typed, in one list (config_keys()): name, what it does, default, bounds,
//       names in the environment. Sources, the later one wins: defaults < TOML file < environment <
//       flags.
//           [http]                          MILLRACE_HTTP_BODY_BYTES_MAX=1048576
//           body_bytes_max = 1048576        --set http.body_bytes_max=1048576
// Threads: built by main, read-only afterwards. Lifetime: value.
// Limits: the bounds of each key stand in config.cc. A value of 0 for shards or lanes means: as
//       many as there are cores.
// Failure: kValidation errors name key, value, bounds and source. A key nobody knows is an error in
//       the file, in --set and in the environment.
#pragma once

#include "core/limits.h"
#include "core/result.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace millrace::core {

struct Config {
    std::string data_dir = "./data";

    std::string http_listen = "127.0.0.1:7070";
    std::int64_t http_body_bytes_max = kBodyBytesMax;
    std::int64_t http_header_bytes_max = 16 << 10;
    std::int64_t http_idle_timeout_us = 75'000'000;
    std::int64_t http_request_timeout_us = 30'000'000;
    std::int64_t http_connections_max = 4096;

    std::string socket_listen = "127.0.0.1:7071";
    std::string socket_unix;

    std::int64_t engine_shards = 0;
    std::int64_t engine_lanes = 0;
    bool engine_pin = false;
    std::int64_t engine_queue_events = 65'536;
    std::int64_t engine_drain_timeout_us = 30'000'000;

    std::int64_t events_event_bytes_max = kEventBytesMax;
    std::int64_t events_batch_events_max = kBatchEventsMax;

    std::string store_durability = "fsync";
    std::int64_t store_linger_us = 1000;
    std::int64_t store_sync_depth_max = 4;
    std::int64_t store_reserve_bytes = 512LL << 20;
    std::int64_t store_kv_history_us = 86'400'000'000;
    std::int64_t retention_age_us = 0;
    std::int64_t retention_bytes = 0;
    std::int64_t retention_every_us = 60'000'000;
    std::string retention_rules;

    std::int64_t retry_max_retries = 3;
    std::int64_t retry_initial_delay_us = 60'000'000;
    std::int64_t retry_max_delay_us = 3'600'000'000;
    double retry_backoff_factor = 2.0;
    bool retry_jitter = true;

    std::int64_t script_timeout_us = 30'000'000;
    std::int64_t script_memory_bytes = 64LL << 20;

    double matcher_verify_fraction = 0.0;

    std::string log_level = "info";
};

enum class ConfigType : std::uint8_t { kInteger, kReal, kBoolean, kText, kDuration, kChoice };

struct ConfigKey {
    std::string_view name;  // "http.body_bytes_max"
    ConfigType type;
    std::variant<std::int64_t Config::*, double Config::*, bool Config::*, std::string Config::*>
        member;
    double min = 0;  // numbers; durations in microseconds
    double max = 0;
    std::string_view choices = {};  // kChoice: "fsync|os|memory"
    std::string_view alias = {};    // a second name in the environment
    std::string_view doc = {};

    std::string environment_name() const;  // MILLRACE_HTTP_BODY_BYTES_MAX
};

std::span<const ConfigKey> config_keys();

// One value from text, as the environment and --set give it. `source` is named in errors.
Status set_config_value(Config& config, std::string_view name, std::string_view value,
                        std::string_view source);

// The TOML text of a file; `path` is named in errors.
Status apply_config_toml(Config& config, std::string_view text, std::string_view path);
Status apply_config_file(Config& config, const std::string& path);

// NAME=value strings as in environ. Names that begin with MILLRACE_ must be known, but for those
// of the command line client (MILLRACE_SERVER, MILLRACE_API_KEY, MILLRACE_OUTPUT).
Status apply_config_environment(Config& config, const char* const* environment);

// What no single key can check, after all sources.
Status check_config(const Config& config);

std::string config_value_text(const Config& config, const ConfigKey& key);
// A complete TOML file with the documentation of each key as comments.
std::string dump_config_toml(const Config& config);

}  // namespace millrace::core
