// What: until when events were let go: the latest time of receipt among those that retention has
//       taken. Of whole blocks by shard; of single events by tenant and pattern, for the patterns
//       that RetentionRule::told_prefix names. For whoever undoes changes by their events: what it
//       does not find may have been there. Rows of the family default, written with the events'
//       going: "let_go/b" shard:u16                        version:u8 received_at_us:i64 "let_go/e"
//       tenant:u32 pattern               the same
// Threads: LetGo is the pass's that owns it; let_go_until() by any. Lifetime: borrows the engine.
// Limits: a row a pattern. Failure: Errors of reading. A row that does not read counts as "until
// now".
#pragma once

#include "core/ids.h"
#include "core/result.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace rocksdb {
class WriteBatch;
}

namespace millrace::store {

class Database;
class Engine;

// What one commit of a pass lets go.
class LetGo {
public:
    void block(core::ShardId shard, std::int64_t received_max_us);
    void event(core::TenantId tenant, std::string_view pattern, std::int64_t received_at_us);
    // Into the commit's batch; forgets it.
    core::Status put(Engine& engine, rocksdb::WriteBatch& batch);

private:
    std::map<std::string, std::int64_t> until_us_;  // by key
};

// Of events of patterns that begin so; 0: none is gone.
core::Result<std::int64_t> let_go_until(Database& database, core::TenantId tenant,
                                        std::string_view pattern_prefix);

}  // namespace millrace::store
