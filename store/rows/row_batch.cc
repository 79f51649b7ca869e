#include "store/rows/row_batch.h"

#include "core/assert.h"
#include "store/rows/keys.h"
#include "store/rows/outcome_codec.h"
#include "store/rows/row_codec.h"
#include "store/rows/varint.h"

#include <algorithm>
#include <array>

namespace millrace::store {
// An operation: op, family, count_change: one byte each; key and value with varint lengths.
void RowBatch::add_head(const OpView& view) {
    changes_kv_ |= view.family == ColumnFamily::kKv;
    ops_.push_back(static_cast<char>(view.op));
    ops_.push_back(static_cast<char>(view.family));
    ops_.push_back(static_cast<char>(view.count_change));
}

void RowBatch::add(const OpView& view) {
    add_head(view);
    put_text(ops_, view.key);
    put_text(ops_, view.value);
}

bool RowBatch::next(std::size_t& position, OpView& out) const {
    if (position >= ops_.size()) return false;
    out.op = static_cast<Op>(ops_[position]);
    out.family = static_cast<ColumnFamily>(ops_[position + 1]);
    out.count_change = static_cast<std::int8_t>(ops_[position + 2]);
    RecordReader record(std::string_view(ops_).substr(position + 3));
    out.key = record.text();
    out.value = record.text();
    MR_ASSERT(record.ok());
    position = ops_.size() - record.rest().size();
    return true;
}

void RowBatch::begin_outcomes(core::LogPosition block) {
    MR_ASSERT(chunk_key_.empty());
    chunk_key_ = log_key(block);
    chunk_entries_.clear();
    chunk_subscriptions_.clear();
    chunk_replay_id_.clear();
    chunk_count_ = 0;
}

void RowBatch::add_outcome(const OutcomeEntry& entry) {
    MR_DCHECK(!chunk_key_.empty());
    if (chunk_count_ == 0) {
        chunk_base_us_ = chunk_first_us_ = chunk_last_us_ = entry.started_at_us;
        chunk_tenant_ = entry.tenant;
    }
    ++chunk_count_;
    chunk_first_us_ = std::min(chunk_first_us_, entry.started_at_us);
    chunk_last_us_ = std::max(chunk_last_us_, entry.started_at_us);
    // Neighbours mostly have the same subscription: keeps the list short before it is sorted.
    if (chunk_subscriptions_.empty() || chunk_subscriptions_.back() != entry.subscription.value) {
        chunk_subscriptions_.push_back(entry.subscription.value);
    }
    encode_outcome_entry(chunk_entries_, entry, {chunk_base_us_, chunk_tenant_, chunk_replay_id_});
    if (!entry.replay_id.empty()) chunk_replay_id_ = entry.replay_id;
}

void RowBatch::end_outcomes() {
    MR_ASSERT(!chunk_key_.empty());
    if (chunk_count_ > 0) {
        const OutcomeChunkHeader header{chunk_count_, chunk_base_us_, chunk_first_us_,
                                        chunk_last_us_, chunk_tenant_};
        const std::string value =
            encode_outcome_chunk(header, chunk_subscriptions_, chunk_entries_);
        add({Op::kOutcomes, ColumnFamily::kOutcomes, 0, chunk_key_, value});
    }
    chunk_key_.clear();
}

void RowBatch::put_cursor(std::string_view name, core::LogPosition end) {
    add({Op::kPut, ColumnFamily::kCursor, 0, cursor_key(name, end.shard),
         encode_cursor(end.offset)});
}

void RowBatch::erase_cursor(std::string_view name, core::ShardId shard) {
    add({Op::kErase, ColumnFamily::kCursor, 0, cursor_key(name, shard), {}});
}

void RowBatch::put_retry(const RetryRow& row) {
    add({Op::kPut, ColumnFamily::kRetry, 1, waiting_key(row), encode_retry(row)});
}

void RowBatch::erase_retry(const RetryRow& row) {
    add({Op::kErase, ColumnFamily::kRetry, -1, waiting_key(row), {}});
}

void RowBatch::erase_retry(std::int64_t due_at_us, core::TenantId tenant,
                           const DeliveryKey& delivery) {
    add({Op::kErase, ColumnFamily::kRetry, -1, retry_key(due_at_us, tenant, delivery), {}});
}

void RowBatch::erase_parked(std::uint32_t key_hash, core::TenantId tenant,
                            const DeliveryKey& delivery) {
    add({Op::kErase, ColumnFamily::kRetry, -1, parked_key(key_hash, tenant, delivery), {}});
}

void RowBatch::put_dead_letter(const DeadLetter& row, RowChange change) {
    add({Op::kPut, ColumnFamily::kDlq, static_cast<std::int8_t>(change == RowChange::kNew ? 1 : 0),
         dead_letter_key(row.key), encode_dead_letter(row)});
}

void RowBatch::erase_dead_letter(const DeadLetterKey& key) {
    add({Op::kErase, ColumnFamily::kDlq, -1, dead_letter_key(key), {}});
}

void RowBatch::kv_put(const KvKey& key, std::string_view json, std::int64_t expires_at_us) {
    add({Op::kPut, ColumnFamily::kKv, 0, kv_prefix(key.tenant, key.space) + std::string(key.key),
         encode_kv_json(json, expires_at_us)});
}

void RowBatch::kv_put_int(const KvKey& key, std::int64_t value, std::int64_t expires_at_us) {
    add({Op::kPut, ColumnFamily::kKv, 0, kv_prefix(key.tenant, key.space) + std::string(key.key),
         encode_kv_int(value, expires_at_us)});
}

void RowBatch::kv_erase(const KvKey& key) {
    add({Op::kErase,
         ColumnFamily::kKv,
         0,
         kv_prefix(key.tenant, key.space) + std::string(key.key),
         {}});
}

void RowBatch::kv_incr(const KvKey& key, std::int64_t delta, std::int64_t now_us,
                       std::int64_t expires_at_us) {
    add({Op::kIncr, ColumnFamily::kKv, 0, kv_prefix(key.tenant, key.space) + std::string(key.key),
         encode_increment({delta, now_us, expires_at_us})});
}

void RowBatch::kv_incr(const KvKey& key, std::string_view decimal, std::int64_t now_us,
                       std::int64_t expires_at_us) {
    add({Op::kIncr, ColumnFamily::kKv, 0, kv_prefix(key.tenant, key.space) + std::string(key.key),
         encode_increment({0, now_us, expires_at_us, decimal})});
}

// What named_key() and encode_registry() make, with no text in between: states of keys are written
// at the pace of events.
void RowBatch::put_registry(std::string_view kind, std::string_view id, std::uint64_t version,
                            std::int64_t updated_at_us, std::string_view json) {
    std::array<char, 1 + 3 * kVarintBytesMax> head{static_cast<char>(kRowVersion)};
    char* end = write_varint(head.data() + 1, version);
    end = write_varint(end, zigzag(updated_at_us));
    end = write_varint(end, json.size());
    const std::string_view before_json(head.data(), static_cast<std::size_t>(end - head.data()));
    add_head({Op::kPut, ColumnFamily::kRegistry});
    put_varint(ops_, kind.size() + 1 + id.size());
    ops_.append(kind).push_back('\0');
    ops_.append(id);
    put_varint(ops_, before_json.size() + json.size());
    ops_.append(before_json).append(json);
}

void RowBatch::erase_registry(std::string_view kind, std::string_view id) {
    add({Op::kErase, ColumnFamily::kRegistry, 0, named_key(kind, id), {}});
}

void RowBatch::put_entity(const EntityKey& key, const EntityState& state) {
    add({Op::kPut, ColumnFamily::kEntity, 0,
         entity_prefix(key.tenant, key.type) + std::string(key.id),
         encode_entity({state.version, state.created_at_us, state.updated_at_us, state.json})});
}

void RowBatch::erase_entity(const EntityKey& key) {
    add({Op::kErase,
         ColumnFamily::kEntity,
         0,
         entity_prefix(key.tenant, key.type) + std::string(key.id),
         {}});
}

void RowBatch::put_audit(std::int64_t at_us, core::TenantId tenant, std::string_view json) {
    std::string key;
    put_be(key, at_us);
    add({Op::kAudit, ColumnFamily::kAudit, 0, key, encode_audit({tenant, json})});
}

void RowBatch::put_kv_history(std::int64_t at_us, std::string_view row) {
    std::string key = partition_key(kKvPartition);
    put_be(key, at_us);
    add({Op::kAudit, ColumnFamily::kKvHistory, 0, key, row});
}

void RowBatch::put(ColumnFamily family, std::string_view key, std::string_view value) {
    add({Op::kPut, family, 0, key, value});
}

void RowBatch::erase(ColumnFamily family, std::string_view key) {
    add({Op::kErase, family, 0, key, {}});
}

void RowBatch::append(const RowBatch& other) {
    MR_ASSERT(staged_ == other.staged_ || !changes_kv_ || !other.changes_kv_);
    if (other.changes_kv_)
        staged_ = other.staged_;
    else if (!changes_kv_)
        staged_ |= other.staged_;
    changes_kv_ |= other.changes_kv_;
    ops_.append(other.ops_);
}

void RowBatch::clear() {
    ops_.clear();
    staged_ = false;
    changes_kv_ = false;
    chunk_key_.clear();
}

}  // namespace millrace::store
