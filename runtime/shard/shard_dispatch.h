// What: hands one shard's durable blocks to the lanes, in log order. While lanes keep up, a block
//       goes over hot: straight from memory, as it was matched at the edge. When a lane's ring is
//       full, blocks wait here. When too many wait the dispatcher turns cold: it forgets blocks
//       (they are in the log) and lets the feeder read them again when there is room. The newest
//       stay in memory meanwhile; where the feeder's way meets them, the shard is hot again. So 10
//       million events can wait behind a slow handler with flat memory, and nothing is ever
//       dropped.
// Threads: the shard's.
// Lifetime: borrows lanes and feeder, which outlive it.
// Limits: kColdBlocksMax blocks read ahead; waiting_bytes_max of hot blocks, and as much again of
//       the newest ones while cold; the lanes' rings. Overflow policy: spill to the log.
// Failure: none; a block that the feeder can't read stays asked for (the feeder reports it).
#pragma once

#include "runtime/delivery/delivery_tracker.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/delivery/ports.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

namespace millrace::runtime {

// Where a shard asks for blocks of its log. Answers come through ShardDispatcher::on_cold, in
// order.
class ColdSource {
public:
    virtual ~ColdSource() = default;
    // Asks for up to `blocks` blocks from `from` on, below `end`. At least one is answered.
    virtual void request(core::ShardId shard, core::LogOffset from, core::LogOffset end,
                         std::uint32_t blocks) = 0;
};

class ShardDispatcher {
public:
    struct Options {
        core::ShardId shard;
        core::LogOffset cursor;       // everything below has its outcome
        core::LogOffset durable_end;  // of the log at start
        std::size_t waiting_bytes_max = 16u << 20;
    };
    ShardDispatcher(const Options& options, std::span<LanePort* const> lanes, ColdSource& feeder);

    // The next block is durable. `items` are its deliveries in order of events.
    void on_durable(const store::EventBlock& block, std::span<const DeliveryItem> items);
    void on_cold(ColdBlock&& block);
    void finish_part(core::LogOffset first) { tracker_.finish_part(first); }
    // So many deliveries of what was handed over no longer wait.
    void count_ended(std::uint64_t deliveries) { in_lanes_ -= deliveries; }
    // Deliveries that wait: in the lanes, and in the log. Of blocks that are still to be read an
    // event counts as one, where it is not known better.
    std::int64_t waiting() const;
    // Hands over what was read back and asks for more. Returns the number of blocks handed over.
    std::size_t do_work();
    // From now on nothing is handed over: the shard is going down.
    void stop() { stopped_ = true; }

    core::LogOffset cursor() const { return tracker_.cursor(); }
    core::LogOffset handed_over() const { return tracker_.handed_over(); }
    bool cold() const { return cold_; }
    bool idle() const { return !cold_ && ready_.blocks.empty() && tracker_.open_blocks() == 0; }

private:
    static constexpr std::uint32_t kColdBlocksMax = 4;

    // Blocks in log order, and what they hold.
    struct Queue {
        std::deque<ColdBlock> blocks;
        std::size_t bytes = 0;
        std::uint64_t items = 0;

        void push(ColdBlock&& block);
        ColdBlock pop();
    };

    bool lanes_have_room(const ColdBlock& block) const;
    void hand_over(ColdBlock&& block);
    void turn_cold(core::LogOffset from);
    void keep_newest(ColdBlock&& block);
    bool meet_newest();

    const Options options_;
    const std::vector<LanePort*> lanes_;
    ColdSource& feeder_;
    DeliveryTracker tracker_;
    core::LogOffset durable_end_;
    bool cold_;
    bool stopped_ = false;
    Queue ready_;                    // the next ones for the lanes
    Queue newest_;                   // while cold: the last ones of the log
    std::uint64_t in_lanes_ = 0;     // deliveries
    std::uint64_t cold_items_ = 0;   // deliveries of blocks that came while cold
    core::LogOffset asked_to_;       // what the feeder was asked for, up to here
    core::LogOffset counted_from_;   // of events behind it cold_items_ counts deliveries
    std::uint32_t answers_due_ = 0;  // 1 while the feeder has a request of ours
};

}  // namespace millrace::runtime
