// What: what a subscription would have matched, or a schema refused, of several partitions' logs,
//       as one answer: counts add up, of samples there are as many as one server tells, some of
//       each partition.
// Threads: pure. Lifetime: borrows. Limits: kTrialSamplesMax, kTrialPlacesMax.
// Failure: an Error that names the partition whose answer does not read.
#pragma once

#include "core/result.h"
#include "runtime/node/page_merge.h"

#include <cstddef>
#include <span>
#include <string>

namespace millrace::runtime::node {

inline constexpr std::size_t kTrialSamplesMax = 5;
inline constexpr std::size_t kTrialPlacesMax = 100;

core::Result<std::string> merge_previews(std::span<const PartPage> parts);
core::Result<std::string> merge_schema_checks(std::span<const PartPage> parts);

// How many of the last `events` each partition is asked for: keys are spread evenly.
std::size_t preview_share(std::size_t events, std::size_t partitions);

}  // namespace millrace::runtime::node
