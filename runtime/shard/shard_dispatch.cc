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

namespace {

std::uint64_t items_of(const ColdBlock& block) {
    std::uint64_t items = 0;
    for (const auto& [lane, job] : block.jobs) items += job->items.size();
    return items;
}

// The block's text counts once, however many lanes share it.
std::size_t bytes_of(const ColdBlock& block) {
    std::size_t bytes = sizeof(ColdBlock);
    for (const auto& [lane, job] : block.jobs)
        bytes += sizeof(LaneJob) + job->items.capacity() * sizeof(DeliveryItem);
    if (!block.jobs.empty()) bytes += block.jobs.front().second->block.body().size();
    return bytes;
}

}  // namespace

void ShardDispatcher::Queue::push(ColdBlock&& block) {
    bytes += bytes_of(block);
    items += items_of(block);
    blocks.push_back(std::move(block));
}

ColdBlock ShardDispatcher::Queue::pop() {
    ColdBlock block = std::move(blocks.front());
    blocks.pop_front();
    bytes -= bytes_of(block);
    items -= items_of(block);
    return block;
}

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
    if (stopped_) return;
    ColdBlock hot = split_by_lane(block, items, lanes_.size());
    if (!cold_ && ready_.blocks.empty() && lanes_have_room(hot)) return hand_over(std::move(hot));
    if (!cold_ && ready_.bytes < options_.waiting_bytes_max) return ready_.push(std::move(hot));
    if (!cold_) turn_cold(block.first_offset());
    cold_items_ += items.size();
    keep_newest(std::move(hot));
}

// What waits here goes first, then what the feeder reads from `from` on.
void ShardDispatcher::turn_cold(core::LogOffset from) {
    cold_ = true;
    asked_to_ = from;
    counted_from_ = from;
    cold_items_ = 0;
}

void ShardDispatcher::keep_newest(ColdBlock&& block) {
    newest_.push(std::move(block));
    while (newest_.bytes > options_.waiting_bytes_max) newest_.pop();
}

// True: what comes next is in memory, and so is all behind it.
bool ShardDispatcher::meet_newest() {
    if (newest_.blocks.empty() || newest_.blocks.front().first > asked_to_) return false;
    while (!newest_.blocks.empty()) {
        ColdBlock block = newest_.pop();
        if (block.first >= asked_to_) ready_.push(std::move(block));
    }
    return true;
}

std::int64_t ShardDispatcher::waiting() const {
    std::uint64_t waiting = in_lanes_ + ready_.items;
    if (!cold_) return static_cast<std::int64_t>(waiting);
    if (asked_to_ < counted_from_) waiting += counted_from_.value - asked_to_.value;
    return static_cast<std::int64_t>(waiting + cold_items_);
}

void ShardDispatcher::on_cold(ColdBlock&& block) {
    MR_ASSERT(cold_);
    MR_ASSERT(block.first == asked_to_);
    if (asked_to_ >= counted_from_) cold_items_ -= std::min(cold_items_, items_of(block));
    asked_to_ = block.end;
    answers_due_ = 0;
    ready_.push(std::move(block));
}

std::size_t ShardDispatcher::do_work() {
    if (stopped_) return 0;
    std::size_t done = 0;
    while (!ready_.blocks.empty() && lanes_have_room(ready_.blocks.front())) {
        hand_over(ready_.pop());
        ++done;
    }
    if (!cold_ || answers_due_ != 0) return done;
    if (asked_to_ == durable_end_ || meet_newest()) {
        cold_ = false;
        cold_items_ = 0;
    } else if (ready_.blocks.size() < kColdBlocksMax) {
        answers_due_ = 1;
        feeder_.request(options_.shard, asked_to_, durable_end_, 1);
        ++done;
    }
    return done;
}

}  // namespace millrace::runtime
