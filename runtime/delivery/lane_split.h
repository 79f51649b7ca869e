// What: splits a block's deliveries into one job a lane that gets any. Used hot and cold alike.
// Threads: a pure function. Lifetime: the jobs share the block. Limits: the block's deliveries.
// Failure: none.
#pragma once

#include "runtime/delivery/lane_job.h"

#include <cstddef>
#include <span>

namespace millrace::runtime {

ColdBlock split_by_lane(const store::EventBlock& block, std::span<const DeliveryItem> items,
                        std::size_t lanes);

}  // namespace millrace::runtime
