// What: what every feed works with: the clock, the store, who is registered, and the way to the
//       lanes.
// Threads: a value; what it names is called by the feeder. Lifetime: borrows all it names.
// Limits: none. Failure: submit_aside is false when the lane is full, and the job stays.
#pragma once

#include "core/clock.h"
#include "core/log.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/registry/registry_snapshot.h"
#include "store/database.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace millrace::runtime {

struct FeedDeps {
    const core::Clock* clock = nullptr;
    core::Log* log = nullptr;
    store::Database* database = nullptr;
    std::function<RegistrySnapshotRef()> registry;
    std::size_t lanes = 1;
    std::function<bool(std::uint32_t lane, std::unique_ptr<LaneJob>&)> submit_aside;
    std::function<void()> wake;  // the feeder
};

}  // namespace millrace::runtime
