// What: what earlier processes wrote into the data folder and nobody synced. After a crash of the
//       process it is in the page cache and is read by the next start like everything else; a power
//       cut would take it, with all that was acknowledged on top of it. So a start brings it to the
//       disk before it believes it.
// Threads: one, before RocksDB opens the folder. Lifetime: none.
// Limits: a start waits for the disk as long as writing what is left takes: the WALs at most. A
//       file that has nothing to write costs three system calls.
// Failure: an Error with the file's name; nothing was changed.
#pragma once

#include "core/result.h"

#include <string>

namespace millrace::store {

// What readers of the page cache see, and the disk has or can be brought to have: with
// kNotOnTheDisk not all of it (FolderLock says why), so that the cache is emptied.
enum class PageCache : std::uint8_t { kTrue, kNotOnTheDisk };

// WALs, manifest and the store's own files, then the folders that hold their names.
core::Status sync_leftovers(const std::string& folder, PageCache cache);

}  // namespace millrace::store
