// What: how a place in a shard's log is found by a time of receipt. Times of receipt do not rise
//       along a log: what had to wait for something stands behind what came later, and a clock may
//       be set back. So each summary says, beside what its block holds, the latest time of the log
//       up to there: that one never falls, and can be searched for by halves. On disk: the last
//       eight bytes of a summary of version kSummaryVersionWithHigh, i64.
// Threads: pure functions. Lifetime: none.
// Limits: summaries of the first version say nothing, a damaged one neither: what stands behind the
//       last that does is looked at block by block.
// Failure: Errors of reading; a damaged summary is none.
#pragma once

#include "core/ids.h"
#include "core/result.h"

#include <cstdint>
#include <limits>

namespace millrace::store {

class Engine;

inline constexpr std::uint8_t kSummaryVersionWithHigh = 2;
inline constexpr std::int64_t kReceivedHighUnknown = std::numeric_limits<std::int64_t>::max();

// The latest time of receipt of the whole log, as its summaries say it; 0 of an empty one.
core::Result<std::int64_t> received_high_of(Engine& engine, core::ShardId shard);

// Nothing before this place was received at `from_us` or later; it is a block's first offset.
core::Result<core::LogOffset> received_before(Engine& engine, core::ShardId shard,
                                              std::int64_t from_us);

}  // namespace millrace::store
