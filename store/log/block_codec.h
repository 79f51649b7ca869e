// What: reading a log row's value: checks it whole, unpacks it whole, or unpacks one event.
// Threads: pure functions. Lifetime: what they return owns its buffer.
// Limits: refuses sizes that no writer of ours makes, before it allocates.
// Failure: Error kInternal that names shard and offset; never wrong data.
#pragma once

#include "core/result.h"
#include "store/ids/hasher.h"
#include "store/log/event_block.h"
#include "store/log/log_reader.h"
#include "store/log/pool_set.h"
#include "store/log/received_high.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::store {

// A checked value: sizes add up and the checksum is right.
struct BlockView {
    BlockHeader header;
    std::string_view value;
    std::size_t segments_begin = 0;
    std::size_t ids_begin = 0;
    std::size_t stored_begin = 0;

    bool thinned() const {
        return (header.flags & static_cast<std::uint16_t>(BlockFlag::kThinned)) != 0;
    }
    bool has_ids() const {
        return (header.flags & static_cast<std::uint16_t>(BlockFlag::kHasIds)) != 0;
    }
    // Identities may be here that other shards keep; in the first version it was not noted.
    bool asked() const {
        return header.version == 1 ||
               (header.flags & static_cast<std::uint16_t>(BlockFlag::kAsked)) != 0;
    }
    SegmentEntry segment(std::uint32_t index) const;
    IdHash id(std::uint32_t index) const;
    core::LogPosition first() const {
        return {core::ShardId{header.shard}, core::LogOffset{header.first_offset}};
    }
    std::uint64_t end_offset() const { return header.first_offset + header.count; }
};

core::Result<BlockView> open_block(core::LogPosition key, std::string_view value);
core::Result<EventBlock> decode_block(const BlockView& block, PoolSet& pools);
core::Result<OwnedEvent> decode_event(const BlockView& block, std::uint32_t index, PoolSet& pools);
// Of the value as it was sealed: what the next block names. The value was checked by open_block().
std::uint64_t block_hash(std::string_view value);

struct SummaryView {
    SummaryHeader header;
    std::string_view patterns;  // {bytes:u16, text} x pattern_count
    std::string_view bloom;
    std::string_view of_tenants;                           // see tenant_bytes.h
    std::int64_t received_high_us = kReceivedHighUnknown;  // see received_high.h

    // Of whom it holds how much was counted.
    bool counted() const { return header.version == kSummaryVersionWithHigh; }
    bool has(SummaryFlag flag) const {
        return (header.flags & static_cast<std::uint8_t>(flag)) != 0;
    }
};
core::Result<SummaryView> open_summary(core::LogPosition key, std::string_view value);

}  // namespace millrace::store
