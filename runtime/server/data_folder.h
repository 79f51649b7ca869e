// What: is this folder one that a server may make its store in? An empty or a missing one, or one
//       that has a store already; never one with other people's files. And is it a server's own,
//       no part of a cluster's node?
// Threads: main's, before the store is opened. Lifetime: none. Limits: none.
// Failure: says what lies there and what to name instead.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <string>

namespace millrace::runtime {

// Makes it where it lacks. What is in it is of every tenant: nobody else on the machine reads it,
// and what commands run as does not either.
void keep_data_folder_private(const std::string& path);

core::Status check_data_folder(const std::string& path);

// Of a node, which holds a folder for each of its partitions.
inline constexpr const char* kNodeLockName = "node.lock";

// For whoever writes outside of a cluster: neither a node's folder nor a partition's copy, be it in
// one or elsewhere.
// What is written into one copy by itself is missing in the others, and comes and goes with the
// owner.
core::Status check_own_folder(const std::string& path);

// In the folder of a partition's copy, and with it wherever that is taken.
inline constexpr const char* kPartitionMarkName = "PARTITION";
core::Status mark_partition_folder(const std::string& path, const std::string& cluster,
                                   std::size_t partition);

}  // namespace millrace::runtime
