// What: workflows as they were kept before they were documents: a row for each version,
//           workflow    tenant, 8 hex digits/id/version, 8 hex digits    the definition as it was
//       sent, with its version. At a start documents are made of them, so that runs find the
//       version that they began with, and subscriptions the workflow that they name.
// Threads: the start's, before the registry is opened. Lifetime: borrows for the call.
// Limits: those of the kind. Each workflow is a commit with all its versions: it is a document or
//         what it was, whenever the process ends, and the next start goes on with the others.
// Failure: Errors of the rows. A version that does not read any more, or whose number a document
//          of the same id has already, stays what it was: the registry sets it aside and tells.
#pragma once

#include "core/clock.h"
#include "core/result.h"
#include "runtime/registry/registry_rows.h"

namespace millrace::runtime {

core::Status take_over_earlier_workflows(RegistryRows& rows, const core::Clock& clock);

}  // namespace millrace::runtime
