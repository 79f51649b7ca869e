// What: how far a shard's log is on the disk, whatever the levels of its commits were: what is
//       before it outlives a power cut. durable_end() is further where a commit was only handed to
//       the system; the housekeeper brings it here within 100 ms.
// Threads: any. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include "core/ids.h"

namespace millrace::store {

class Database;

core::LogOffset synced_end(Database& database, core::ShardId shard);

}  // namespace millrace::store
