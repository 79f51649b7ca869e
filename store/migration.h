// What: how a folder of an older format becomes one of this format. The families whose keys got the
//       partition have another name on the disk since (kDiskNames): the rows of the old family are
//       copied into the new one, synced, the old family is dropped, and FORMAT is written last.
//       Killed anywhere, the next start does what is left: a copy that is made again makes the same
//       rows, and nothing is served before the end. Other records keep their old version, which
//       readers know; blocks are never rewritten.
// Threads: Engine::open()'s. Lifetime: none.
// Limits: needs as much room again as those families have (kv, mostly); kCopyBatchBytes in memory.
// Failure: Errors from the disk: the start is refused, and tries again the next time.
#pragma once

#include <cstddef>

namespace millrace::store {

inline constexpr std::size_t kCopyBatchBytes = 1u << 20;

}  // namespace millrace::store
