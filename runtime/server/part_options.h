// What: what each part of the server is told, read from its own section of the configuration.
// Threads: pure functions; main's. Lifetime: values.
// Limits: those of the keys. Failure: only where a text has a grammar of its own.
#pragma once

#include "core/config.h"
#include "core/result.h"
#include "io/http_server.h"
#include "io/line_server.h"
#include "io/reactor.h"
#include "io/tls/tls_material.h"
#include "runtime/courier/address_rules.h"
#include "runtime/executors/command_runner.h"
#include "runtime/identity/credentials.h"
#include "runtime/identity/quotas.h"
#include "runtime/registry/registry.h"
#include "runtime/server/retention_chore.h"
#include "store/database.h"

namespace millrace::runtime {

io::ReactorOptions reactor_options(const core::IoConfig& io);
io::HttpLimits http_limits(const core::HttpConfig& http);
io::LineLimits line_limits(const core::SocketConfig& socket, const core::EventsConfig& events);
io::TlsSettings tls_settings(const core::TlsConfig& tls);
void read_store_options(const core::StoreConfig& store, store::Database::Options& out);
store::Durability durability_of(const core::StoreConfig& store);
void read_registry_options(const core::RetryConfig& retry, const core::ScriptConfig& script,
                           Registry::Options& out);
identity::QueryKeys query_keys_of(const core::AuthConfig& auth);
identity::Quotas quota_defaults(const core::QuotaConfig& quota);
core::Result<courier::AddressRules> address_rules(const core::HttpClientConfig& http_client);
core::Result<CommandRunner::Options> command_options(const core::ExecutorsConfig& executors);
// One a core where nothing is said. On two cores one of each is faster: shard, lane, log writer and
// the clients share them, and a second shard only adds hand-overs (bench/server_results.md).
std::size_t count_or_cores(std::int64_t configured, std::size_t max);
core::Status read_retention_rules(const core::RetentionConfig& retention,
                                  RetentionChore::Deps& out);

}  // namespace millrace::runtime
