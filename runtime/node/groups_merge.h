// What: GET /v2/dlq/groups of several partitions as one list: a fingerprint's letters add up, its
//       first and last are those of all, and it has one state, the newest that somebody gave it;
//       where its letters came again since, it is open.
// Threads: pure. Lifetime: borrows. Limits: kGroupNamesMax names of a kind.
// Failure: an Error that names the partition whose answer does not read.
#pragma once

#include "core/result.h"
#include "runtime/node/page_merge.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace millrace::runtime::node {

inline constexpr std::size_t kGroupNamesMax = 5;

// Partitions are asked for as many groups as a list may have, in any state: which are told is
// decided when all are known.
struct GroupsAsked {
    std::string_view state;  // empty: any
    std::size_t limit = 50;
};
core::Result<std::string> merge_groups(std::span<const PartPage> parts,
                                       std::span<const std::size_t> missing,
                                       const GroupsAsked& asked);

}  // namespace millrace::runtime::node
