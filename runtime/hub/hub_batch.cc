#include "runtime/hub/hub_batch.h"

#include "core/assert.h"
#include "core/buffer.h"
#include "store/commit/crc32c.h"
#include "store/log/packed.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <limits>

namespace millrace::runtime::hub {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers travel as they stand");
static_assert(kBatchRawBytesMax <= store::kPackedBytesMax);
static_assert(core::kEventIdBytesMax <= 256);

struct Record {
    std::int64_t received_at_us = 0;
    std::uint32_t text_bytes = 0;
    std::uint8_t id_bytes = 0;
    std::uint8_t depth = 0;
    std::uint16_t trace_bytes = 0;
};
static_assert(sizeof(Record) == 16);

// What the sum covers begins behind it.
constexpr std::size_t kSummedFrom = offsetof(BatchHead, crc32c) + sizeof(std::uint32_t);

tl::unexpected<core::Error> no_batch(std::string what) {
    return core::fail(core::ErrorCode::kValidation, "batch: " + std::move(what));
}

template <typename T>
void append_value(std::string& out, const T& value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Takes values off the front of a text.
struct Cursor {
    std::string_view rest;

    template <typename T>
    bool take(T& value) {
        if (rest.size() < sizeof value) return false;
        std::memcpy(&value, rest.data(), sizeof value);
        rest.remove_prefix(sizeof value);
        return true;
    }
    bool take(std::size_t bytes, std::string_view& text) {
        if (rest.size() < bytes) return false;
        text = rest.substr(0, bytes);
        rest.remove_prefix(bytes);
        return true;
    }
};

core::Status check_head(const BatchHead& head, std::size_t packed_bytes) {
    if (head.from >= head.to || head.to > kOffsetMax) return no_batch("covers no offsets");
    if (head.end < head.to) return no_batch("goes beyond the end of its log");
    if (part_of(head.lane) >= kPartsMax) return no_batch("is of a shard that there can not be");
    if (head.events > core::kBatchEventsMax || head.skipped > kSkippedRangesMax)
        return no_batch("holds too many events or ranges");
    if (head.raw_bytes > kBatchRawBytesMax ||
        head.raw_bytes / store::kPackedRatioMax > packed_bytes)
        return no_batch("claims " + std::to_string(head.raw_bytes) + " bytes");
    return {};
}

// Sorted, apart, inside; answers how many offsets they cover.
core::Result<std::uint64_t> read_skipped(Cursor& in, Batch& batch) {
    std::uint64_t covered = 0;
    std::uint64_t at = batch.head.from;
    for (std::uint32_t i = 0; i < batch.head.skipped; ++i) {
        OffsetRange range;
        if (!in.take(range.from) || !in.take(range.to)) return no_batch("ends among its ranges");
        if (range.from < at || range.from >= range.to || range.to > batch.head.to)
            return no_batch("has ranges that do not fit");
        covered += range.to - range.from;
        at = range.to;
        batch.skipped.push_back(range);
    }
    return covered;
}

// The head's count of offsets has been held against ranges and events: the latter fill what the
// former leave.
core::Status read_events(Cursor& in, Batch& batch) {
    auto range = batch.skipped.begin();
    std::uint64_t next = batch.head.from;
    for (std::uint32_t i = 0; i < batch.head.events; ++i) {
        for (; range != batch.skipped.end() && range->from == next; ++range) next = range->to;
        Record record;
        BatchEvent event;
        if (!in.take(record) || !in.take(record.id_bytes, event.id) ||
            !in.take(record.trace_bytes, event.trace) || !in.take(record.text_bytes, event.text))
            return no_batch("ends among its events");
        event.offset = next++;
        event.received_at_us = record.received_at_us;
        event.depth = record.depth;
        batch.events.push_back(event);
    }
    if (!in.rest.empty()) return no_batch("does not end where it says");
    return {};
}

core::Status check_chain(const Batch& batch) {
    if (!batch.skipped.empty()) return {};
    std::uint64_t hash = batch.head.hash_before;
    for (const BatchEvent& event : batch.events)
        hash = chain_on(hash, event.offset, event.received_at_us, event.text);
    if (hash != batch.head.hash_after) return no_batch("its chain hash is another's");
    return {};
}

}  // namespace

void BatchWriter::add(const BatchEvent& event) {
    MR_ASSERT(event.id.size() <= std::numeric_limits<std::uint8_t>::max());
    MR_ASSERT(event.trace.size() <= std::numeric_limits<std::uint16_t>::max());
    Record record;
    record.received_at_us = event.received_at_us;
    record.text_bytes = static_cast<std::uint32_t>(event.text.size());
    record.id_bytes = static_cast<std::uint8_t>(event.id.size());
    record.depth = event.depth;
    record.trace_bytes = static_cast<std::uint16_t>(event.trace.size());
    append_value(records_, record);
    records_.append(event.id).append(event.trace).append(event.text);
    ++events_;
}

void BatchWriter::skip(std::uint64_t from, std::uint64_t to) {
    if (!skipped_.empty() && skipped_.back().to == from)
        skipped_.back().to = to;
    else
        skipped_.push_back({from, to});
}

std::string BatchWriter::finish(BatchHead head) {
    std::string raw;
    raw.reserve(skipped_.size() * sizeof(OffsetRange) + records_.size());
    for (const OffsetRange& range : skipped_) append_value(raw, range);
    raw += records_;
    head.from = from_;
    head.events = events_;
    head.skipped = static_cast<std::uint32_t>(skipped_.size());
    head.raw_bytes = static_cast<std::uint32_t>(raw.size());
    std::string out;
    append_value(out, head);
    store::pack(raw, out);
    head.crc32c = store::crc32c(std::string_view(out).substr(kSummedFrom));
    std::memcpy(out.data(), &head, sizeof head);
    return out;
}

core::Result<Batch> read_batch(std::string_view bytes) {
    Batch batch;
    Cursor in{bytes};
    if (!in.take(batch.head)) return no_batch("is shorter than its head");
    if (std::string_view(batch.head.magic, sizeof batch.head.magic) != "MRB1")
        return no_batch("is none, or of a version that is not known here");
    if (store::crc32c(bytes.substr(kSummedFrom)) != batch.head.crc32c)
        return no_batch("its checksum is wrong");
    if (auto good = check_head(batch.head, in.rest.size()); !good)
        return core::fail(std::move(good.error()));
    batch.raw.resize(batch.head.raw_bytes + core::kPaddingBytes);
    if (!store::unpack(in.rest, batch.head.raw_bytes, batch.raw.data()))
        return no_batch("does not unpack");
    Cursor raw{std::string_view(batch.raw).substr(0, batch.head.raw_bytes)};
    const auto covered = read_skipped(raw, batch);
    if (!covered) return core::fail(covered.error());
    if (*covered + batch.head.events != batch.head.to - batch.head.from)
        return no_batch("does not account for each of its offsets");
    batch.events.reserve(batch.head.events);
    if (auto read = read_events(raw, batch); !read) return core::fail(std::move(read.error()));
    if (auto good = check_chain(batch); !good) return core::fail(std::move(good.error()));
    return batch;
}

std::string hash_text(std::uint64_t hash) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out(16, '0');
    for (std::size_t i = 16; i-- > 0; hash >>= 4) out[i] = kDigits[hash & 15u];
    return out;
}

bool read_hash_text(std::string_view text, std::uint64_t& out) {
    if (text.size() != 16) return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, 16);
    return error == std::errc() && end == text.data() + text.size();
}

}  // namespace millrace::runtime::hub
