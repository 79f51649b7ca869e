#include "runtime/delivery/lane_split.h"

#include "runtime/delivery/placement.h"

#include <memory>

namespace millrace::runtime {

ColdBlock split_by_lane(const store::EventBlock& block, std::span<const DeliveryItem> items,
                        std::size_t lanes) {
    ColdBlock out;
    out.first = block.first_offset();
    out.end = block.end_offset();
    for (const DeliveryItem& item : items) {
        const std::uint32_t lane = lane_of(block.record(item.event_index).key_hash, lanes);
        LaneJob* job = nullptr;
        for (auto& [number, candidate] : out.jobs) {
            if (number == lane) job = candidate.get();
        }
        if (!job) {
            job = out.jobs.emplace_back(lane, std::make_unique<LaneJob>()).second.get();
            job->block = block;
            job->items.reserve(items.size());
        }
        job->items.push_back(item);
    }
    return out;
}

}  // namespace millrace::runtime
