// What: looks at the configuration again while the server runs (SIGHUP). The log's level takes
//       effect at once; of everything else it is said that it takes effect at the next start.
// Threads: main's. Lifetime: borrows all. Limits: none.
// Failure: a configuration that can't be read is told; nothing changes.
#pragma once

#include "core/config.h"
#include "core/log.h"
#include "core/result.h"

#include <functional>

namespace millrace::runtime {

void reload_config(core::Log& log, const core::Config& running,
                   const std::function<core::Result<core::Config>()>& read_again);

}  // namespace millrace::runtime
