// What: how many bytes of events each tenant has in the log: their texts, as they came.
//       Grows with each block that is sealed, in the block's own commit, and comes down with what
//       retention takes, in its commit. Nothing is counted per event: a block says of whom it holds
//       how much (log/tenant_bytes.h). Blocks from before summaries said so were never counted, and
//       are not when they go.
//       Rows of the family cursor, by shard: "stored:TENANT" all that ever came, "dropped:TENANT"
//       all that ever went. Each has one writer, the shard and retention, so that neither reads
//       what the other writes.
// Threads: any; a lock for a block, none per event. Lifetime: of the engine.
// Limits: a few numbers a tenant and shard. Failure: none but load()'s.
#pragma once

#include "core/ids.h"
#include "core/result.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace millrace::store {

class Database;

class StoredBytes {
public:
    // One tenant's, for whoever asks often.
    using Held = std::atomic<std::int64_t>;

    explicit StoredBytes(std::size_t shards) : shards_(shards) {}
    StoredBytes(const StoredBytes&) = delete;
    StoredBytes& operator=(const StoredBytes&) = delete;

    core::Status load(const Database& database);

    // Returns all that ever came to this shard, and went: what stored_cursor and dropped_cursor are
    // to say.
    std::uint64_t add(core::ShardId shard, core::TenantId tenant, std::uint64_t bytes);
    std::uint64_t dropped(core::ShardId shard, core::TenantId tenant) const;
    void drop(core::ShardId shard, core::TenantId tenant, std::uint64_t bytes);

    // Stays where it is.
    const Held& of(core::TenantId tenant);
    std::int64_t held(core::TenantId tenant) const;

private:
    struct Of {
        Held held{0};
        std::vector<std::uint64_t> stored, dropped;  // by shard
    };
    Of& find(core::TenantId tenant);

    const std::size_t shards_;
    mutable std::mutex mutex_;
    std::unordered_map<std::uint32_t, std::unique_ptr<Of>> tenants_;
};

std::string stored_cursor(core::TenantId tenant);
std::string dropped_cursor(core::TenantId tenant);

}  // namespace millrace::store
