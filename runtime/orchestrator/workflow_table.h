// What: workflows by id and version. A version never changes: the same again is the same, another
//       one under its number is refused. Runs hold on to the version that they began with.
// Threads: put() and remove() the conductor's; find() and list() any.
// Lifetime: borrows rows and clock. Versions are shared and outlive the table.
// Limits: kWorkflowsMax of a tenant, kWorkflowVersionsMax versions of one.
// Failure: kValidation with the place in the text; kConflict for another text of a version that is
//       there, and at a limit.
#pragma once

#include "core/clock.h"
#include "core/ids.h"
#include "core/result.h"
#include "runtime/registry/registry_rows.h"
#include "runtime/registry/registry_types.h"
#include "runtime/registry/set_aside.h"
#include "runtime/workflow/definition.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {

inline constexpr std::size_t kWorkflowsMax = 10'000;
inline constexpr std::size_t kWorkflowVersionsMax = 1'000;
inline constexpr std::string_view kWorkflowKind = "workflow";

struct WorkflowVersion {
    core::TenantId tenant;
    std::int64_t created_at_us = 0;
    std::string body;  // as it was sent, compact, with its version
    workflow::Definition definition;
    // The executors that the definition brings along, in the shape that executors know: nobody
    // subscribes anything.
    std::map<std::string, std::shared_ptr<const Subscription>, std::less<>> actions;

    const std::string& id() const { return definition.id; }
    std::uint32_t version() const { return definition.version; }
};
using WorkflowRef = std::shared_ptr<const WorkflowVersion>;

class WorkflowTable {
public:
    WorkflowTable(RegistryRows& rows, const core::Clock& clock) : rows_(rows), clock_(clock) {}

    core::Status load();

    struct Put {
        WorkflowRef version;
        bool fresh = false;  // it was not there before
    };
    // `id` empty: the body says it. `actor`: members for the audit log.
    core::Result<Put> put(core::TenantId tenant, std::string_view id, std::string_view body,
                          workflow::Unknown unknown, std::string_view actor);
    // `version` 0: all of them.
    core::Status remove(core::TenantId tenant, std::string_view id, std::uint32_t version,
                        std::string_view actor);

    // `version` 0: the newest. Null: none.
    WorkflowRef find(core::TenantId tenant, std::string_view id, std::uint32_t version = 0) const;
    std::vector<WorkflowRef> versions(core::TenantId tenant, std::string_view id) const;
    // The newest of each in the order of ids, those behind `after`; stops when visit says false.
    void list(core::TenantId tenant, std::string_view after,
              const std::function<bool(const WorkflowRef&)>& visit) const;

private:
    using Key = std::pair<std::uint32_t, std::string>;  // tenant, id
    using Versions = std::map<std::uint32_t, WorkflowRef>;

    static core::Result<WorkflowRef> read(core::TenantId tenant, std::string_view body,
                                          std::int64_t created_at_us, workflow::Unknown unknown);
    core::Status check_room(core::TenantId tenant, const std::string& id) const;
    std::string audit_text(std::string_view action, std::string_view id, std::uint32_t version,
                           std::string_view actor) const;

    RegistryRows& rows_;
    const core::Clock& clock_;
    mutable std::mutex mutex_;
    std::map<Key, Versions> workflows_;
};

}  // namespace millrace::runtime
