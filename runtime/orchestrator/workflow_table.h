// What: workflows by id and version, for those who let runs go on: what the registry holds of them,
//       where any thread finds it. Runs hold on to the version that they began with.
// Threads: show() the conductor's; find() any.
// Lifetime: versions are shared and outlive the table. Limits: the registry's.
// Failure: null for what is not there.
#pragma once

#include "core/ids.h"
#include "runtime/registry/document_kinds.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {

class WorkflowTable {
public:
    // All versions that there are, the newest last; none: it was removed.
    void show(core::TenantId tenant, std::string_view id, std::span<const WorkflowRef> versions);

    // `version` 0: the newest. Null: none.
    WorkflowRef find(core::TenantId tenant, std::string_view id, std::uint32_t version = 0) const;

private:
    using Key = std::pair<std::uint32_t, std::string>;  // tenant, id

    mutable std::mutex mutex_;  // held for a look
    std::map<Key, std::vector<WorkflowRef>> workflows_;
};

}  // namespace millrace::runtime
