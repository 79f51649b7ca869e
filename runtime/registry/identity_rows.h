// What: rows of keys and tenants, read in one pass (row_reader.h): a server may have a hundred
//       thousand.
// Threads: pure. Lifetime: values. Limits: none.
// Failure: false: it is not as this program writes it; then it is read in full.
#pragma once

#include "runtime/registry/api_key.h"
#include "runtime/registry/tenant.h"

#include <string_view>

namespace millrace::runtime {

bool read_key_row(std::string_view row, ApiKey& out);
bool read_tenant_row(std::string_view row, Tenant& out);

}  // namespace millrace::runtime
