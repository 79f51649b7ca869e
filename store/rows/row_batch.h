// What: rows that must take effect together, written down in memory before the log writer turns
//       them into part of one WriteBatch. One arena of bytes; no RocksDB in sight.
// Threads: one owner at a time; move it to hand it over.
// Lifetime: owns all its bytes. clear() keeps the memory for the next use.
// Limits: none of its own; the log writer takes what came (keep one unit under a few MiB).
// Failure: none.
#pragma once

#include "core/ids.h"
#include "store/log/event_id.h"
#include "store/log/format.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

// A delivery waiting for its next attempt; or (parked) for the end of an earlier delivery of its
// partition key; or (held) for its subscription, which does not run. `state` is the runtime's
// (error, attempts so far).
struct RetryRow {
    std::int64_t due_at_us = 0;       // kParkedDueUs: parked; kHeldDueUs: held
    std::int64_t held_due_at_us = 0;  // of a held one: when it fell due
    DeliveryKey delivery{};
    std::uint32_t key_hash = 0;  // of a parked one
    core::TenantId tenant{};
    std::uint32_t attempt = 0;       // attempts made so far
    std::int64_t created_at_us = 0;  // when the first attempt failed
    std::string_view state{};

    bool parked() const { return due_at_us == kParkedDueUs; }
    bool held() const { return due_at_us == kHeldDueUs; }
};

// A delivery given up. Text fields are the API's; `attempts` is JSON text.
struct DeadLetter {
    DeadLetterKey key{};
    std::int64_t updated_at_us = 0;
    std::uint32_t retry_count = 0;
    std::uint32_t retries_max = 0;
    std::string_view subscription_id{};
    std::string_view script_id{};
    std::string_view pattern{};
    std::string_view event_id{};
    std::string_view error{};
    std::string_view error_fingerprint{};
    std::string_view attempts{};
    std::string_view extra{};  // JSON text, the runtime's own
};

struct KvKey {
    core::TenantId tenant{};
    std::string_view space{};  // namespace; no 0x00 inside
    std::string_view key{};
};

struct EntityKey {
    core::TenantId tenant{};
    std::string_view type{};  // no 0x00 inside, not empty
    std::string_view id{};
};

// One first or later attempt of one delivery. Extras only where there are any.
struct OutcomeEntry {
    std::uint32_t event_index = 0;  // in its block
    core::SubscriptionId subscription{};
    core::TenantId tenant{};  // the event's
    std::uint32_t script_version = 0;
    DeliveryStatus status = DeliveryStatus::kCompleted;
    std::uint32_t attempt = 1;  // 1 for the first
    std::uint32_t duration_us = 0;
    std::int64_t started_at_us = 0;
    std::string_view result{};  // JSON text
    std::string_view logs{};    // JSON text (array)
    std::string_view error{};
    std::string_view replay_id{};  // whose attempt it is; empty: the delivery's own
};

enum class RowChange : std::uint8_t { kNew, kUpdate };

class RowBatch {
public:
    RowBatch() = default;
    RowBatch(RowBatch&&) = default;
    RowBatch& operator=(RowBatch&&) = default;
    RowBatch(const RowBatch&) = delete;
    RowBatch& operator=(const RowBatch&) = delete;

    // Outcome chunk: begin, add entries in any order, end. `block` is the first event of the block
    // that holds the events (EventBlock::shard(), first_offset()).
    void begin_outcomes(core::LogPosition block);
    void add_outcome(const OutcomeEntry& entry);
    void end_outcomes();

    void put_cursor(std::string_view name, core::LogPosition end);
    void erase_cursor(std::string_view name, core::ShardId shard);
    void put_retry(const RetryRow& row);
    // Whatever the row waits for.
    void erase_retry(const RetryRow& row);
    void erase_retry(std::int64_t due_at_us, core::TenantId tenant, const DeliveryKey& delivery);
    void erase_parked(std::uint32_t key_hash, core::TenantId tenant, const DeliveryKey& delivery);
    void put_dead_letter(const DeadLetter& row, RowChange change);
    void erase_dead_letter(const DeadLetterKey& key);

    // A value is JSON text or a 64-bit integer; expires_at_us 0 is never.
    void kv_put(const KvKey& key, std::string_view json, std::int64_t expires_at_us);
    void kv_put_int(const KvKey& key, std::int64_t value, std::int64_t expires_at_us);
    void kv_erase(const KvKey& key);
    // Counts from 0 when there is no value, it has expired at now_us, or it is no number.
    // expires_at_us 0 keeps what is there. `decimal` is a JSON number, added digit for digit.
    void kv_incr(const KvKey& key, std::int64_t delta, std::int64_t now_us,
                 std::int64_t expires_at_us);
    void kv_incr(const KvKey& key, std::string_view decimal, std::int64_t now_us,
                 std::int64_t expires_at_us);

    void put_registry(std::string_view kind, std::string_view id, std::uint64_t version,
                      std::int64_t updated_at_us, std::string_view json);
    void erase_registry(std::string_view kind, std::string_view id);
    struct EntityState {
        std::uint64_t version = 0;
        std::int64_t created_at_us = 0;
        std::int64_t updated_at_us = 0;
        std::string_view json{};
    };
    void put_entity(const EntityKey& key, const EntityState& state);
    void erase_entity(const EntityKey& key);
    // `tenant` is for filtering; `json` is the whole entry.
    void put_audit(std::int64_t at_us, core::TenantId tenant, std::string_view json);

    // What this batch's kv changes undo; KvStore::stage() adds it.
    void put_kv_history(std::int64_t at_us, std::string_view row);

    // Anything else: key and value as they are.
    void put(ColumnFamily family, std::string_view key, std::string_view value);
    void erase(ColumnFamily family, std::string_view key);

    // Takes over the other's operations, behind its own. Changes of kv must be staged in both, or
    // in neither; without any it does not matter.
    void append(const RowBatch& other);
    bool empty() const { return ops_.empty(); }
    std::size_t bytes() const { return ops_.size(); }
    void clear();

    // For the store's own use: KvStore::stage() was called.
    void mark_staged() { staged_ = true; }
    bool staged() const { return staged_; }
    enum class Op : std::uint8_t { kPut, kErase, kIncr, kOutcomes, kAudit };
    struct OpView {
        Op op = Op::kPut;
        ColumnFamily family = ColumnFamily::kDefault;
        std::int8_t count_change = 0;  // of the family's row counter
        std::string_view key{};
        std::string_view value{};
    };
    // Walks the operations in order: start at 0, false at the end.
    bool next(std::size_t& position, OpView& out) const;

private:
    void add(const OpView& view);
    void add_head(const OpView& view);  // all but key and value

    std::string ops_;
    bool staged_ = false;
    bool changes_kv_ = false;
    // The chunk between begin_outcomes and end_outcomes.
    std::string chunk_key_;
    std::string chunk_entries_;
    std::vector<std::uint32_t> chunk_subscriptions_;
    std::string chunk_replay_id_;  // of the last entry that had one
    std::uint32_t chunk_count_ = 0;
    std::int64_t chunk_base_us_ = 0;
    std::int64_t chunk_first_us_ = 0;
    std::int64_t chunk_last_us_ = 0;
    core::TenantId chunk_tenant_{};  // of its first entry
};

}  // namespace millrace::store
