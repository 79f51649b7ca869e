// What: how many runs of a workflow have not ended in this folder: they are pinned to the version
//       that they began with, which stays until then.
// Threads: the registry's owner. Lifetime: none. Limits: reads the marks of all of a tenant's runs
//       that have not ended. Failure: Errors of the store.
#pragma once

#include "core/ids.h"
#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::store {
class RegistryStore;
}

namespace millrace::runtime {

// `version` 0: of any.
core::Result<std::size_t> count_runs_left(store::RegistryStore& rows, core::TenantId tenant,
                                          std::string_view workflow_id, std::uint32_t version);

}  // namespace millrace::runtime
