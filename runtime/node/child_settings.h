// What: what a partition's process is told when it begins: its place in the cluster, and the node's
//       configuration as it is for one partition, as TOML.
// Threads: pure. Lifetime: values. Limits: a Unix socket's path has 107 bytes.
// Failure: none; the path's length is checked where a node starts.
#pragma once

#include "core/config.h"
#include "runtime/node/cluster_state.h"
#include "runtime/node/node_settings.h"

#include <cstddef>
#include <string>

namespace millrace::runtime::node {

// Of the node's own: what a process for one partition has of it.
core::Config child_config(const core::Config& config, std::size_t partition,
                          std::size_t partitions_here);
// Whatever is not as it is by itself, secrets too: between processes of one node only.
std::string config_text(const core::Config& config);
std::string child_socket(const core::Config& config, std::size_t partition);

std::string child_settings_line(const core::Config& config, const NodeSettings& settings,
                                const Meta& meta, std::size_t partition);

}  // namespace millrace::runtime::node
