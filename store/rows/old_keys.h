// What: keys as folders of formats 1 to 4 have them, and what they become: the partition first, and
//       the tenant in them. Only for bringing such folders up to date, and for looking at one.
// Threads: pure. Lifetime: none. Limits: none.
// Failure: a key that does not read becomes one of kUnreadPartition: kept, and read by nobody.
#pragma once

#include "core/ids.h"
#include "store/log/format.h"

#include <string>
#include <string_view>

namespace millrace::store {

// No partition has this number, nor do those who have no log (kOtherUnits).
inline constexpr core::ShardId kUnreadPartition{0xfffe};

// Whether the family's keys begin with the partition.
bool has_partition(ColumnFamily family);
// The family has_partition(). `value`: a retry's key was without its tenant.
std::string key_with_partition(ColumnFamily family, std::string_view old_key,
                               std::string_view value);
std::string old_cursor_key(std::string_view name, core::ShardId shard);

}  // namespace millrace::store
