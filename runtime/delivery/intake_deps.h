// What: what everybody works with who brings in events of other systems (links, edges): results for
//       shards, held against what their tenants may send.
// Threads: a value; what it names is called by whoever has it. Lifetime: borrows all that it names.
// Limits: none. Failure: submit() is false when the shard's ring is full, and the result stays.
#pragma once

#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/result.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/registry/registry_snapshot.h"

#include <cstddef>
#include <functional>
#include <memory>

namespace millrace::store {
class Database;
}

namespace millrace::runtime {

struct IntakeDeps {
    const core::Clock* clock = nullptr;
    core::Log* log = nullptr;
    core::Metrics* metrics = nullptr;
    store::Database* database = nullptr;
    std::function<RegistrySnapshotRef()> registry;
    std::size_t shards = 1;
    std::size_t event_bytes_max = 0;
    std::function<bool(core::ShardId, std::unique_ptr<LaneResult>&)> submit;
    // Whether the tenant may send so many events and bytes now; they count then.
    std::function<core::Status(core::TenantId, std::size_t events, std::size_t bytes)> may_take;
    // Nothing may be taken now.
    std::function<bool()> holds;
};

}  // namespace millrace::runtime
