// What: what the server keeps of a link beside its document: how far a source has come, what was
//       counted, and why it was stopped. Written in the commit of the events it tells of, so that
//       after a crash it says what is in the log.
// Threads: values; LinkCounts by one shard, read by any. Lifetime: values.
// Limits: texts are cut where they are set.
// Failure: a row that does not read is an Error.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/rows/row_batch.h"

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

inline constexpr std::string_view kLinkStateKind = "link_state";
inline constexpr std::size_t kLinkReasonBytesMax = 1'024;

struct LinkState {
    core::TenantId tenant;
    std::uint32_t number = 0;
    std::uint32_t resets = 0;      // of the document; of another number, the position is void
    std::uint32_t resumes = 0;     // of the document; of another number, it is stopped no more
    std::string position;          // JSON, the source's own; empty: where the document says
    std::uint64_t taken = 0;       // entries that became events
    std::uint64_t duplicates = 0;  // of those, whose events were there
    std::uint64_t rejected = 0;    // letters, each once
    std::uint64_t left_out = 0;    // by the link's transform
    std::uint64_t missed = 0;      // entries that the peer dropped before they were read
    std::uint64_t gaps = 0;        // so many times
    std::string stopped;           // why; empty: it is not
    std::string last_error;
    std::int64_t last_error_at_us = 0;
};

// What only a shard finds out, when it has the events.
struct LinkCounts {
    std::atomic<std::uint64_t> duplicates{0};
    std::atomic<std::uint64_t> rejected{0};
};

// What a commit brings of a source's entries.
struct LinkEntries {
    std::uint32_t first = 0;             // what stands before tells of a gap
    std::vector<std::uint32_t> letters;  // in rising order
};
// `there`: those that were in the log already, in rising order.
void count_entries(LinkCounts& counts, const LinkEntries& entries,
                   std::span<const std::uint32_t> there);

std::string link_state_id(const LinkState& state);  // its row's
void put_link_state(store::RowBatch& rows, const LinkState& state, std::int64_t now_us);
void erase_link_state(store::RowBatch& rows, const LinkState& state);
core::Result<LinkState> read_link_state(std::string_view json);

}  // namespace millrace::runtime
