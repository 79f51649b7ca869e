// What: an outcome chunk's value:
//         version:u8 crc32c:u32 (of the rest) count:u32 base_us:i64 first_us:i64 last_us:i64
//         tenant:u32 (from version 2 on; before, there was only tenant 0)
//         subscriptions: varint n, then n varints, ascending, each the difference to the one before
//         count x { event_index, subscription, script_version: varint;
//                   status:u8 (bit 7: extras, bit 6: a replay's attempt, bit 5: other tenant);
//                   attempt, duration_us: varint; started_at_us - base_us: signed varint;
//                   of another tenant than the chunk's: its number, varint;
//                   of a replay: its id, varint length and text, empty: the one before's;
//                   with extras: result, logs, error: varint length and text }
// Threads: pure. Lifetime: entries' views point into the value. Limits: none.
// Failure: open() returns nothing for a damaged chunk; next() false at the end or at damage (ok()).
#pragma once

#include "store/rows/row_batch.h"
#include "store/rows/varint.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

inline constexpr std::uint8_t kOutcomeVersion = 2;

struct OutcomeChunkHeader {
    std::uint32_t count = 0;
    std::int64_t base_us = 0;   // entries count their start from here
    std::int64_t first_us = 0;  // earliest start
    std::int64_t last_us = 0;
    core::TenantId tenant{};  // of the entries that do not say otherwise
};

// What an entry leaves out because its chunk has said it.
struct OutcomeContext {
    std::int64_t base_us = 0;
    core::TenantId tenant{};
    std::string_view replay_id{};  // of the last entry that had one
};
void encode_outcome_entry(std::string& out, const OutcomeEntry& entry,
                          const OutcomeContext& context);
// `subscriptions` is sorted and made unique here.
std::string encode_outcome_chunk(const OutcomeChunkHeader& header,
                                 std::vector<std::uint32_t>& subscriptions,
                                 std::string_view entries);

class OutcomeChunkReader {
public:
    static std::optional<OutcomeChunkReader> open(std::string_view value);
    const OutcomeChunkHeader& header() const { return header_; }
    const std::vector<std::uint32_t>& subscriptions() const { return subscriptions_; }
    bool next(OutcomeEntry& out);
    bool ok() const { return entries_.ok(); }

private:
    OutcomeChunkReader() : entries_({}) {}
    OutcomeChunkHeader header_;
    std::vector<std::uint32_t> subscriptions_;
    RecordReader entries_;
    std::string_view replay_id_;  // the last one
    std::uint32_t left_ = 0;
};

}  // namespace millrace::store
