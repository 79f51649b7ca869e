// What: a run of consecutive events of one shard in memory, as lanes, feeder, search and replay use
//       it: the same type whether it was just sealed or read back from disk.
// Threads: immutable once made; copy the handle to share it (the buffer is reference counted).
// Lifetime: every view of an event lives as long as some EventBlock holds the buffer.
// Limits: core::kBlockEventsMax events. At least core::kPaddingBytes readable bytes follow each
//       text.
// Failure: none; decoding (which can fail) is in block_codec.h.
#pragma once

#include "core/assert.h"
#include "core/buffer.h"
#include "core/ids.h"
#include "store/log/format.h"

#include <cstdint>
#include <string_view>

namespace millrace::store {

// One event as it is stored: the client's bytes and the server's stamps beside them.
struct StoredEvent {
    core::LogPosition position;
    std::string_view raw;    // byte for byte as it came
    std::string_view fills;  // what the server filled in (written by the runtime); often empty
    std::string_view pattern;
    core::TenantId tenant;
    std::int64_t received_at_us = 0;
    std::uint32_t key_hash = 0;  // low bits of the partition key's hash: which lane
    std::uint16_t flags = 0;     // EventFlag bits

    bool has(EventFlag flag) const { return (flags & static_cast<std::uint16_t>(flag)) != 0; }
};

class EventBlock {
public:
    EventBlock() = default;
    // `body` is laid out as format.h says: texts, records, pattern table.
    EventBlock(core::LogPosition first, BlockBody layout, core::BufferRef body,
               std::uint64_t registry_revision = 0)
        : first_(first),
          layout_(layout),
          body_(std::move(body)),
          registry_revision_(registry_revision) {}

    explicit operator bool() const { return static_cast<bool>(body_); }
    core::ShardId shard() const { return first_.shard; }
    core::LogOffset first_offset() const { return first_.offset; }
    // One past the last event's offset.
    core::LogOffset end_offset() const {
        return core::LogOffset{first_.offset.value + layout_.count};
    }
    std::uint32_t count() const { return layout_.count; }
    bool contains(core::LogOffset offset) const {
        return offset >= first_offset() && offset < end_offset();
    }
    std::uint32_t index_of(core::LogOffset offset) const {
        MR_DCHECK(contains(offset));
        return static_cast<std::uint32_t>(offset.value - first_.offset.value);
    }

    const EventRecord& record(std::uint32_t index) const {
        MR_DCHECK(index < layout_.count);
        return reinterpret_cast<const EventRecord*>(body_.data() + layout_.records_begin)[index];
    }
    StoredEvent event(std::uint32_t index) const;
    // Let go by a rule of retention: whoever walks over a block steps over it.
    bool gone(std::uint32_t index) const {
        return (record(index).flags & static_cast<std::uint16_t>(EventFlag::kGone)) != 0;
    }

    // The distinct patterns of the block; record().pattern_index points here.
    std::uint32_t pattern_count() const { return layout_.pattern_count; }
    std::string_view pattern(std::uint32_t pattern_index) const;

    const core::BufferRef& body() const { return body_; }
    // Of what was registered when the block was sealed; 0: not known.
    std::uint64_t registry_revision() const { return registry_revision_; }

private:
    core::LogPosition first_{};
    BlockBody layout_{};
    core::BufferRef body_;
    std::uint64_t registry_revision_ = 0;
};

// Here and not in a file of their own: asked for every event, by matcher and lane.
inline std::string_view EventBlock::pattern(std::uint32_t pattern_index) const {
    if (pattern_index >= layout_.pattern_count) return {};
    const auto* entries =
        reinterpret_cast<const PatternEntry*>(body_.data() + layout_.patterns_begin);
    return {body_.data() + entries[pattern_index].text_begin, entries[pattern_index].text_bytes};
}

inline StoredEvent EventBlock::event(std::uint32_t index) const {
    const EventRecord& from = record(index);
    StoredEvent out;
    out.position = {first_.shard, core::LogOffset{first_.offset.value + index}};
    out.raw = {body_.data() + from.text_begin, from.text_bytes};
    out.fills = {body_.data() + from.text_begin + from.text_bytes, from.fills_bytes};
    out.pattern = pattern(from.pattern_index);
    out.tenant = core::TenantId{from.tenant};
    out.received_at_us = from.received_at_us;
    out.key_hash = from.key_hash;
    out.flags = from.flags;
    return out;
}

}  // namespace millrace::store
