// What: how a server of PostgreSQL is connected to, from the text of a secret: what it may say, the
//       address that the rules have judged, and the first step of a connection that does not block.
// Threads: any; a host's name is looked up. Lifetime: values. Limits: one host over TCP.
// Failure: kValidation for a text that is none or says what is not taken; what resolve_host() says.
#pragma once

#include "core/result.h"
#include "runtime/courier/address_rules.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

typedef struct pg_conn PGconn;  // NOLINT(modernize-use-using): as libpq has it

namespace millrace::runtime {

using ConninfoOptions = std::map<std::string, std::string, std::less<>>;

core::Result<ConninfoOptions> read_conninfo(const std::string& conninfo);

// "hostaddr" becomes the one address that may be connected to.
core::Status judge_host(const courier::AddressRules& rules, ConninfoOptions& options);

// Null: no memory. `startup`: what the server is told ("-c statement_timeout=1000").
PGconn* begin_connection(const ConninfoOptions& options, std::int64_t connect_ms,
                         const std::string& startup);

// The first line of what libpq says.
std::string libpq_line(std::string_view text);

}  // namespace millrace::runtime
