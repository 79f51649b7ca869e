// What: how far one shard of an edge's data folder has been taken by its hub: the row that makes
//       each of its events count once, however often it is sent, and after their ids are forgotten.
//       Written in the commit of the events before it, or behind it.
// Threads: values. Lifetime: values. Limits: kSkipRunsMax runs.
// Failure: a row that does not read is an Error.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/rows/row_batch.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::core {
class JsonWriter;
}

namespace millrace::runtime::hub {

inline constexpr std::string_view kEdgeMarkKind = "edge_mark";

// Between these offsets only what a filter wanted was sent: what it did not is still at the edge.
struct SkipRun {
    std::uint64_t filter_version = 0;
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    bool operator==(const SkipRun&) const = default;
};
inline constexpr std::size_t kSkipRunsMax = 32;  // the newest

struct EdgeMark {
    core::TenantId tenant;
    std::uint32_t edge = 0;  // its document's number
    std::uint64_t incarnation = 0;
    std::uint32_t lane = 0;   // the edge's (hub_batch.h)
    std::uint64_t to = 0;     // one past the last offset that was taken
    std::uint64_t hash = 0;   // of the chain up to there
    std::uint64_t taken = 0;  // events
    std::uint64_t skipped = 0;
    std::uint64_t rejected = 0;  // letters
    std::int64_t at_us = 0;      // when it was written
    std::vector<SkipRun> skips;  // one behind the other, the oldest first
    // Of a backfill: the run whose rest it brings.
    std::optional<SkipRun> backfill;
    // Likewise: the filter by which all that it has brought was chosen; none, or several: nothing.
    std::optional<std::uint64_t> wanted{};

    bool done() const { return backfill && to >= backfill->to; }
    // Nothing of the run that this filter wants is still at the edge.
    bool has_brought(const SkipRun& run, std::uint64_t filter_version) const {
        return done() && wanted == filter_version && backfill->from == run.from &&
               backfill->to >= run.to;
    }
};

// A further run: one filter's are one as long as they follow each other.
void note_skips(EdgeMark& mark, const SkipRun& run);

// A batch of a backfill was chosen by this filter.
void note_wanted(EdgeMark& mark, std::uint64_t filter_version);

void append_skip_run(core::JsonWriter& json, const SkipRun& run);

std::string edge_mark_id(const EdgeMark& mark);  // its row's
void put_edge_mark(store::RowBatch& rows, const EdgeMark& mark);
void erase_edge_mark(store::RowBatch& rows, const EdgeMark& mark);
core::Result<EdgeMark> read_edge_mark(std::string_view json);

}  // namespace millrace::runtime::hub
