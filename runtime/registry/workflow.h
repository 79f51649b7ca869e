// What: a workflow as a document: its definition, read and checked, and the executors that it
//       brings along. Its version is the definition's own: one that is there never changes, a
//       change is a further one.
// Threads: immutable once the registry has published it. Lifetime: shared; runs hold on to the
//       version that they began with.
// Limits: kWorkflowsMax of a tenant, kWorkflowVersionsMax versions of one; those of a definition.
// Failure: none here.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "runtime/registry/registry_types.h"
#include "runtime/workflow/definition.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::size_t kWorkflowsMax = 10'000;
inline constexpr std::size_t kWorkflowVersionsMax = 1'000;

struct Workflow {
    WorkflowNumber number;
    core::TenantId tenant;
    std::uint32_t version = 1;  // the definition's
    std::string id;
    std::string name;
    // The members as they were sent, compact, without id, name and version.
    std::string rest;
    workflow::Definition definition;
    // The executors that the definition brings along, in the shape that executors know: nobody
    // subscribes anything.
    std::map<std::string, std::shared_ptr<const Subscription>, std::less<>> actions;
    // Of a run whose steps a script asks for: that script. Null: it is a definition.
    std::shared_ptr<const Script> code;
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;

    // Whether the other says the same, whatever its version.
    bool says_what(const Workflow& other) const { return name == other.name && rest == other.rest; }
};

// A body by itself, before anybody keeps it; `id`: what the path says, or empty. Errors have the
// place in the text.
core::Result<Workflow> read_workflow(core::TenantId tenant, std::string_view id,
                                     std::string_view body, workflow::Unknown unknown);

}  // namespace millrace::runtime
