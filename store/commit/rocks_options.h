// What: every RocksDB option that differs from its default, with its reason beside it.
// Threads: pure. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include "store/database.h"

#include <rocksdb/db.h>

#include <array>
#include <string>
#include <vector>

namespace millrace::store {

inline constexpr std::array<const char*, kColumnFamilyCount> kFamilyNames = {
    "default", "log", "summary",  "outcomes", "cursor",     "retry",
    "dlq",     "kv",  "registry", "audit",    "kv_history", "entity"};

// The same on the disk: a family whose keys changed has a name of its own since (migration.h).
inline constexpr std::array<const char*, kColumnFamilyCount> kDiskNames = {
    "default", "log",  "summary",  "outcomes", "cursor.5",     "retry.5",
    "dlq.5",   "kv.5", "registry", "audit",    "kv_history.5", "entity"};

rocksdb::DBOptions make_db_options(const Database::Options& options);
// Recovery up to the damage, instead of none.
void accept_damaged_wals(rocksdb::DBOptions& db);
std::vector<rocksdb::ColumnFamilyDescriptor> make_families(const Database::Options& options);

}  // namespace millrace::store
