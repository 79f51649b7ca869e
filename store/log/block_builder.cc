#include "store/log/block_builder.h"

#include <lz4.h>

#include <algorithm>
#include <cstring>
#define XXH_INLINE_ALL
#include "core/assert.h"
#include "store/commit/crc32c.h"
#include "store/log/received_high.h"

#include <xxhash.h>

namespace millrace::store {
namespace {

// Below this a block is stored as it is: LZ4 would win nothing worth its call.
constexpr std::size_t kCompressBytesMin = 256;
// LZ4's own speed knob. Its default is 1; 2 takes a quarter less time for 2 % more bytes, 4 a tenth
// less again for 3 % (bench/store_results.md).
constexpr int kLz4Acceleration = 2;
constexpr std::size_t kSummaryBitsPerItem = 12;

std::size_t align8(std::size_t bytes) { return (bytes + 7) & ~std::size_t{7}; }

void append_to(core::BufferRef& buffer, const void* bytes, std::size_t size) {
    MR_ASSERT(buffer.size() + size <= buffer.capacity());
    if (size == 0) return;
    std::memcpy(buffer.data() + buffer.size(), bytes, size);
    buffer.set_size(buffer.size() + size);
}

}  // namespace

BlockBuilder::BlockBuilder(PoolSet& pools, core::ShardId shard, std::size_t bytes_target)
    : pools_(pools),
      shard_(shard),
      bytes_target_(bytes_target),
      lz4_state_(std::make_unique<char[]>(static_cast<std::size_t>(LZ4_sizeofState()))) {
    LZ4_resetStream(reinterpret_cast<LZ4_stream_t*>(lz4_state_.get()));
}

bool BlockBuilder::fits(const AppendInput& input) const {
    if (records_.empty()) return true;
    return records_.size() < core::kBlockEventsMax &&
           text_bytes_ + input.raw.size() + input.fills.size() <= bytes_target_;
}

std::uint16_t BlockBuilder::pattern_index(std::string_view pattern) {
    const std::uint64_t hash = XXH3_64bits(pattern.data(), pattern.size());
    std::size_t slot = hash & (pattern_slots_.size() - 1);
    for (;; slot = (slot + 1) & (pattern_slots_.size() - 1)) {
        const std::uint16_t held = pattern_slots_[slot];
        if (held == 0) break;
        const PatternEntry& entry = patterns_[held - 1u];
        if (std::string_view(pattern_text_).substr(entry.text_begin, entry.text_bytes) == pattern) {
            return static_cast<std::uint16_t>(held - 1);
        }
    }
    patterns_.push_back({static_cast<std::uint32_t>(pattern_text_.size()),
                         static_cast<std::uint32_t>(pattern.size())});
    pattern_text_.append(pattern);
    pattern_slots_[slot] = static_cast<std::uint16_t>(patterns_.size());
    return static_cast<std::uint16_t>(patterns_.size() - 1);
}

void BlockBuilder::note(SummaryField field, std::uint64_t hash) {
    if (hash == 0) return;
    const std::uint64_t item = summary_item(field, hash);
    std::uint64_t& seen = seen_[(item >> 32) & (seen_.size() - 1)];
    if (seen == item) return;
    seen = item;
    items_.push_back(item);
}

void BlockBuilder::add(const AppendInput& input) {
    const std::size_t bytes = input.raw.size() + input.fills.size();
    MR_DCHECK(fits(input));
    // A quarter more than the texts, so that the tables of a full block usually fit behind them.
    if (!body_) body_ = pools_.acquire(std::max(bytes_target_ + bytes_target_ / 4, bytes));
    if (records_.empty() && body_.capacity() < bytes) body_ = pools_.acquire(bytes);
    if (records_.empty()) {
        tenant_ = input.tenant.value;
        received_min_us_ = received_max_us_ = input.received_at_us;
    }
    EventRecord record;
    record.text_begin = static_cast<std::uint32_t>(text_bytes_);
    record.text_bytes = static_cast<std::uint32_t>(input.raw.size());
    record.tenant = input.tenant.value;
    record.flags = input.flags;
    record.pattern_index = pattern_index(input.pattern);
    record.received_at_us = input.received_at_us;
    record.key_hash = static_cast<std::uint32_t>(input.key_hash);
    record.fills_bytes = static_cast<std::uint16_t>(input.fills.size());
    records_.push_back(record);
    ids_.push_back(input.id);
    any_id_ |= !input.id.none();
    any_asked_ |= input.asked;
    std::memcpy(body_.data() + text_bytes_, input.raw.data(), input.raw.size());
    if (!input.fills.empty()) {
        std::memcpy(body_.data() + text_bytes_ + input.raw.size(), input.fills.data(),
                    input.fills.size());
    }
    text_bytes_ += bytes;
    many_tenants_ |= input.tenant.value != tenant_;
    received_min_us_ = std::min(received_min_us_, input.received_at_us);
    received_max_us_ = std::max(received_max_us_, input.received_at_us);
    note(SummaryField::kSource, input.source_hash);
    note(SummaryField::kCorrelation, input.correlation_hash);
    note(SummaryField::kCausation, input.causation_hash);
    note(SummaryField::kContext, input.context_hash);
    if (text_bytes_ - segment_begin_ >= kSegmentBytesTarget) {
        compress({body_.data() + segment_begin_, text_bytes_ - segment_begin_});
        segment_begin_ = text_bytes_;
    }
}

void BlockBuilder::compress(std::string_view bytes) {
    SegmentEntry segment;
    segment.body_bytes = segment.stored_bytes = static_cast<std::uint32_t>(bytes.size());
    const std::size_t begin = stored_.size();
    if (bytes.size() >= kCompressBytesMin) {
        const int bound = LZ4_compressBound(static_cast<int>(bytes.size()));
        stored_.resize(begin + static_cast<std::size_t>(bound));
        const int stored =
            LZ4_compress_fast_extState(lz4_state_.get(), bytes.data(), stored_.data() + begin,
                                       static_cast<int>(bytes.size()), bound, kLz4Acceleration);
        if (stored > 0 && static_cast<std::size_t>(stored) < bytes.size()) {
            segment.stored_bytes = static_cast<std::uint32_t>(stored);
            stored_.resize(begin + segment.stored_bytes);
            segments_.push_back(segment);
            return;
        }
    }
    stored_.resize(begin);
    stored_.append(bytes);
    segments_.push_back(segment);
}

// Puts records and pattern table behind the texts, in a buffer of fitting size.
BlockBody BlockBuilder::finish_body() {
    BlockBody layout;
    layout.count = count();
    layout.records_begin = static_cast<std::uint32_t>(align8(text_bytes_));
    layout.patterns_begin =
        layout.records_begin + static_cast<std::uint32_t>(records_.size() * sizeof(EventRecord));
    layout.pattern_count = static_cast<std::uint32_t>(patterns_.size());
    const std::size_t texts_begin = layout.patterns_begin + patterns_.size() * sizeof(PatternEntry);
    const std::size_t body_bytes = texts_begin + pattern_text_.size();

    // A nearly empty block must not keep a whole block's memory while lanes work on it, and a full
    // one needs room for the tables: in both cases the texts move, the big buffer stays for next
    // time.
    const bool moves = body_bytes > body_.capacity() || body_bytes * 4 < body_.capacity();
    core::BufferRef body = moves ? pools_.acquire(body_bytes) : body_;
    if (moves) std::memcpy(body.data(), body_.data(), text_bytes_);
    std::memset(body.data() + text_bytes_, 0, layout.records_begin - text_bytes_);
    std::memcpy(body.data() + layout.records_begin, records_.data(),
                records_.size() * sizeof(EventRecord));
    for (PatternEntry& entry : patterns_)
        entry.text_begin += static_cast<std::uint32_t>(texts_begin);
    std::memcpy(body.data() + layout.patterns_begin, patterns_.data(),
                patterns_.size() * sizeof(PatternEntry));
    std::memcpy(body.data() + texts_begin, pattern_text_.data(), pattern_text_.size());
    body.set_size(body_bytes);
    body_ = std::move(body);
    return layout;
}

core::BufferRef BlockBuilder::make_value(const Chain& chain, const BlockBody& layout,
                                         std::size_t body_bytes) {
    BlockHeader header;
    header.codec = BlockCodec::kLz4;
    header.flags = any_id_ ? static_cast<std::uint16_t>(BlockFlag::kHasIds) : std::uint16_t{0};
    if (any_asked_) header.flags |= static_cast<std::uint16_t>(BlockFlag::kAsked);
    header.sequence = chain.sequence;
    header.previous_hash = chain.previous_hash;
    header.first_offset = chain.first_offset.value;
    header.received_min_us = received_min_us_;
    header.received_max_us = received_max_us_;
    header.count = layout.count;
    header.segment_count = static_cast<std::uint32_t>(segments_.size());
    header.records_begin = layout.records_begin;
    header.patterns_begin = layout.patterns_begin;
    header.body_bytes = static_cast<std::uint32_t>(body_bytes);
    header.pattern_count = static_cast<std::uint16_t>(layout.pattern_count);
    header.shard = shard_.value;
    header.registry_revision = chain.registry_revision;

    const std::size_t ids_bytes = any_id_ ? ids_.size() * sizeof(IdHash) : 0;
    const std::size_t segments_bytes = segments_.size() * sizeof(SegmentEntry);
    core::BufferRef value =
        pools_.acquire(sizeof(header) + segments_bytes + ids_bytes + stored_.size());
    append_to(value, &header, sizeof(header));
    append_to(value, segments_.data(), segments_bytes);
    append_to(value, ids_.data(), ids_bytes);
    append_to(value, stored_.data(), stored_.size());
    const std::uint32_t crc = record_crc(value.view(), offsetof(BlockHeader, crc32c));
    std::memcpy(value.data() + offsetof(BlockHeader, crc32c), &crc, sizeof(crc));
    return value;
}

core::BufferRef BlockBuilder::make_summary(std::size_t stored_bytes, std::int64_t received_high_us,
                                           const std::vector<TenantBytes>& of_tenants) {
    SummaryHeader header;
    header.version = kSummaryVersionWithHigh;
    const bool overflow = patterns_.size() > kSummaryPatternsMax;
    if (overflow) {
        header.flags |= static_cast<std::uint8_t>(SummaryFlag::kPatternsOverflow);
        std::size_t at = 0;
        for (const PatternEntry& entry : patterns_) {
            items_.push_back(
                pattern_item(std::string_view(pattern_text_).substr(at, entry.text_bytes)));
            at += entry.text_bytes;
        }
    }
    if (many_tenants_) header.flags |= static_cast<std::uint8_t>(SummaryFlag::kManyTenants);
    header.pattern_count = static_cast<std::uint16_t>(overflow ? 0 : patterns_.size());
    header.count = count();
    header.tenant = tenant_;
    header.received_min_us = received_min_us_;
    header.received_max_us = received_max_us_;
    header.stored_bytes = stored_bytes;
    header.patterns_bytes = static_cast<std::uint32_t>(
        overflow ? 0 : pattern_text_.size() + sizeof(std::uint16_t) * patterns_.size());
    header.bloom_bytes = static_cast<std::uint32_t>(
        items_.empty() ? 0 : bloom_bytes_for(items_.size(), kSummaryBitsPerItem));

    core::BufferRef out =
        pools_.acquire(sizeof(header) + header.patterns_bytes + header.bloom_bytes +
                       of_tenants.size() * sizeof(TenantBytes) + sizeof(received_high_us));
    append_to(out, &header, sizeof(header));
    std::size_t begin = 0;
    for (std::size_t i = 0; i < header.pattern_count; ++i) {
        const PatternEntry& entry = patterns_[i];
        const auto bytes = static_cast<std::uint16_t>(entry.text_bytes);
        append_to(out, &bytes, sizeof(bytes));
        append_to(out, pattern_text_.data() + begin, bytes);
        begin += bytes;
    }
    if (header.bloom_bytes > 0) {
        char* filter = out.data() + out.size();
        std::memset(filter, 0, header.bloom_bytes);
        for (const std::uint64_t item : items_) bloom_add(filter, header.bloom_bytes, item);
        out.set_size(out.size() + header.bloom_bytes);
    }
    append_to(out, of_tenants.data(), of_tenants.size() * sizeof(TenantBytes));
    append_to(out, &received_high_us, sizeof(received_high_us));
    const std::uint32_t crc = record_crc(out.view(), offsetof(SummaryHeader, crc32c));
    std::memcpy(out.data() + offsetof(SummaryHeader, crc32c), &crc, sizeof(crc));
    return out;
}

SealedBlock BlockBuilder::finish(const Chain& chain) {
    MR_ASSERT(!records_.empty());
    if (text_bytes_ > segment_begin_)
        compress({body_.data() + segment_begin_, text_bytes_ - segment_begin_});
    core::BufferRef open_body = body_;
    const BlockBody layout = finish_body();
    const std::size_t body_bytes = body_.size();
    compress({body_.data() + layout.records_begin, body_bytes - layout.records_begin});

    SealedBlock out;
    out.sequence = chain.sequence;
    out.value = make_value(chain, layout, body_bytes);
    out.hash = XXH3_64bits(out.value.data(), out.value.size());
    out.events = EventBlock({shard_, chain.first_offset}, layout, body_, chain.registry_revision);
    if (many_tenants_)
        out.of_tenants = tenant_bytes(out.events);
    else
        out.of_tenants = {{tenant_, static_cast<std::uint32_t>(text_bytes_)}};
    out.summary = make_summary(out.value.size(), chain.received_high_us, out.of_tenants);

    // The open buffer is kept when the texts moved out of it.
    body_ = open_body.get() == body_.get() ? core::BufferRef{} : std::move(open_body);
    text_bytes_ = segment_begin_ = 0;
    records_.clear();
    ids_.clear();
    any_id_ = any_asked_ = false;
    segments_.clear();
    stored_.clear();
    patterns_.clear();
    pattern_text_.clear();
    pattern_slots_.fill(0);
    many_tenants_ = false;
    items_.clear();
    seen_.fill(0);
    return out;
}

}  // namespace millrace::store
