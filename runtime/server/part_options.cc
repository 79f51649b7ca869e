#include "runtime/server/part_options.h"

#include "store/log/durability_text.h"
#include "store/retention/retention.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace millrace::runtime {

io::ReactorOptions reactor_options(const core::IoConfig& io) {
    io::ReactorOptions out;
    // The key's choices are those of the parser.
    out.backend = io::parse_backend_choice(io.backend).value_or(io::BackendChoice::kAuto);
    return out;
}

io::HttpLimits http_limits(const core::HttpConfig& http) {
    io::HttpLimits out;
    out.body_bytes_max = static_cast<std::size_t>(http.body_bytes_max);
    out.header_bytes_max = static_cast<std::size_t>(http.header_bytes_max);
    out.header_count_max = static_cast<std::size_t>(http.header_count_max);
    out.request_line_bytes_max = static_cast<std::size_t>(http.request_line_bytes_max);
    out.header_ms_max = http.header_timeout_us / 1000;
    out.idle_ms_max = http.idle_timeout_us / 1000;
    out.body_bytes_per_second_min = http.body_bytes_per_second_min;
    out.connections_max = static_cast<std::size_t>(http.connections_max);
    out.answers_bytes_max = static_cast<std::size_t>(http.answers_bytes_max);
    return out;
}

io::LineLimits line_limits(const core::SocketConfig& socket, const core::EventsConfig& events) {
    io::LineLimits out;
    out.line_bytes_max = static_cast<std::size_t>(events.event_bytes_max);
    out.connections_max = static_cast<std::size_t>(socket.connections_max);
    out.idle_ms_max = socket.idle_timeout_us / 1000;
    return out;
}

io::TlsSettings tls_settings(const core::TlsConfig& tls) {
    io::TlsSettings out;
    out.certificate = tls.cert;
    out.key = tls.key;
    out.client_ca = tls.client_ca;
    if (tls.client_auth == "optional") out.client_auth = io::ClientAuth::kOptional;
    if (tls.client_auth == "required") out.client_auth = io::ClientAuth::kRequired;
    out.handshake_ms_max = tls.handshake_timeout_us / 1000;
    return out;
}

void read_store_options(const core::StoreConfig& store, store::Database::Options& out) {
    out.reserve_bytes = static_cast<std::uint64_t>(store.reserve_bytes);
    out.kv_history_us = store.kv_history_us;
    out.sync_depth_max = static_cast<std::size_t>(store.sync_depth_max);
    out.accept_loss = store.accept_loss;
}

store::Durability durability_of(const core::StoreConfig& store) {
    return store::parse_durability(store.durability).value_or(store::Durability::kFsync);
}

void read_registry_options(const core::RetryConfig& retry, const core::ScriptConfig& script,
                           Registry::Options& out) {
    out.retry_default.retries_max = static_cast<std::uint32_t>(retry.max_retries);
    out.retry_default.initial_delay_ms = retry.initial_delay_us / 1000;
    out.retry_default.max_delay_ms = retry.max_delay_us / 1000;
    out.retry_default.backoff_factor = retry.backoff_factor;
    out.retry_default.jitter = retry.jitter ? Jitter::kSpread : Jitter::kNone;
    out.script_timeout_ms_default = script.timeout_us / 1000;
    out.script_memory_bytes_default = script.memory_bytes;
}

identity::QueryKeys query_keys_of(const core::AuthConfig& auth) {
    if (auth.query_keys == "off") return identity::QueryKeys::kOff;
    return auth.query_keys == "all" ? identity::QueryKeys::kAll : identity::QueryKeys::kSome;
}

identity::Quotas quota_defaults(const core::QuotaConfig& quota) {
    using identity::Quota;
    identity::Quotas out;
    out.set(Quota::kEvents, quota.events_per_second);
    out.set(Quota::kBytes, quota.bytes_per_second);
    out.set(Quota::kConnections, quota.connections);
    out.set(Quota::kEntities, quota.entities);
    out.set(Quota::kLinks, quota.links);
    out.set(Quota::kReplays, quota.replays);
    out.set(Quota::kRuns, quota.running_executions);
    out.set(Quota::kSchedules, quota.schedules);
    out.set(Quota::kScripts, quota.scripts);
    out.set(Quota::kStored, quota.stored_bytes);
    out.set(Quota::kStreams, quota.streams);
    out.set(Quota::kSubscriptions, quota.subscriptions);
    out.set(Quota::kScriptSubscriptions, quota.subscriptions_per_script);
    out.set(Quota::kWorkflows, quota.workflows);
    return out;
}

core::Result<courier::AddressRules> address_rules(const core::HttpClientConfig& http_client) {
    return courier::AddressRules::make(http_client.allow, http_client.deny);
}

core::Result<CommandRunner::Options> command_options(const core::ExecutorsConfig& executors) {
    auto options = CommandRunner::read_options(executors.command.allow, executors.command.user);
    if (options) options->running_max = static_cast<std::size_t>(executors.command.limit);
    return options;
}

std::size_t count_or_cores(std::int64_t configured, std::size_t max) {
    if (configured > 0) return std::min(max, static_cast<std::size_t>(configured));
    const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
    return std::min(max, cores > 2 ? cores : 1);
}

core::Status read_retention_rules(const core::RetentionConfig& retention,
                                  RetentionChore::Deps& out) {
    out.age_us = retention.age_us;
    out.bytes = static_cast<std::uint64_t>(retention.bytes);
    out.every_us = retention.every_us;
    auto rules = store::parse_event_rules(retention.rules);
    if (!rules) return core::fail(std::move(rules.error()));
    out.rules = std::move(*rules);
    return {};
}

}  // namespace millrace::runtime
