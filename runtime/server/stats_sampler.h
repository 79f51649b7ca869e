// What: one sample of the engine's figures (stream/stats_series.h), read off its metrics and store.
// Threads: the conductor's. Lifetime: borrows. Limits: none.
// Failure: a block that can not be read has no oldest event.
#pragma once

#include "core/metrics.h"
#include "runtime/registry/document_kind.h"
#include "runtime/stream/stats_series.h"
#include "store/database.h"

#include <cstdint>

namespace millrace::runtime {

// `handled`: by shard, the place before which every delivery has been made once.
StatsSample take_stats_sample(const core::Metrics& metrics, store::Database& database,
                              const LogEnds& handled, std::int64_t now_us);

}  // namespace millrace::runtime
