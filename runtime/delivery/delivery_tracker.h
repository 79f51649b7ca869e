// What: which blocks of one shard are fully handled, and so how far its cursor may move. Blocks
//       enter in log order with a number of parts (one per lane that got a share); the cursor is
//       the end of the longest finished run.
// Threads: the shard's. Lifetime: value.
// Limits: holds one entry per block between cursor and hand-over; the hand-over is bounded by
//       lanes.
// Failure: a finish for an unknown block is an impossible state.
#pragma once

#include "core/ids.h"

#include <cstdint>
#include <deque>
#include <string_view>

namespace millrace::runtime {

// The cursor of first deliveries.
inline constexpr std::string_view kDeliveryCursor = "deliveries";

class DeliveryTracker {
public:
    explicit DeliveryTracker(core::LogOffset cursor) : cursor_(cursor), handed_over_(cursor) {}

    // The next block in log order, [first, end); parts 0 means nobody wanted any of it.
    void hand_over(core::LogOffset first, core::LogOffset end, std::uint32_t parts);
    // One part of the block that begins at `first` is done and its outcome is on its way to the
    // log.
    void finish_part(core::LogOffset first);

    // Everything below is handled.
    core::LogOffset cursor() const { return cursor_; }
    // Everything below was handed to lanes (or needed no lane).
    core::LogOffset handed_over() const { return handed_over_; }
    std::size_t open_blocks() const { return open_.size(); }

private:
    struct OpenBlock {
        core::LogOffset first;
        core::LogOffset end;
        std::uint32_t parts_left = 0;
    };
    void advance();

    core::LogOffset cursor_;
    core::LogOffset handed_over_;
    std::deque<OpenBlock> open_;
};

}  // namespace millrace::runtime
