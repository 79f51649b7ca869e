// What: what an edge sends to its hub: a run of one lane's log, each offset of it either carried
//       or named as skipped, with the chain hash before and behind it.
//
//   BatchHead (little-endian, 80 bytes) | one LZ4 block of raw_bytes:
//     skipped x {from:u64 to:u64}
//     events  x {received_at_us:i64 text_bytes:u32 id_bytes:u8 depth:u8 trace_bytes:u16}
//               id trace text
//   A trace goes only to a hub that has said that it reads them: to an older one those bytes must
//   be 0. Events have the offsets that are not skipped, in their order. crc32c covers every byte
//   behind it.
//   DO NOT REORDER: other versions of this program read it.
//
// Threads: values. Lifetime: a batch that was read owns its bytes; its events are views of them,
//       with core::kPaddingBytes readable behind the last.
// Limits: kBatchRawBytesMax, core::kBatchEventsMax events, kSkippedRangesMax ranges.
// Failure: kValidation errors that say what is wrong; nothing of a batch is believed before all of
//       it was looked at.
#pragma once

#include "core/key_hash.h"
#include "core/limits.h"
#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::hub {

inline constexpr std::string_view kBatchMediaType = "application/vnd.millrace.batch";
// A header of whoever has sent what stands before this batch and has no answer to it yet.
inline constexpr std::string_view kFollowsHeader = "Millrace-Follows";
inline constexpr std::size_t kBatchBytesMin = 4u << 10;  // of events, before packing
inline constexpr std::size_t kBatchBytesMax = 1u << 20;
// One event may be as large as a batch; what stands beside the texts comes on top.
inline constexpr std::size_t kBatchRawBytesMax = 8u << 20;
// What an edge sends at most, where nothing could be packed: a batch, one event more, and its head.
inline constexpr std::size_t kBatchPackedBytesMax =
    kBatchBytesMax + core::kEventBytesMax + (64u << 10);
inline constexpr std::size_t kSkippedRangesMax = core::kBatchEventsMax + 1;
inline constexpr std::uint64_t kOffsetMax = std::uint64_t{1} << 62;

// A lane is a shard's log, or a part of it that goes by itself, with a place and a chain of its
// own: its number is the shard's and kPartStep for each part before it.
inline constexpr std::uint32_t kPartStep = core::kShardsMax;
inline constexpr std::uint32_t kPartsMax = 1u << 20;
inline constexpr std::uint32_t kUrgentPart = 1;     // hub.first; part 0: all that is in no other
inline constexpr std::uint32_t kFirstBackfill = 2;  // of what filters have left out (backfill.h)
constexpr std::uint32_t shard_of(std::uint32_t lane) { return lane % kPartStep; }
constexpr std::uint32_t part_of(std::uint32_t lane) { return lane / kPartStep; }
constexpr bool is_backfill(std::uint32_t lane) { return part_of(lane) >= kFirstBackfill; }

struct BatchHead {
    char magic[4] = {'M', 'R', 'B', '1'};
    std::uint32_t crc32c = 0;
    std::uint64_t incarnation = 0;  // of the edge's data folder
    std::uint64_t from = 0;         // offsets of the edge's shard
    std::uint64_t to = 0;           // one past the last
    std::uint64_t end = 0;          // one past the last that the edge has: how far behind it is
    std::uint64_t hash_before = 0;
    std::uint64_t hash_after = 0;
    std::uint64_t filter_version = 0;  // by which it was chosen; 0: everything is carried
    std::uint32_t lane = 0;
    std::uint32_t events = 0;
    std::uint32_t skipped = 0;
    std::uint32_t raw_bytes = 0;
};
static_assert(sizeof(BatchHead) == 80);

struct OffsetRange {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    bool operator==(const OffsetRange&) const = default;
};

struct BatchEvent {
    std::uint64_t offset = 0;
    std::int64_t received_at_us = 0;
    std::uint8_t depth = 0;    // handlers between it and a client
    std::string_view id;       // the edge's server has made it; empty: it stands in the text
    std::string_view text;     // as it came
    std::string_view trace{};  // as TraceHeaders tells it (event/trace_context.h); empty: none
};

// The chain: what the hub and the edge agree on at an offset. Events that retention took are no
// part of it; those that a filter leaves out are.
inline std::uint64_t chain_on(std::uint64_t before, std::uint64_t offset,
                              std::int64_t received_at_us, std::string_view text) {
    const std::uint64_t place = core::mix_u64(
        offset ^ core::kHashSeedA, static_cast<std::uint64_t>(received_at_us) ^ core::kHashSeedB);
    return core::mix_u64(before ^ core::hash_key(text) ^ core::kHashSeedB,
                         place | 1u);  // never times nothing
}

// Builds one; in the order of offsets.
class BatchWriter {
public:
    void begin(std::uint64_t from) {
        from_ = from;
        skipped_.clear();
        records_.clear();
        events_ = 0;
    }
    void add(const BatchEvent& event);
    void skip(std::uint64_t from, std::uint64_t to);
    // Before packing.
    std::size_t bytes() const { return records_.size() + skipped_.size() * sizeof(OffsetRange); }
    std::size_t events() const { return events_; }
    std::size_t skipped_ranges() const { return skipped_.size(); }
    // The head's magic, counts and sum are filled in.
    std::string finish(BatchHead head);

private:
    std::uint64_t from_ = 0;
    std::vector<OffsetRange> skipped_;
    std::string records_;
    std::uint32_t events_ = 0;
};

struct Batch {
    BatchHead head;
    std::vector<OffsetRange> skipped;
    std::vector<BatchEvent> events;
    std::string raw;
};
core::Result<Batch> read_batch(std::string_view bytes);

// 16 hexadecimal digits: 64 bits do not survive as numbers of JSON.
std::string hash_text(std::uint64_t hash);
bool read_hash_text(std::string_view text, std::uint64_t& out);

}  // namespace millrace::runtime::hub
