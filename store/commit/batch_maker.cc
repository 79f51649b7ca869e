// Turning rows into one WriteBatch, with all kv operations on one key becoming one write.
#include "store/engine.h"
#include "store/rows/keys.h"
#include "store/rows/row_codec.h"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

namespace millrace::store {

struct BatchMaker::KvPending {
    enum class Kind : std::uint8_t { kPut, kErase, kIncrement };
    struct Entry {
        Kind kind = Kind::kErase;
        std::string value;
        std::vector<std::string>
            increments;  // in their order; neighbours are joined where possible
    };
    std::unordered_map<std::string, Entry> entries;
};

BatchMaker::BatchMaker(Engine& engine) : engine_(engine), kv_(std::make_unique<KvPending>()) {}
BatchMaker::~BatchMaker() = default;

void BatchMaker::clear() {
    batch_.Clear();
    auto& put = effects_.retries_put;
    put.clear();
    effects_ = {.retries_put = std::move(put)};
    kv_->entries.clear();
    begin_unit(kOtherUnits);
    units_used_.clear();
    others_ = {};
}

void BatchMaker::begin_unit(core::ShardId log) {
    unit_log_ = log;
    serial_ = serial_end_ = 0;
}

std::uint64_t BatchMaker::next_serial() {
    if (serial_ == serial_end_) {
        UnitCounter& units = engine_.units();
        // Held until the batch is written: who commits later has the higher number.
        if (unit_log_ == kOtherUnits && !others_.owns_lock()) others_ = units.lock_others();
        serial_ = units.take(unit_log_);
        serial_end_ = serial_ + UnitCounter::kSerialsPerUnit;
        if (std::find(units_used_.begin(), units_used_.end(), unit_log_) == units_used_.end())
            units_used_.push_back(unit_log_);
    }
    return serial_++;
}

void BatchMaker::add_block(const SealedBlock& block) {
    const std::string key = log_key({block.events.shard(), block.events.first_offset()});
    batch_.Put(engine_.family(ColumnFamily::kLog), key, slice(block.value.view()));
    batch_.Put(engine_.family(ColumnFamily::kSummary), key, slice(block.summary.view()));
}

void BatchMaker::add_kv(const RowBatch::OpView& op) {
    using Kind = KvPending::Kind;
    auto [at, fresh] = kv_->entries.try_emplace(std::string(op.key));
    KvPending::Entry& entry = at->second;
    if (op.op == RowBatch::Op::kErase) {
        entry.kind = Kind::kErase;
        entry.value.clear();
        entry.increments.clear();
        return;
    }
    if (op.op == RowBatch::Op::kPut) {
        entry.kind = Kind::kPut;
        entry.value.assign(op.value);
        entry.increments.clear();
        return;
    }
    KvIncrement increment;
    (void)decode_increment(op.value, increment);  // RowBatch has written it
    if (fresh) entry.kind = Kind::kIncrement;
    if (entry.kind == Kind::kIncrement) {
        KvIncrement last;
        std::string joined;
        if (!entry.increments.empty() && decode_increment(entry.increments.back(), last) &&
            join_increments(last, increment, joined)) {
            entry.increments.back() = std::move(joined);
        } else {
            entry.increments.emplace_back(op.value);
        }
    } else {
        KvValue before;
        const bool there = entry.kind == Kind::kPut && decode_kv(entry.value, before);
        entry.kind = Kind::kPut;
        entry.value = encode_kv_value(apply_increment(there ? &before : nullptr, increment));
    }
}

void BatchMaker::add(const RowBatch& rows) {
    RowBatch::OpView op;
    for (std::size_t position = 0; rows.next(position, op);) {
        if (op.family == ColumnFamily::kKv) {
            add_kv(op);
            continue;
        }
        rocksdb::ColumnFamilyHandle* family = engine_.family(op.family);
        if (op.op == RowBatch::Op::kErase) {
            batch_.Delete(family, slice(op.key));
        } else if (op.op == RowBatch::Op::kOutcomes || op.op == RowBatch::Op::kAudit) {
            key_.assign(op.key);
            put_be(key_, next_serial());
            batch_.Put(family, key_, slice(op.value));
        } else {
            batch_.Put(family, slice(op.key), slice(op.value));
        }
        if (op.family == ColumnFamily::kDlq) effects_.dead_letters_change += op.count_change;
        if (op.family == ColumnFamily::kRetry) {
            RetryRow row;
            (void)decode_retry_key(op.key, row);  // RowBatch has written it
            effects_.retries_change += op.count_change;
            if (row.parked()) effects_.parked_change += op.count_change;
            if (op.op == RowBatch::Op::kPut && row.due_at_us < kHeldDueUs)
                effects_.retries_put.emplace_back(row.tenant, DueKey::of(row));
        }
    }
}

void BatchMaker::finish() {
    for (const core::ShardId log : units_used_) {
        batch_.Put(engine_.family(ColumnFamily::kCursor), cursor_key(kUnitsCursor, log),
                   encode_cursor(core::LogOffset{engine_.units().next(log)}));
    }
    rocksdb::ColumnFamilyHandle* family = engine_.family(ColumnFamily::kKv);
    for (const auto& [key, entry] : kv_->entries) {
        switch (entry.kind) {
            case KvPending::Kind::kPut: batch_.Put(family, key, entry.value); break;
            case KvPending::Kind::kErase: batch_.Delete(family, key); break;
            case KvPending::Kind::kIncrement:
                for (const std::string& one : entry.increments) batch_.Merge(family, key, one);
                break;
        }
    }
}

}  // namespace millrace::store
