#include "store/log/shard_log.h"

#include "core/assert.h"
#include "store/ids/id_index.h"
#include "store/log/block_builder.h"

#include <algorithm>

namespace millrace::store {

ShardLog::ShardLog(const Options& options)
    : options_(options),
      builder_(std::make_unique<BlockBuilder>(*options.pools, options.shard,
                                              options.block_bytes_target)) {}

ShardLog::~ShardLog() = default;

// Unit of work: one event. Budget: 350 ns with 345 bytes, LZ4 included
// (bench/store_append_bench.cc). The identity table is the one cache miss; prefetch() a few events
// ahead hides it.
AppendResult ShardLog::append(const AppendInput& input, WhenBusy when_busy) {
    AppendResult result;
    if (!input.id.none()) {
        result = find(input.id);
        if (result.status == AppendStatus::kDuplicate) return result;
    }
    result.position = next_position();
    if (!builder_->fits(input)) {
        result.status = AppendStatus::kBlockFull;
        return result;
    }
    if (!input.id.none()) {
        const KeeperBits asked =
            input.asked ? keeper_bit(keeper_of(input.id, options_.shards)) : KeeperBits{0};
        if (!options_.ids->insert(input.id, result.position.offset, asked)) {
            if (when_busy == WhenBusy::kRefuse) {
                result.status = AppendStatus::kBusy;
                return result;
            }
            options_.ids->insert_anyway(input.id, result.position.offset, asked);
        }
    }
    builder_->add(input);
    result.status = AppendStatus::kAppended;
    return result;
}

AppendResult ShardLog::find(const IdHash& id) {
    AppendResult result;
    const ShardIdIndex::Found found = options_.ids->find(id);
    if (!found.there) return result;
    result.status = AppendStatus::kDuplicate;
    result.position = {options_.shard, found.offset};
    result.durable = options_.ids->durable(found.offset);
    return result;
}

void ShardLog::prefetch(const IdHash& id) const {
    if (!id.none()) options_.ids->prefetch(id);
}

core::LogPosition ShardLog::next_position() const {
    return {options_.shard, core::LogOffset{options_.next_offset.value + builder_->count()}};
}

bool ShardLog::empty() const { return builder_->empty(); }
std::uint32_t ShardLog::open_events() const { return builder_->count(); }
std::size_t ShardLog::open_bytes() const { return builder_->text_bytes(); }

bool ShardLog::full() const {
    return builder_->count() >= core::kBlockEventsMax ||
           builder_->text_bytes() >= options_.block_bytes_target * 7 / 8;
}

SealedBlock ShardLog::seal(std::uint64_t registry_revision) {
    MR_ASSERT(!builder_->empty());
    const std::uint32_t count = builder_->count();
    options_.received_high_us = std::max(options_.received_high_us, builder_->received_max_us());
    SealedBlock out =
        builder_->finish({options_.next_offset, options_.next_sequence, options_.previous_hash,
                          registry_revision, options_.received_high_us});
    options_.next_offset.value += count;
    options_.next_sequence += 1;
    options_.previous_hash = out.hash;
    // Refused: the housekeeper is behind; the next block asks again.
    static_cast<void>(options_.ids->note_sealed(options_.next_offset, out.value.size()));
    return out;
}

}  // namespace millrace::store
