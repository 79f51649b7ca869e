// What: is this node one of the cluster that META speaks of? What decides where an event lives is
//       META's from the day that the cluster was made; a node that is told otherwise does not
//       start.
// Threads: pure. Lifetime: none. Limits: none.
// Failure: a text that names both values, for whoever starts the node; "": they agree.
#pragma once

#include "core/config.h"
#include "runtime/node/cluster_state.h"

#include <string>

namespace millrace::runtime::node {

std::string configured_otherwise(const Meta& meta, const core::ClusterConfig& config);
// `known`: what this node kept of META when it last ran.
std::string another_cluster(const Meta& meta, const Meta& known);

}  // namespace millrace::runtime::node
