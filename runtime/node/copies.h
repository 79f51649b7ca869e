// What: which copies of a partition are in sync, and from whom one is filled that the log does not
//       reach back to: decided from META and what has been heard, as ownership.h decides who owns.
//
//       In sync is whoever META does not call behind. The owner's process stays within half of the
//       ring ahead of those; when it has waited for one in vain it says so, and the owner's node
//       puts that one behind. So does whoever needs a snapshot. A standby that the owner finds near
//       is in sync again. META alone decides: the process goes on when META says so, not before.
// Threads: pure. Lifetime: values. Limits: none. Failure: none.
#pragma once

#include "runtime/node/ownership.h"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::node {

// Beside the owner, those that it must not run away from.
std::vector<std::string> copies_in_sync(const Meta& meta, std::size_t partition,
                                        std::string_view owner);

// Who can give a snapshot; empty: nobody at the moment. A standby if there is one: the owner has
// other work.
std::string snapshot_giver(const View& view, std::size_t partition, std::string_view taker);

// What the processes of this node are told: by partition.
std::vector<std::pair<std::size_t, std::string>> copy_orders(const View& view);

// META with those behind that are; nullopt: it says so. Each partition's by its owner's node.
std::optional<Meta> with_copies_behind(const View& view);

}  // namespace millrace::runtime::node
