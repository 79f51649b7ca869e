// What: a link as clients see it: the document, and what it is at.
// Threads: the API thread. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include "runtime/api/call.h"

#include <cstdint>
#include <string>

namespace millrace::runtime::api {

// Of many, not what their scripts have logged.
enum class LinkLogsShown : std::uint8_t { kNo, kYes };

std::string link_view(Services& services, const Link& link,
                      LinkLogsShown logs = LinkLogsShown::kYes);

// The document's answer, with what it is at.
ApiResponse link_response(Services& services, int status, const Link& link);

}  // namespace millrace::runtime::api
