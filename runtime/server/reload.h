// What: looks at the configuration again while the server runs (SIGHUP). What a part can take, it
//       is given; of everything else one line says that it takes effect at the next start.
// Threads: main's. Lifetime: borrows all. Limits: none.
// Failure: a configuration that can't be read, and a part that does not take what is in it, is a
//       line each; what was in force stays.
#pragma once

#include "core/config.h"
#include "core/log.h"
#include "core/result.h"

#include <functional>
#include <span>
#include <string_view>

namespace millrace::runtime {

struct ReloadPart {
    std::string_view prefix;  // of its keys
    // Given every time: files may be others under the same names.
    std::function<core::Status(const core::Config&)> take;
};

// What is in force now.
core::Config reload_config(core::Log& log, const core::Config& running,
                           const std::function<core::Result<core::Config>()>& read_again,
                           std::span<const ReloadPart> parts);

}  // namespace millrace::runtime
