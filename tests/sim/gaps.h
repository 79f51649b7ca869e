// What: what the server is known not to keep yet. Each turns a part of the workload and of the
//       oracle on once it does.
// Threads: constants. Lifetime: none. Limits: none. Failure: none.
#pragma once

namespace millrace::sim {

// What an event emits has an id derived from its cause's source too: two causes with one id make
// two events.
inline constexpr bool kDerivedIdsNameTheSource = true;
// (tenant, source, eventId) is taken once, whatever its partition key says, over all shards.
inline constexpr bool kIdsCountOverShards = true;
// Of an atomic batch all or nothing is there, after a crash too, over all shards.
inline constexpr bool kAtomicOverCrashes = false;
// What is due waits by the monotonic clock: a step of the wall clock back delays nothing.
inline constexpr bool kDueTimesAreMonotonic = false;

}  // namespace millrace::sim
