// What: a copy of the data folder while the server runs (RocksDB checkpoint: hard links on the same
//       disk, otherwise a copy), and the way back. Identity runs are not copied: they are derived.
// Threads: backup() by one at a time, any thread but a shard's. restore() needs no Database.
// Lifetime: none. Limits: the target must not exist (backup) or be empty (restore).
// Failure: Errors; a backup is complete when its folder has its name, before that it ends in
//       ".part". What a failed one copied is removed again; what one that was cut short left under
//       that name is not: the next one says so.
#pragma once

#include "core/ids.h"
#include "core/result.h"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::store {

class Database;

struct BackupReport {
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
    // By shard: every event below is in the backup. What came while it was made may be, too.
    std::vector<core::LogOffset> ends;
};

core::Result<BackupReport> backup(Database& database, const std::string& folder);
// Copies the bytes, so that the backup stays as it is.
core::Result<BackupReport> restore(const std::string& backup_folder,
                                   const std::string& data_folder);

}  // namespace millrace::store
