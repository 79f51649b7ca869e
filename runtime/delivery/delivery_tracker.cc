#include "runtime/delivery/delivery_tracker.h"

#include "core/assert.h"

namespace millrace::runtime {

void DeliveryTracker::hand_over(core::LogOffset first, core::LogOffset end, std::uint32_t parts) {
    MR_ASSERT(first == handed_over_);
    MR_ASSERT(end > first);
    open_.push_back({first, end, parts});
    handed_over_ = end;
    advance();
}

void DeliveryTracker::finish_part(core::LogOffset first) {
    // Few blocks are open at a time, and the oldest finish first: a scan from the front is short.
    for (OpenBlock& block : open_) {
        if (block.first != first) continue;
        MR_ASSERT(block.parts_left > 0);
        --block.parts_left;
        advance();
        return;
    }
    core::assert_failed("finish_part: no such open block", __FILE__, __LINE__);
}

void DeliveryTracker::advance() {
    while (!open_.empty() && open_.front().parts_left == 0) {
        cursor_ = open_.front().end;
        open_.pop_front();
    }
}

}  // namespace millrace::runtime
