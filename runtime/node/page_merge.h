// What: pages of one list by several partitions as one page, and the cursor that goes on behind it:
//       each partition's own, so that what comes in between changes nothing of what is still to
//       come. Items are in the order of the list's time; of one moment lower partitions are older.
// Threads: pure. Lifetime: borrows. Limits: cursors of kCursorBytesMax.
// Failure: read_merged_cursor() is nothing for what is none of ours; merge_pages() names the
//       partition whose page does not read.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {

inline constexpr std::size_t kCursorBytesMax = 32u << 10;

// By partition. "": from the start; kAtEnd: nothing more.
inline constexpr std::string_view kAtEnd = "-";
using MergedCursor = std::vector<std::string>;
std::string write_merged_cursor(const MergedCursor& cursor);
std::optional<MergedCursor> read_merged_cursor(std::string_view text, std::size_t partitions);

enum class MergeOrder : std::uint8_t { kNewestFirst, kOldestFirst };

struct PartPage {
    std::size_t partition = 0;
    std::string_view body;  // of its answer, with "places"
};
struct PageRules {
    MergeOrder order = MergeOrder::kNewestFirst;
    std::size_t limit = 50;
    bool tells_partitions = false;  // each item whose it is
};
// `cursor` is that of the request, of all partitions; those without a page are at their end.
core::Result<std::string> merge_pages(std::span<const PartPage> pages, MergedCursor cursor,
                                      const PageRules& rules);

// {"count","next","scanned"} of each: their sums.
core::Result<std::string> merge_counts(std::span<const PartPage> pages, MergedCursor cursor);

}  // namespace millrace::runtime::node
