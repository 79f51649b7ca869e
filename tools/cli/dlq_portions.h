// What: `dlq replay --stop-at PERCENT`: dead letters delivered again in growing portions, each
//       awaited, until all have been tried or too many have failed again: what is still broken is
//       seen after ten of them, not after all.
// Threads: one. Lifetime: one call. Limits: kPortionMax letters at a time.
// Failure: false after an error has been printed; what was delivered until then is in the result.
#pragma once

#include "tools/cli/context.h"
#include "tools/cli/dlq_filter.h"

#include <cstdint>
#include <string>

namespace millrace::tools {

inline constexpr std::size_t kPortionFirst = 10;
inline constexpr std::size_t kPortionMax = 200;

struct PortionsResult {
    std::int64_t delivered = 0;
    std::int64_t failed = 0;
    std::int64_t left = 0;  // not tried: it was stopped before
    std::string error{};    // of one that failed
};

bool replay_in_portions(CliContext& context, const DlqFilter& filter, double percent,
                        PortionsResult& result);

// Whether so many failures are more than was allowed.
bool too_many_failed(const PortionsResult& result, double percent);

}  // namespace millrace::tools
