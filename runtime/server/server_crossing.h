// What: what a partition has that holds a part of every tenant's events (cluster.partition_by =
//       "key"): copies of what is registered in the tenants' homes, the outbox of what its handlers
//       make for other partitions, and what those send. A server that stands alone, and a partition
//       that has all of its tenants, has none of it.
// Threads: built by one; the agent has its own, the rest is the conductor's and the shards'.
// Lifetime: of ServerParts. Limits: those of the parts. Failure: none here.
#pragma once

#include "core/agent.h"
#include "runtime/crossing/canary_watch.h"
#include "runtime/crossing/crossing_agent.h"
#include "runtime/crossing/crossing_desk.h"
#include "runtime/crossing/crossing_split.h"
#include "runtime/crossing/neighbours.h"
#include "runtime/crossing/outbox.h"
#include "runtime/crossing/registry_follower.h"

#include <cstddef>
#include <memory>
#include <optional>

namespace millrace::runtime {

struct CrossingParts {
    explicit CrossingParts(std::size_t partitions) : outbox(partitions) {}

    crossing::Neighbours neighbours;
    crossing::Outbox outbox;
    std::unique_ptr<crossing::CrossingSplit> split;  // of the one shard
    std::unique_ptr<crossing::CrossingAgent> agent;
    std::unique_ptr<crossing::RegistryFollower> follower;
    std::unique_ptr<crossing::CrossingDesk> desk;
    std::unique_ptr<crossing::CanaryWatch> canaries;
    std::unique_ptr<core::AgentThread> thread;
};

}  // namespace millrace::runtime
