// What: core::Error to the API's error body:
//       {"success":false,"error":{"message":...,"code":...,"statusCode":...,"details":{...}}}
//       details carries field, position and limit where the error has them, and as "errors" what
//       else was found: a JSON array, empty where there is nothing.
// Threads: any. Lifetime: none. Limits: none; control bytes and bad UTF-8 are escaped or replaced.
// Failure: none.
#pragma once

#include "core/result.h"
#include "io/body_writer.h"

#include <string>
#include <string_view>

namespace millrace::io {

void append_error_body(BodyWriter& out, const core::Error& error);
std::string error_body(const core::Error& error, std::string_view found = {});
// Only {"message":...,"code":...,"statusCode":...,"details":{...}}: for lists of rejected entries.
void append_error_object(BodyWriter& out, const core::Error& error, std::string_view found = {});
std::string error_object(const core::Error& error, std::string_view found = {});

}  // namespace millrace::io
