// What: one replay as several partitions tell of it, as one: sums of what was done; it runs while
//       any of its parts does. A list of replays is one too: parts of one replay have one id and
//       one time, so that a page's cursor means the same everywhere.
// Threads: pure. Lifetime: borrows. Limits: none of its own.
// Failure: kInternal that names the partition whose answer does not read.
#pragma once

#include "core/result.h"
#include "runtime/node/page_merge.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace millrace::runtime::node {

// Of one replay; at least one. Partitions without a part of it are not among them.
core::Result<std::string> merge_replay(std::span<const PartPage> parts);

// A replay's state where its parts are in these.
std::string_view merged_status(std::span<const std::string_view> statuses);

// Pages of GET /v2/replays with their places, of one cursor and limit.
core::Result<std::string> merge_replay_pages(std::span<const PartPage> pages, std::size_t limit);

}  // namespace millrace::runtime::node
