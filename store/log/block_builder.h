// What: the open block of one shard: gathers texts and records, compresses each 64 KiB of text as
//       it fills, and makes the finished value and its summary.
// Threads: one owner. Lifetime: of its ShardLog. Limits: as ShardLog's. Failure: none.
#pragma once

#include "core/buffer.h"
#include "core/limits.h"
#include "store/ids/hasher.h"
#include "store/log/bloom_filter.h"
#include "store/log/format.h"
#include "store/log/pool_set.h"
#include "store/log/shard_log.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

class BlockBuilder {
public:
    BlockBuilder(PoolSet& pools, core::ShardId shard, std::size_t bytes_target);

    bool fits(const AppendInput& input) const;
    void add(const AppendInput& input);
    std::uint32_t count() const { return static_cast<std::uint32_t>(records_.size()); }
    std::size_t text_bytes() const { return text_bytes_; }
    bool empty() const { return records_.empty(); }

    struct Chain {
        core::LogOffset first_offset;
        std::uint64_t sequence = 0;
        std::uint64_t previous_hash = 0;
        std::uint64_t registry_revision = 0;
        std::int64_t received_high_us = 0;  // of this block and all before it
    };
    std::int64_t received_max_us() const { return received_max_us_; }
    SealedBlock finish(const Chain& chain);

private:
    std::uint16_t pattern_index(std::string_view pattern);
    void note(SummaryField field, std::uint64_t hash);
    void compress(std::string_view bytes);
    BlockBody finish_body();
    core::BufferRef make_value(const Chain& chain, const BlockBody& layout, std::size_t body_bytes);
    core::BufferRef make_summary(std::size_t stored_bytes, std::int64_t received_high_us,
                                 const std::vector<TenantBytes>& of_tenants);

    PoolSet& pools_;
    const core::ShardId shard_;
    const std::size_t bytes_target_;
    std::unique_ptr<char[]> lz4_state_;

    core::BufferRef body_;
    std::size_t text_bytes_ = 0;
    std::size_t segment_begin_ = 0;  // text from here on is not yet compressed
    std::vector<EventRecord> records_;
    std::vector<IdHash> ids_;
    bool any_id_ = false;
    bool any_asked_ = false;
    std::vector<SegmentEntry> segments_;
    std::string stored_;  // the compressed segments, one behind the other

    std::vector<PatternEntry> patterns_;  // text_begin in pattern_text_ until finish
    std::string pattern_text_;
    std::array<std::uint16_t, 2 * core::kBlockEventsMax>
        pattern_slots_{};  // index + 1, open addressing

    std::vector<std::uint64_t> items_;       // of the summary's filter
    std::array<std::uint64_t, 256> seen_{};  // items lately noted: most sources repeat
    std::uint32_t tenant_ = 0;
    bool many_tenants_ = false;
    std::int64_t received_min_us_ = 0;
    std::int64_t received_max_us_ = 0;
};

}  // namespace millrace::store
