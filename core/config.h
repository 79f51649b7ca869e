// What: every setting, typed, a struct for each part of the server, and the sources that fill them,
//       the later one wins: defaults < profile < TOML file < environment < flags.
//           [http]                          MILLRACE_HTTP_BODY_BYTES_MAX=1048576
//           body_bytes_max = 1048576        --set http.body_bytes_max=1048576
//       The list of keys with their bounds and documentation is in core/config_keys.cc.
// Threads: built by main, read-only afterwards. Lifetime: value.
// Limits: the bounds of each key. A value of 0 for shards or lanes means: as many as there are
//       cores.
// Failure: kValidation errors name key, value, bounds and source. A key nobody knows is an error in
//       the file, in --set and, where its section is known, in the environment.
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

struct DataConfig {
    std::string dir = "./data";
};

struct IoConfig {
    std::string backend = "auto";
};

struct HttpConfig {
    std::string listen = "127.0.0.1:7070";
    std::string hosts;
    std::string cors_origins;
    std::int64_t body_bytes_max = kBodyBytesMax;
    std::int64_t header_bytes_max = 16 << 10;
    std::int64_t header_count_max = 64;
    std::int64_t request_line_bytes_max = 8 << 10;
    std::int64_t header_timeout_us = 10'000'000;
    std::int64_t idle_timeout_us = 75'000'000;
    std::int64_t body_bytes_per_second_min = 1024;
    std::int64_t connections_max = 4096;
    std::int64_t answers_bytes_max = 64LL << 20;
};

struct SocketConfig {
    std::string listen = "127.0.0.1:7071";
    std::string unix_path;
    std::int64_t connections_max = 4096;
    std::int64_t idle_timeout_us = 600'000'000;
};

// Of http.listen and socket.listen; a Unix socket is this machine's own.
struct TlsConfig {
    std::string cert;
    std::string key;
    std::string client_ca;
    std::string client_auth = "off";
    std::int64_t handshake_timeout_us = 10'000'000;
};

struct EngineConfig {
    std::int64_t shards = 0;
    std::int64_t lanes = 0;
    std::int64_t call_lanes = 4;
    bool pin = false;
    std::int64_t queue_events = 65'536;
    std::int64_t queue_bytes = 16LL << 20;
    std::int64_t drain_timeout_us = 30'000'000;
};

struct EventsConfig {
    std::int64_t event_bytes_max = kEventBytesMax;
    std::int64_t batch_events_max = kBatchEventsMax;
};

struct StoreConfig {
    std::string durability = "fsync";
    std::int64_t linger_us = 1000;
    std::int64_t sync_depth_max = 1;
    bool accept_loss = false;  // no key: a person says it once, by the flag of that name
    std::int64_t reserve_bytes = 512LL << 20;
    std::int64_t kv_history_us = 86'400'000'000;
};

struct MemoryConfig {
    std::int64_t max = 0;
};

struct RetentionConfig {
    std::int64_t age_us = 0;
    std::int64_t bytes = 0;
    std::int64_t every_us = 60'000'000;
    std::string rules;
};

struct BackupConfig {
    std::string dir;
};

struct RetryConfig {
    std::int64_t max_retries = 3;
    std::int64_t initial_delay_us = 60'000'000;
    std::int64_t max_delay_us = 3'600'000'000;
    double backoff_factor = 2.0;
    bool jitter = true;
};

struct ScriptConfig {
    std::int64_t timeout_us = 30'000'000;
    std::int64_t memory_bytes = 64LL << 20;
};

struct MatcherConfig {
    double verify_fraction = 0.0;
};

struct AuthConfig {
    std::string query_keys = "some";
    std::int64_t session_ttl_us = 12LL * 3600 * 1'000'000;
};

struct SchemaConfig {
    std::string default_mode = "reject";
};

struct ConsoleConfig {
    bool enabled = true;
    std::string dir;
};

struct AuditConfig {
    std::int64_t retention_us = 0;
};

struct QuotaConfig {  // of each tenant that says nothing itself; 0: no limit
    std::int64_t events_per_second = 0;
    std::int64_t bytes_per_second = 0;
    std::int64_t connections = 0;
    std::int64_t entities = 0;
    std::int64_t links = 0;
    std::int64_t replays = 0;
    std::int64_t running_executions = 0;
    std::int64_t schedules = 0;
    std::int64_t scripts = 0;
    std::int64_t stored_bytes = 0;
    std::int64_t streams = 0;
    std::int64_t subscriptions = 0;
    std::int64_t subscriptions_per_script = 0;
    std::int64_t workflows = 0;
};

// What the server may reach by itself: webhooks and sdk.http.
struct HttpClientConfig {
    std::string allow;
    std::string deny;
};

struct WebhookConfig {
    bool enabled = true;
    std::int64_t limit = 100;
};

struct CommandConfig {
    bool enabled = true;
    std::string allow;
    std::int64_t limit = 10;
    std::string user = "nobody";
};

struct WorkflowConfig {
    bool enabled = true;
    std::int64_t limit = 20;
    std::int64_t retention_us = 30LL * 86'400'000'000;
};

struct ExecutorsConfig {
    WebhookConfig webhook;
    CommandConfig command;
    WorkflowConfig workflow;
};

struct LinksConfig {
    std::string file_allow;
};

struct HubConfig {
    std::string url;
    std::string node;
    std::string token;
    std::int64_t rate = 0;
    std::string on_full = "refuse";
    std::string first;
};

// One of several machines (runtime/node). Without a name there is none.
struct ClusterConfig {
    std::string name;
    std::string node;
    std::string nats;
    std::string advertise;
    std::string token;
    std::int64_t partitions = 16;
    std::string partition_by;
    std::int64_t replicas = 2;
    std::string ack = "replicated";
    std::int64_t node_timeout_us = 5'000'000;
    std::int64_t lease_us = 3'000'000;
    std::int64_t log_bytes = 1LL << 30;
    bool allow_old_nats = false;
};

struct OtlpConfig {
    std::string endpoint;
    std::string headers;
    double sample = 1.0;
    std::int64_t metrics_every_us = 60'000'000;
};

struct SecretsConfig {
    std::string key_file;
};

struct LogConfig {
    std::string level = "info";
    std::string format = "auto";
};

struct Config {
    std::string profile = "default";
    DataConfig data;
    IoConfig io;
    HttpConfig http;
    SocketConfig socket;
    TlsConfig tls;
    EngineConfig engine;
    EventsConfig events;
    StoreConfig store;
    MemoryConfig memory;
    RetentionConfig retention;
    BackupConfig backup;
    RetryConfig retry;
    ScriptConfig script;
    MatcherConfig matcher;
    AuthConfig auth;
    SchemaConfig schema;
    ConsoleConfig console;
    AuditConfig audit;
    QuotaConfig quota;
    LogConfig log;
    HttpClientConfig http_client;
    ExecutorsConfig executors;
    LinksConfig links;
    HubConfig hub;
    ClusterConfig cluster;
    OtlpConfig otlp;
    SecretsConfig secrets;
};

enum class ConfigType : std::uint8_t {
    kInteger,
    kBytes,
    kReal,
    kBoolean,
    kText,
    kList,  // texts with commas between them; an array in a file
    kDuration,
    kChoice
};

struct ConfigKey {
    using Member = std::variant<std::int64_t& (*)(Config&), double& (*)(Config&),
                                bool& (*)(Config&), std::string& (*)(Config&)>;

    std::string_view name;  // "http.body_bytes_max"
    std::string_view part;  // as it is written in code: "http.idle_timeout_us"
    ConfigType type;
    Member member;
    double min = 0;  // numbers; durations in microseconds
    double max = 0;
    std::string_view choices = {};  // kChoice: "fsync|os|memory"
    std::string_view alias = {};    // a second name in the environment
    std::string_view doc = {};
    bool secret = false;  // told to nobody: config_shown_text()

    std::string environment_name() const;  // MILLRACE_HTTP_BODY_BYTES_MAX
    std::string_view section() const {     // empty: it stands before all sections
        const std::size_t dot = name.rfind('.');
        return name.substr(0, dot == std::string_view::npos ? 0 : dot);
    }
};

std::span<const ConfigKey> config_keys();

// One value from text, as the environment and --set give it. `source` is named in errors.
Status set_config_value(Config& config, std::string_view name, std::string_view value,
                        std::string_view source);

// The TOML text of a file; `path` is named in errors.
Status apply_config_toml(Config& config, std::string_view text, std::string_view path);
Status apply_config_file(Config& config, const std::string& path);

// NAME=value strings as in environ. MILLRACE_<SECTION>_<KEY> of a section that is known must be a
// known key. Other names that begin with MILLRACE_ may belong to somebody else: `warnings` gets a
// line for each, but for those of the command line client and of the tools around the server.
Status apply_config_environment(Config& config, const char* const* environment,
                                std::vector<std::string>* warnings = nullptr);

// What `config.profile` sets beside itself. It stands below every source: whoever reads them begins
// with this, for a key that somebody names has the value that they give it.
void use_profile(Config& config);

// What no single key can check, after all sources.
Status check_config(const Config& config);

std::string config_value_text(const Config& config, const ConfigKey& key);
// For people and logs: of what is secret, only whether it is set; of URLs no user and no password.
std::string config_shown_text(const Config& config, const ConfigKey& key);
// A complete TOML file with the documentation of each key as comments.
std::string dump_config_toml(const Config& config);

}  // namespace millrace::core
