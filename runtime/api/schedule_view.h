// What: a schedule as clients see it: its document, and what the scheduler knows of it.
// Threads: the API thread. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include "runtime/api/services.h"

#include <string>

namespace millrace::runtime::api {

std::string schedule_view(Services& services, const Schedule& schedule);

}  // namespace millrace::runtime::api
