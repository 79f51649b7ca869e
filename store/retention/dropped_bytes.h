// What: what one commit of retention takes from each tenant: into its batch, and, when that is
//       written, from what is held in memory (stored_bytes.h).
// Threads: the pass's that owns it. Lifetime: borrows the engine. Limits: none. Failure: none.
#pragma once

#include "store/engine.h"
#include "store/rows/keys.h"
#include "store/rows/row_codec.h"

#include <cstdint>
#include <map>
#include <utility>

namespace millrace::store {

class DroppedBytes {
public:
    explicit DroppedBytes(Engine& engine) : engine_(engine) {}

    void add(core::ShardId shard, core::TenantId tenant, std::uint64_t bytes) {
        bytes_[{shard.value, tenant.value}] += bytes;
    }
    void put(rocksdb::WriteBatch& batch) const {
        for (const auto& [of, bytes] : bytes_) {
            const core::ShardId shard{of.first};
            const core::TenantId tenant{of.second};
            const core::LogOffset all{engine_.stored_bytes.dropped(shard, tenant) + bytes};
            batch.Put(engine_.family(ColumnFamily::kCursor),
                      cursor_key(dropped_cursor(tenant), shard), encode_cursor(all));
        }
    }
    void committed() {
        for (const auto& [of, bytes] : bytes_)
            engine_.stored_bytes.drop(core::ShardId{of.first}, core::TenantId{of.second}, bytes);
        bytes_.clear();
    }

private:
    Engine& engine_;
    std::map<std::pair<std::uint16_t, std::uint32_t>, std::uint64_t> bytes_;
};

}  // namespace millrace::store
