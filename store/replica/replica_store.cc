#include "store/replica/replica_store.h"

#include "store/engine.h"
#include "store/ids/gone_events.h"
#include "store/log/block_codec.h"
#include "store/replica/batch_view.h"
#include "store/retention/rocks_work.h"
#include "store/rows/keys.h"

#include <cstring>
#include <utility>

namespace millrace::store {

using core::ErrorCode;

// ---- the engine's part: it knows its families, tails and identities

core::Status Engine::open_replica() {
    if (auto status = open_folder(); !status) return status;
    if (auto status = check_replicable(); !status) return status;
    if (auto status = recover_tails(); !status) return status;
    // The row of the position is what this folder claims to have; the mark is written anew.
    auto mark = HighWaterMark::open(options.path + "/hwm", false);
    if (!mark) return core::fail(std::move(mark.error()));
    mark_ = std::move(*mark);
    marked_.fill({~std::uint64_t{0}, 0, 0, 0});
    if (auto status = write_mark(); !status) return status;
    return recover_ids();
}

// Batches name families by number, and those of a folder that was brought up from an older format
// have others.
core::Status Engine::check_replicable() {
    for (std::size_t i = 0; i < kColumnFamilyCount; ++i) {
        if (!handles_[i] || handles_[i]->GetID() != i || format_is_old_)
            return core::fail(ErrorCode::kConflict,
                              "store: open data folder path=" + options.path +
                                  " as a partition failed: it was made by an older millrace; a "
                                  "partition begins with a folder of its own");
    }
    if (options.sync_depth_max > 1)
        return core::fail(ErrorCode::kValidation,
                          "store.sync_depth_max must be 1 in a cluster: a write is in the log of "
                          "the partition before it is on the disk");
    return {};
}

core::Status Engine::check_follows(const BatchView& batch) {
    std::array<ShardTail, core::kShardsMax> tails = committed_;
    for (const BatchView::Block& block : batch.blocks) {
        if (block.at.shard.value >= options.shards)
            return core::fail(ErrorCode::kConflict,
                              "store: a unit has a block of a shard that "
                              "this folder does not have");
        ShardTail& tail = tails[block.at.shard.value];
        if (block.at.offset.value < tail.end_offset) continue;  // written anew by retention
        auto opened = open_block(block.at, block.value);
        if (!opened) return core::fail(std::move(opened.error()));
        const bool first = tail.blocks == 0;
        if (block.at.offset.value != tail.end_offset || opened->header.sequence != tail.blocks ||
            (!first && opened->header.previous_hash != tail.last_hash)) {
            return core::fail(ErrorCode::kConflict,
                              "store: a unit's block at offset " +
                                  std::to_string(block.at.offset.value) +
                                  " does not follow the log here, which ends at offset " +
                                  std::to_string(tail.end_offset));
        }
        tail = {opened->header.sequence + 1, opened->end_offset(), block.at.offset.value,
                block_hash(block.value)};
    }
    return {};
}

core::Status Engine::take_blocks(const BatchView& batch) {
    for (const BatchView::Block& block : batch.blocks) {
        const core::ShardId shard = block.at.shard;
        const std::uint64_t end = committed_[shard.value].end_offset;
        if (block.at.offset.value < end) continue;
        auto opened = open_block(block.at, block.value);
        if (!opened) return core::fail(std::move(opened.error()));
        if (auto status = index_block(*opened, end); !status) return status;
        publish_tail(shard, {opened->header.sequence + 1, opened->end_offset(),
                             block.at.offset.value, block_hash(block.value)});
    }
    for (const BatchView::Gone& row : batch.gone) {
        auto bits = decode_gone(row.block, row.value);
        if (!bits) return core::fail(std::move(bits.error()));
        if (row.block.shard.value < ids.shards())
            ids.shard(row.block.shard).gone().put(std::move(*bits));
    }
    for (const core::LogPosition& first : batch.kept_from) {
        if (first.shard.value >= ids.shards()) continue;
        set_first_kept(first.shard, first.offset);
        ids.shard(first.shard).gone().forget_before(first.offset.value);
    }
    return {};
}

core::Status Engine::apply_replica(std::string_view bytes, const ReplicaPosition& at) {
    if (bytes.size() > kReplicaUnitBytesMax)
        return core::fail(ErrorCode::kConflict, "store: a unit is larger than any that is written");
    rocksdb::WriteBatch batch{std::string(bytes)};
    auto seen = BatchView::of(batch);
    if (!seen) return core::fail(std::move(seen.error()));
    if (auto status = check_follows(*seen); !status) return status;
    rocksdb::WriteBatch whole(batch);
    whole.Put(family(ColumnFamily::kDefault), slice(kReplicaKey), encode_replica_position(at));
    forget_alone(whole);
    if (auto status = commit(whole, Durability::kOs); !status) return status;
    auto taken = take_blocks(*seen);
    if (!taken) set_fatal(taken.error().message);
    return taken;
}

core::Status Engine::note_replica(const ReplicaPosition& at) {
    rocksdb::WriteBatch batch;
    batch.Put(family(ColumnFamily::kDefault), slice(kReplicaKey), encode_replica_position(at));
    forget_alone(batch);
    return commit(batch, Durability::kOs);
}

// In the first write of a start, before anything that this start brings.
core::Status Engine::note_alone(rocksdb::WriteBatch& batch) {
    if (options.gate) return {};
    rocksdb::PinnableSlice value;
    auto there = get(ColumnFamily::kDefault, kReplicaKey, value);
    if (!there) return core::fail(std::move(there.error()));
    if (*there)
        batch.Put(family(ColumnFamily::kDefault), slice(kAloneKey),
                  rocksdb::Slice(reinterpret_cast<const char*>(&boot_), sizeof(boot_)));
    return {};
}

// The position that is written now has the hash that tells it.
void Engine::forget_alone(rocksdb::WriteBatch& batch) {
    if (!std::exchange(written_alone_, false)) return;
    batch.Delete(family(ColumnFamily::kDefault), slice(kAloneKey));
}

// What was written alone is in no unit, so the chain up to here is no longer what the others have:
// nobody whose chain that is goes on behind this one, whatever a person says.
core::Status Engine::tell_alone(ReplicaPosition& position) {
    rocksdb::PinnableSlice value;
    auto there = get(ColumnFamily::kDefault, kAloneKey, value);
    if (!there) return core::fail(std::move(there.error()));
    std::uint32_t boot = 0;
    if (!*there) return {};
    if (value.size() == sizeof boot) std::memcpy(&boot, value.data(), sizeof boot);
    written_alone_ = true;
    constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;
    position.hash = (position.hash ^ (boot + 1)) * kOdd;
    return {};
}

core::Result<ReplicaPosition> Engine::replica_position() {
    rocksdb::PinnableSlice value;
    auto there = get(ColumnFamily::kDefault, kReplicaKey, value);
    if (!there) return core::fail(std::move(there.error()));
    if (*there) {
        auto position = decode_replica_position(view(value));
        if (!position) return position;
        if (auto told = tell_alone(*position); !told) return core::fail(std::move(told.error()));
        return position;
    }
    // A folder that was never a partition, but has something in it, is not to be filled over.
    auto rows = iterate(ColumnFamily::kDefault);
    rows->SeekToFirst();
    if (rows->Valid())
        return core::fail(ErrorCode::kConflict,
                          "store: open data folder path=" + options.path +
                              " as a partition failed: it belongs to a server that stands alone");
    return ReplicaPosition{};
}

// ---- the door

ReplicaStore::ReplicaStore(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}
ReplicaStore::~ReplicaStore() = default;

core::Result<std::unique_ptr<ReplicaStore>> ReplicaStore::open(const Database::Options& options) {
    auto engine = std::make_unique<Engine>(options);
    if (auto status = engine->open_replica(); !status) return core::fail(std::move(status.error()));
    auto position = engine->replica_position();
    if (!position) return core::fail(std::move(position.error()));
    if (auto status = engine->check_seed(); !status) return core::fail(std::move(status.error()));
    std::unique_ptr<ReplicaStore> store(new ReplicaStore(std::move(engine)));
    // What was found is on the disk (settle_folder()).
    store->position_ = store->synced_ = *position;
    store->reclaimed_ = store->first_kept();
    return store;
}

core::Status ReplicaStore::apply(std::string_view batch, const ReplicaPosition& at) {
    if (auto status = engine_->apply_replica(batch, at); !status) return status;
    position_ = at;
    return {};
}

core::Status ReplicaStore::note(const ReplicaPosition& at) {
    if (auto status = engine_->note_replica(at); !status) return status;
    position_ = at;
    return {};
}

core::Status ReplicaStore::sync() {
    if (auto status = engine_->sync_now(); !status) return status;
    engine_->publish_synced();
    synced_ = position_;
    return {};
}

core::Result<bool> ReplicaStore::work() {
    for (std::size_t i = 0; i < engine_->ids.shards(); ++i) {
        auto worked = engine_->ids.shard(core::ShardId{static_cast<std::uint16_t>(i)}).work();
        if (!worked || *worked) return worked;
    }
    return reclaim();
}

std::uint64_t ReplicaStore::first_kept() const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < engine_->options.shards; ++i)
        sum += engine_->first_kept(core::ShardId{static_cast<std::uint16_t>(i)}).value;
    return sum;
}

bool ReplicaStore::reclaim() {
    const std::int64_t now_ns = engine_->options.clock->monotonic_ns();
    if (first_kept() == reclaimed_ || now_ns < reclaim_next_ns_) return false;
    reclaimed_ = first_kept();
    reclaim_next_ns_ = now_ns + kReclaimEveryNs;
    for (std::size_t i = 0; i < engine_->options.shards; ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        reclaim_log(*engine_, shard, engine_->first_kept(shard));
    }
    return true;
}

core::Status ReplicaStore::close() {
    if (auto status = sync(); !status) return status;
    return engine_->write_mark();
}

core::Result<Snapshot> ReplicaStore::snapshot(const std::string& folder, const CopyEnd& asks) {
    return snapshot_of(*engine_, folder, asks);
}

CopyEnd ReplicaStore::log_end() const {
    const ShardTail tail = engine_->tail(core::ShardId{0});
    return {tail.end_offset, tail.last_hash};
}

bool ReplicaStore::written_alone() const { return engine_->written_alone(); }

std::uint64_t ReplicaStore::events() const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < engine_->options.shards; ++i)
        sum += engine_->tail(core::ShardId{static_cast<std::uint16_t>(i)}).end_offset;
    return sum;
}

}  // namespace millrace::store
