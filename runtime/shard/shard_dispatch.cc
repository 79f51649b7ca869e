#include "runtime/shard/shard_dispatch.h"

#include "core/assert.h"
#include "runtime/delivery/lane_split.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

ShardDispatcher::ShardDispatcher(const Options& options, std::span<LanePort* const> lanes,
                                 ColdSource& feeder)
    : options_(options),
      lanes_(lanes.begin(), lanes.end()),
      feeder_(feeder),
      tracker_(options.cursor),
      durable_end_(options.durable_end),
      cold_(options.cursor < options.durable_end),
      asked_to_(options.cursor),
      counted_from_(options.durable_end) {}

bool ShardDispatcher::lanes_have_room(const ColdBlock& block) const {
    for (const auto& [lane, job] : block.jobs) {
        if (!lanes_[lane]->has_room(options_.shard)) return false;
    }
    return true;
}

void ShardDispatcher::hand_over(ColdBlock&& block) {
    tracker_.hand_over(block.first, block.end, static_cast<std::uint32_t>(block.jobs.size()));
    for (auto& [lane, job] : block.jobs) {
        in_lanes_ += job->items.size();
        lanes_[lane]->submit(options_.shard, std::move(job));
    }
}

void ShardDispatcher::on_durable(const store::EventBlock& block,
                                 std::span<const DeliveryItem> items) {
    MR_ASSERT(block.first_offset() == durable_end_);
    durable_end_ = block.end_offset();
    if (cold_ || stopped_) {
        cold_items_ += items.size();
        return;
    }
    ColdBlock hot = split_by_lane(block, items, lanes_.size());
    if (lanes_have_room(hot)) {
        hand_over(std::move(hot));
    } else {
        cold_ = true;
        asked_to_ = tracker_.handed_over();
        counted_from_ = asked_to_;
        cold_items_ = items.size();
    }
}

std::int64_t ShardDispatcher::waiting() const {
    std::uint64_t waiting = in_lanes_;
    if (!cold_) return static_cast<std::int64_t>(waiting);
    for (const ColdBlock& block : ready_) {
        for (const auto& [lane, job] : block.jobs) waiting += job->items.size();
    }
    if (asked_to_ < counted_from_) waiting += counted_from_.value - asked_to_.value;
    return static_cast<std::int64_t>(waiting + cold_items_);
}

void ShardDispatcher::on_cold(ColdBlock&& block) {
    MR_ASSERT(cold_);
    MR_ASSERT(block.first == asked_to_);
    if (asked_to_ >= counted_from_) {
        std::uint64_t items = 0;
        for (const auto& [lane, job] : block.jobs) items += job->items.size();
        cold_items_ -= std::min(cold_items_, items);
    }
    asked_to_ = block.end;
    answers_due_ = 0;
    ready_.push_back(std::move(block));
}

std::size_t ShardDispatcher::do_work() {
    if (!cold_ || stopped_) return 0;
    std::size_t done = 0;
    while (!ready_.empty() && lanes_have_room(ready_.front())) {
        hand_over(std::move(ready_.front()));
        ready_.pop_front();
        ++done;
    }
    if (answers_due_ == 0 && ready_.size() < kColdBlocksMax && asked_to_ < durable_end_) {
        answers_due_ = 1;
        feeder_.request(options_.shard, asked_to_, durable_end_, 1);
        ++done;
    }
    if (ready_.empty() && answers_due_ == 0 && tracker_.handed_over() == durable_end_) {
        cold_ = false;
        cold_items_ = 0;
    }
    return done;
}

}  // namespace millrace::runtime
