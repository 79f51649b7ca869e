// What: GET /v2/stats of several partitions as one answer of the same form. Counts, rates and
//       levels add up; ages are the oldest's; what is registered is in each partition, and counted
//       once; free disk is the smallest, as partitions of a node share one. Percentiles are made
//       anew from the partitions' buckets; where one has told none, they are the largest, which
//       the whole's is not above. Steps of series go together by their times.
// Threads: pure. Lifetime: borrows. Limits: kBehindMax places that are behind, as one server tells.
// Failure: an Error that names the partition whose answer does not read.
#pragma once

#include "core/result.h"
#include "runtime/node/page_merge.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace millrace::runtime::node {

inline constexpr std::size_t kBehindMax = 100;

core::Result<std::string> merge_stats(std::span<const PartPage> parts,
                                      std::span<const std::size_t> missing);

// Of such an answer with a series: its last step as one object, as GET /v2/stats/stream tells it.
std::string newest_of(std::string_view stats);

}  // namespace millrace::runtime::node
