// What: what the calls about workflows answer alike.
// Threads: the API thread. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include "core/result.h"

namespace millrace::runtime::api {

inline core::Error workflows_off() {
    return {core::ErrorCode::kUnavailable,
            "workflows are switched off (executors.workflow.enabled)"};
}

}  // namespace millrace::runtime::api
