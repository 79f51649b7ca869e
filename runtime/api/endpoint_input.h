// What: what a script sees of a call of its endpoint: one JSON object, `event` and ctx.eventData. A
//       form's body is an object of its fields; a file in it is {filename, contentType, content}.
//       Of a body or a file that is no UTF-8 the bytes stand beside it (rawBodyBase64,
//       contentBase64).
// Threads: pure. Lifetime: values.
// Limits: those of a request. A secret (Authorization, X-API-Key, ?apiKey=) is left out.
// Failure: a body that says it is JSON or a form and is not is kValidation.
#pragma once

#include "core/result.h"
#include "runtime/api/api.h"
#include "runtime/api/endpoint_table.h"

#include <string>

namespace millrace::runtime::api {

core::Result<std::string> endpoint_input(const ApiRequest& request, const EndpointMatch& match,
                                         bool authenticated);

}  // namespace millrace::runtime::api
