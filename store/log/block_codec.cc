#include "store/log/block_codec.h"

#include "store/log/tenant_bytes.h"

#include <lz4.h>

#include <algorithm>
#include <cstring>
#include <string>
#define XXH_INLINE_ALL
#include "store/commit/crc32c.h"

#include <xxhash.h>

namespace millrace::store {
namespace {

using core::ErrorCode;

tl::unexpected<core::Error> damaged(core::LogPosition key, std::string_view why) {
    return core::fail(
        ErrorCode::kInternal,
        "store: read block shard=" + std::to_string(key.shard.value) +
            " offset=" + std::to_string(key.offset.value) + " failed: " + std::string(why) +
            "; the data folder is damaged, run `millrace verify` and restore from a backup");
}

// Nothing that a block may hold comes near this.
constexpr std::uint32_t kBodyBytesLimit = 64u << 20;

bool unpack(std::string_view stored, char* out, std::size_t bytes) {
    if (stored.size() == bytes) {
        std::memcpy(out, stored.data(), bytes);
        return true;
    }
    const int got = LZ4_decompress_safe(stored.data(), out, static_cast<int>(stored.size()),
                                        static_cast<int>(bytes));
    return got >= 0 && static_cast<std::size_t>(got) == bytes;
}

bool record_fits(const EventRecord& record, std::uint32_t texts_end) {
    return static_cast<std::uint64_t>(record.text_begin) + record.text_bytes + record.fills_bytes <=
           texts_end;
}

BlockBody layout_of(const BlockHeader& header) {
    return {header.count, header.records_begin, header.patterns_begin, header.pattern_count};
}

// The checksum has been right, so these can only fail for a writer's mistake; they keep such a
// mistake from becoming a wild read.
bool header_plausible(const BlockHeader& h) {
    return h.count > 0 && h.count <= core::kBlockEventsMax && h.segment_count > 0 &&
           h.segment_count <= h.count + 1 && h.body_bytes <= kBodyBytesLimit &&
           h.records_begin % 8 == 0 && h.records_begin <= h.body_bytes &&
           h.patterns_begin >= h.records_begin &&
           h.patterns_begin - h.records_begin == h.count * sizeof(EventRecord) &&
           h.pattern_count <= h.count &&
           h.patterns_begin + std::uint64_t{h.pattern_count} * sizeof(PatternEntry) <= h.body_bytes;
}

bool tables_plausible(const char* meta, const BlockHeader& h) {
    const auto* records = reinterpret_cast<const EventRecord*>(meta);
    for (std::uint32_t i = 0; i < h.count; ++i) {
        if (!record_fits(records[i], h.records_begin) ||
            records[i].pattern_index >= h.pattern_count)
            return false;
    }
    const auto* patterns =
        reinterpret_cast<const PatternEntry*>(meta + (h.patterns_begin - h.records_begin));
    for (std::uint32_t i = 0; i < h.pattern_count; ++i) {
        const PatternEntry& entry = patterns[i];
        if (entry.text_begin < h.patterns_begin) return false;
        if (static_cast<std::uint64_t>(entry.text_begin) + entry.text_bytes > h.body_bytes)
            return false;
    }
    return true;
}

}  // namespace

SegmentEntry BlockView::segment(std::uint32_t index) const {
    SegmentEntry out;
    std::memcpy(&out, value.data() + segments_begin + index * sizeof(out), sizeof(out));
    return out;
}

IdHash BlockView::id(std::uint32_t index) const {
    IdHash out;
    if (has_ids()) std::memcpy(&out, value.data() + ids_begin + index * sizeof(out), sizeof(out));
    return out;
}

std::uint64_t block_hash(std::string_view value) {
    BlockHeader header;
    std::uint64_t sealed = 0;
    const std::size_t header_bytes =
        value.empty() ? sizeof(header) : block_header_bytes(static_cast<std::uint8_t>(value[0]));
    if (value.size() >= header_bytes + sizeof(sealed)) {
        std::memcpy(&header, value.data(), header_bytes);
        std::memcpy(&sealed, value.data() + header_bytes, sizeof(sealed));
        if ((header.flags & static_cast<std::uint16_t>(BlockFlag::kThinned)) != 0) return sealed;
    }
    return XXH3_64bits(value.data(), value.size());
}

core::Result<BlockView> open_block(core::LogPosition key, std::string_view value) {
    BlockView view;
    view.value = value;
    if (value.empty()) return damaged(key, "empty");
    const auto version = static_cast<std::uint8_t>(value.front());
    if (version == 0 || version > kBlockVersion)
        return damaged(key, "unknown block version " + std::to_string(version));
    const std::size_t header_bytes = block_header_bytes(version);
    if (value.size() < header_bytes) return damaged(key, "shorter than its header");
    std::memcpy(&view.header, value.data(), header_bytes);
    const BlockHeader& h = view.header;
    if (record_crc(value, offsetof(BlockHeader, crc32c)) != h.crc32c)
        return damaged(key, "checksum mismatch");
    if (h.codec > BlockCodec::kLz4) return damaged(key, "unknown codec");
    if (h.first_offset != key.offset.value || h.shard != key.shard.value)
        return damaged(key, "key and block disagree");
    if (!header_plausible(h)) return damaged(key, "header out of range");

    view.segments_begin = header_bytes + (view.thinned() ? sizeof(std::uint64_t) : 0);
    view.ids_begin = view.segments_begin + h.segment_count * sizeof(SegmentEntry);
    view.stored_begin = view.ids_begin + (view.has_ids() ? h.count * sizeof(IdHash) : 0);
    if (view.stored_begin > value.size()) return damaged(key, "tables longer than the block");
    std::uint64_t stored = 0;
    std::uint64_t texts = 0;
    for (std::uint32_t i = 0; i < h.segment_count; ++i) {
        const SegmentEntry segment = view.segment(i);
        stored += segment.stored_bytes;
        if (i + 1 < h.segment_count) {
            texts += segment.body_bytes;
        } else if (segment.body_bytes != h.body_bytes - h.records_begin) {
            return damaged(key, "meta segment has a wrong size");
        }
    }
    if (view.stored_begin + stored != value.size()) return damaged(key, "segments do not add up");
    if (texts > h.records_begin || h.records_begin - texts >= 8)
        return damaged(key, "texts do not add up");
    return view;
}

core::Result<EventBlock> decode_block(const BlockView& block, PoolSet& pools) {
    const BlockHeader& h = block.header;
    core::BufferRef body = pools.acquire(h.body_bytes);
    body.set_size(h.body_bytes);
    std::size_t at = block.stored_begin;
    std::size_t to = 0;
    for (std::uint32_t i = 0; i < h.segment_count; ++i) {
        const SegmentEntry segment = block.segment(i);
        if (i + 1 == h.segment_count) to = h.records_begin;
        if (!unpack(block.value.substr(at, segment.stored_bytes), body.data() + to,
                    segment.body_bytes)) {
            return damaged(block.first(), "segment does not unpack");
        }
        at += segment.stored_bytes;
        to += segment.body_bytes;
    }
    if (!tables_plausible(body.data() + h.records_begin, h))
        return damaged(block.first(), "tables out of range");
    return EventBlock(block.first(), layout_of(h), std::move(body), h.registry_revision);
}

core::Result<OwnedEvent> decode_event(const BlockView& block, std::uint32_t index, PoolSet& pools) {
    const BlockHeader& h = block.header;
    MR_ASSERT(index < h.count);
    const std::uint32_t meta_bytes = h.body_bytes - h.records_begin;
    const SegmentEntry meta_segment = block.segment(h.segment_count - 1);
    core::BufferRef meta = pools.acquire(meta_bytes);
    const std::size_t meta_at = block.value.size() - meta_segment.stored_bytes;
    if (!unpack(block.value.substr(meta_at), meta.data(), meta_bytes)) {
        return damaged(block.first(), "meta segment does not unpack");
    }
    if (!tables_plausible(meta.data(), h)) return damaged(block.first(), "tables out of range");
    const EventRecord record = reinterpret_cast<const EventRecord*>(meta.data())[index];

    std::size_t at = block.stored_begin;
    std::size_t begin = 0;
    std::uint32_t i = 0;
    for (; i + 1 < h.segment_count; ++i) {
        const SegmentEntry segment = block.segment(i);
        if (record.text_begin < begin + segment.body_bytes) break;
        at += segment.stored_bytes;
        begin += segment.body_bytes;
    }
    const std::size_t bytes = std::size_t{record.text_bytes} + record.fills_bytes;
    const SegmentEntry segment = block.segment(i);
    const bool empty = bytes == 0;
    if (!empty &&
        (i + 1 == h.segment_count || record.text_begin - begin + bytes > segment.body_bytes)) {
        return damaged(block.first(), "record points outside its segment");
    }
    // The segment, with the pattern's text behind it.
    PatternEntry entry;
    std::memcpy(
        &entry,
        meta.data() + (h.patterns_begin - h.records_begin) + record.pattern_index * sizeof(entry),
        sizeof(entry));
    const std::string_view pattern(meta.data() + (entry.text_begin - h.records_begin),
                                   entry.text_bytes);
    const std::size_t segment_bytes = empty ? 0 : segment.body_bytes;
    core::BufferRef text = pools.acquire(segment_bytes + pattern.size());
    if (!empty &&
        !unpack(block.value.substr(at, segment.stored_bytes), text.data(), segment_bytes)) {
        return damaged(block.first(), "segment does not unpack");
    }
    std::memcpy(text.data() + segment_bytes, pattern.data(), pattern.size());
    text.set_size(segment_bytes + pattern.size());

    OwnedEvent out;
    const char* raw = text.data() + (empty ? 0 : record.text_begin - begin);
    out.event.position = {block.first().shard, core::LogOffset{h.first_offset + index}};
    out.event.raw = {raw, record.text_bytes};
    out.event.fills = {raw + record.text_bytes, record.fills_bytes};
    out.event.pattern = {text.data() + segment_bytes, pattern.size()};
    out.event.tenant = core::TenantId{record.tenant};
    out.event.received_at_us = record.received_at_us;
    out.event.key_hash = record.key_hash;
    out.event.flags = record.flags;
    out.block_first_offset = core::LogOffset{h.first_offset};
    out.bytes = std::move(text);
    return out;
}

core::Result<SummaryView> open_summary(core::LogPosition key, std::string_view value) {
    SummaryView view;
    if (value.size() < sizeof(SummaryHeader))
        return damaged(key, "summary shorter than its header");
    std::memcpy(&view.header, value.data(), sizeof(SummaryHeader));
    const bool with_high = view.header.version == kSummaryVersionWithHigh;
    if (!with_high && view.header.version != kSummaryVersion)
        return damaged(key, "unknown summary version");
    if (record_crc(value, offsetof(SummaryHeader, crc32c)) != view.header.crc32c)
        return damaged(key, "summary checksum mismatch");
    const std::uint64_t bytes = std::uint64_t{view.header.patterns_bytes} + view.header.bloom_bytes;
    const std::size_t high_bytes = with_high ? sizeof(view.received_high_us) : 0;
    const std::uint64_t known = sizeof(SummaryHeader) + bytes + high_bytes;
    const std::uint64_t of_tenants = value.size() - std::min<std::uint64_t>(known, value.size());
    if (known > value.size() || of_tenants % sizeof(TenantBytes) != 0 ||
        (!with_high && of_tenants != 0))
        return damaged(key, "summary does not add up");
    view.patterns = value.substr(sizeof(SummaryHeader), view.header.patterns_bytes);
    view.bloom =
        value.substr(sizeof(SummaryHeader) + view.header.patterns_bytes, view.header.bloom_bytes);
    if (with_high) {
        view.of_tenants = value.substr(sizeof(SummaryHeader) + bytes, of_tenants);
        std::memcpy(&view.received_high_us, value.data() + value.size() - high_bytes, high_bytes);
    }
    return view;
}

}  // namespace millrace::store
