#include "store/log/received_high.h"

#include "store/engine.h"
#include "store/log/block_codec.h"
#include "store/rows/keys.h"

#include <algorithm>

namespace millrace::store {
namespace {

// Of the block alone, where its summary does not read. One that does not read either has no events
// that anybody could find.
std::int64_t received_max_of_block(Engine& engine, core::LogPosition key) {
    rocksdb::PinnableSlice value;
    const auto there = engine.get(ColumnFamily::kLog, log_key(key), value);
    if (!there || !*there) return 0;
    const auto block = open_block(key, view(value));
    return block ? block->header.received_max_us : 0;
}

}  // namespace

core::Result<std::int64_t> received_high_of(Engine& engine, core::ShardId shard) {
    std::int64_t high_us = 0;
    const auto rows = engine.iterate(ColumnFamily::kSummary);
    rows->SeekForPrev(log_key({shard, core::LogOffset{~std::uint64_t{0}}}));
    for (; rows->Valid(); rows->Prev()) {
        KeyReader reader(view(rows->key()));
        const core::LogPosition key = read_log_key(reader);
        if (key.shard != shard || key.offset < engine.first_kept(shard)) break;
        const auto summary = open_summary(key, view(rows->value()));
        if (summary && summary->received_high_us != kReceivedHighUnknown)
            return std::max(high_us, summary->received_high_us);
        high_us = std::max(high_us, summary ? summary->header.received_max_us
                                            : received_max_of_block(engine, key));
    }
    if (!rows->status().ok()) return core::fail(rocks_error("read summaries", rows->status()));
    return high_us;
}

core::Result<core::LogOffset> received_before(Engine& engine, core::ShardId shard,
                                              std::int64_t from_us) {
    std::uint64_t low = engine.first_kept(shard).value;
    std::uint64_t high = engine.durable_end(shard).value;
    const auto rows = engine.iterate(ColumnFamily::kSummary);
    while (low < high) {
        rows->SeekForPrev(log_key({shard, core::LogOffset{low + (high - low) / 2}}));
        if (!rows->Valid()) break;
        KeyReader reader(view(rows->key()));
        const core::LogPosition key = read_log_key(reader);
        if (key.shard != shard || key.offset.value < low) break;
        const auto summary = open_summary(key, view(rows->value()));
        const bool all_before = summary && summary->received_high_us < from_us;
        (all_before ? low : high) =
            all_before ? key.offset.value + summary->header.count : key.offset.value;
    }
    if (!rows->status().ok()) return core::fail(rocks_error("read summaries", rows->status()));
    return core::LogOffset{low};
}

}  // namespace millrace::store
