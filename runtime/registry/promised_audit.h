// What: entries of the audit log that stand beside the change that they tell of, in its own commit,
//       where that is not the registry's: the log is a chain, and one thread makes it. A promise is
//       a row,
//           audit_promised    time, tenant, number    the entry
//       that becomes a line of the log and goes in one commit; a start keeps those that are left.
// Threads: make_promise() any; the others the registry's owner. Lifetime: values.
// Limits: none. Failure: Errors of the rows; the promise stays then.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "runtime/registry/registry_rows.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::string_view kPromisedAuditKind = "audit_promised";

// A row id that nobody has.
std::string promised_audit_row(std::int64_t at_us, core::TenantId tenant);

// The entry is in the log, and the promise gone.
core::Status keep_promised_audit(RegistryRows& rows, std::int64_t at_us, core::TenantId tenant,
                                 std::string_view entry, const std::string& row_id);
// Those that the process before this one has left, the oldest first.
core::Status keep_promised_audits(RegistryRows& rows);

}  // namespace millrace::runtime
