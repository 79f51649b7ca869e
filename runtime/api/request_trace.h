// What: the trace that a call came with (event/trace_context.h).
// Threads: any. Lifetime: none. Limits: those of headers. Failure: none; what is none is empty.
#pragma once

#include "runtime/api/call.h"
#include "runtime/event/trace_context.h"

#include <string>

namespace millrace::runtime::api {

// As TraceHeaders tells it.
inline std::string trace_of_request(const ApiRequest& request) {
    TraceHeaders headers;
    for (const auto& [name, value] : request.headers) (void)headers.take(name, value);
    return headers.text();
}

}  // namespace millrace::runtime::api
