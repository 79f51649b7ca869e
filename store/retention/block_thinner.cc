#include "store/retention/block_thinner.h"

#include "store/commit/crc32c.h"
#include "store/log/tenant_bytes.h"

#include <lz4.h>

#include <cstring>

namespace millrace::store {
namespace {

class Thinning {
public:
    Thinning(const BlockView& block, const EventBlock& events, const std::vector<bool>& gone)
        : block_(block), events_(events), pattern_lives_(events.pattern_count(), false) {
        const BlockHeader& old = block.header;
        for (std::uint32_t i = 0; i < old.count; ++i) add(i, gone[i]);
        if (body_.size() > segment_begin_) compress();
        finish_body();
    }
    bool any_lives() const { return any_lives_; }
    bool pattern_lives(std::uint32_t index) const { return pattern_lives_[index]; }

    std::string value() const {
        BlockHeader header = block_.header;
        header.flags &= static_cast<std::uint16_t>(BlockFlag::kAsked);
        header.flags |= static_cast<std::uint16_t>(BlockFlag::kThinned);
        const bool ids = block_.has_ids() && any_lives_;
        if (ids) header.flags |= static_cast<std::uint16_t>(BlockFlag::kHasIds);
        header.codec = BlockCodec::kLz4;
        header.segment_count = static_cast<std::uint32_t>(segments_.size());
        header.records_begin = records_begin_;
        header.patterns_begin = patterns_begin_;
        header.body_bytes = static_cast<std::uint32_t>(body_.size());
        const std::uint64_t sealed_hash = block_hash(block_.value);
        // Of the version that it was sealed with.
        std::string out(reinterpret_cast<const char*>(&header), block_header_bytes(header.version));
        out.append(reinterpret_cast<const char*>(&sealed_hash), sizeof(sealed_hash));
        out.append(reinterpret_cast<const char*>(segments_.data()),
                   segments_.size() * sizeof(SegmentEntry));
        if (ids) out.append(block_.value.substr(block_.ids_begin, header.count * sizeof(IdHash)));
        out.append(stored_);
        const std::uint32_t crc = record_crc(out, offsetof(BlockHeader, crc32c));
        std::memcpy(out.data() + offsetof(BlockHeader, crc32c), &crc, sizeof(crc));
        return out;
    }

private:
    void add(std::uint32_t index, bool gone) {
        EventRecord record = events_.record(index);
        const StoredEvent event = events_.event(index);
        if (gone || event.has(EventFlag::kGone)) {
            record = {};
            record.flags = static_cast<std::uint16_t>(EventFlag::kGone);
            record.received_at_us = block_.header.received_min_us;
        } else {
            record.text_begin = static_cast<std::uint32_t>(body_.size());
            body_.append(event.raw).append(event.fills);
            pattern_lives_[record.pattern_index] = true;
            any_lives_ = true;
        }
        records_.append(reinterpret_cast<const char*>(&record), sizeof(record));
        if (body_.size() - segment_begin_ >= kSegmentBytesTarget) compress();
    }
    // What has come since the last piece.
    void compress() {
        const std::string_view bytes = std::string_view(body_).substr(segment_begin_);
        SegmentEntry segment;
        segment.body_bytes = segment.stored_bytes = static_cast<std::uint32_t>(bytes.size());
        std::string packed(
            static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(bytes.size()))), '\0');
        const int got =
            LZ4_compress_default(bytes.data(), packed.data(), static_cast<int>(bytes.size()),
                                 static_cast<int>(packed.size()));
        if (got > 0 && static_cast<std::size_t>(got) < bytes.size()) {
            segment.stored_bytes = static_cast<std::uint32_t>(got);
            stored_.append(packed, 0, segment.stored_bytes);
        } else {
            stored_.append(bytes);
        }
        segments_.push_back(segment);
        segment_begin_ = body_.size();
    }
    void finish_body() {
        const BlockHeader& old = block_.header;
        body_.resize((body_.size() + 7) & ~std::size_t{7});
        segment_begin_ = body_.size();
        records_begin_ = static_cast<std::uint32_t>(body_.size());
        body_.append(records_);
        patterns_begin_ = static_cast<std::uint32_t>(body_.size());
        // The table as it was: only its place is another.
        body_.append(events_.body().data() + old.patterns_begin,
                     old.body_bytes - old.patterns_begin);
        for (std::uint32_t i = 0; i < old.pattern_count; ++i) {
            PatternEntry entry;
            char* at = body_.data() + patterns_begin_ + i * sizeof(entry);
            std::memcpy(&entry, at, sizeof(entry));
            entry.text_begin = entry.text_begin - old.patterns_begin + patterns_begin_;
            std::memcpy(at, &entry, sizeof(entry));
        }
        compress();
    }

    const BlockView& block_;
    const EventBlock& events_;
    std::vector<bool> pattern_lives_;
    bool any_lives_ = false;
    std::string body_;
    std::string records_;
    std::size_t segment_begin_ = 0;
    std::uint32_t records_begin_ = 0;
    std::uint32_t patterns_begin_ = 0;
    std::vector<SegmentEntry> segments_;
    std::string stored_;
};

}  // namespace

ThinnedBlock thin_block(const BlockView& block, const EventBlock& events,
                        const SummaryView& summary, const std::vector<bool>& gone) {
    const Thinning thinning(block, events, gone);
    ThinnedBlock out;
    out.value = thinning.value();
    SummaryHeader header = summary.header;
    header.stored_bytes = out.value.size();
    std::string patterns;
    header.pattern_count = 0;
    if (!thinning.any_lives()) {
        header.flags = 0;
    } else if (!summary.has(SummaryFlag::kPatternsOverflow)) {
        for (std::uint32_t i = 0; i < events.pattern_count(); ++i) {
            if (!thinning.pattern_lives(i)) continue;
            const auto bytes = static_cast<std::uint16_t>(events.pattern(i).size());
            patterns.append(reinterpret_cast<const char*>(&bytes), sizeof(bytes));
            patterns.append(events.pattern(i));
            ++header.pattern_count;
        }
    }
    // The filter of ids may say yes for what is gone: then a block is read for nothing.
    const std::string_view bloom = thinning.any_lives() ? summary.bloom : std::string_view{};
    header.patterns_bytes = static_cast<std::uint32_t>(patterns.size());
    header.bloom_bytes = static_cast<std::uint32_t>(bloom.size());
    out.summary.assign(reinterpret_cast<const char*>(&header), sizeof(header));
    out.summary.append(patterns).append(bloom);
    if (header.version == kSummaryVersionWithHigh) {
        const std::vector<TenantBytes> left = tenant_bytes(events, gone);
        out.summary.append(reinterpret_cast<const char*>(left.data()),
                           left.size() * sizeof(TenantBytes));
        out.summary.append(reinterpret_cast<const char*>(&summary.received_high_us),
                           sizeof(summary.received_high_us));
    }
    const std::uint32_t crc = record_crc(out.summary, offsetof(SummaryHeader, crc32c));
    std::memcpy(out.summary.data() + offsetof(SummaryHeader, crc32c), &crc, sizeof(crc));
    return out;
}

}  // namespace millrace::store
