// What: a copy of the data folder while the server runs (RocksDB checkpoint: hard links on the same
//       disk, otherwise a copy), and the way back. Identity runs are not copied: they are derived.
// Threads: backup() by one at a time, any thread but a shard's. restore() needs no Database.
// Lifetime: none. Limits: the target must not exist (backup) or be empty (restore).
// Failure: Errors; a backup is complete when its folder has its name, before that it ends in
//       ".part".
#pragma once

#include "core/result.h"

#include <string>

namespace millrace::store {

class Database;

core::Status backup(Database& database, const std::string& folder);
// Copies the bytes, so that the backup stays as it is.
core::Status restore(const std::string& backup_folder, const std::string& data_folder);

}  // namespace millrace::store
