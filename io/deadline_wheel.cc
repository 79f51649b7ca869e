#include "io/deadline_wheel.h"

#include <algorithm>

namespace millrace::io {

void DeadlineWheel::set(std::uint32_t index, std::int64_t at_ns) {
    if (index >= entries_.size()) entries_.resize(index + 1);
    Entry& entry = entries_[index];
    entry.at_ns = at_ns;
    // Only an earlier deadline has to be put into an earlier bucket.
    if (at_ns == 0) return;
    if (entry.list != kNone) {
        if (entry.list == kDue || at_ns / kTickNs + 1 >= entry.tick) return;
        remove(index);
    }
    insert(index);
}

void DeadlineWheel::forget(std::uint32_t index) {
    if (index >= entries_.size()) return;
    entries_[index].at_ns = 0;
    if (entries_[index].list != kNone) remove(index);
}

void DeadlineWheel::insert(std::uint32_t index) {
    Entry& entry = entries_[index];
    // Later than one turn of the wheel: wait for the last bucket, then look again.
    entry.tick = std::clamp(entry.at_ns / kTickNs + 1, now_tick_ + 1,
                            now_tick_ + std::int64_t{kBuckets} - 1);
    link(index, bucket_of(entry.tick));
}

void DeadlineWheel::link(std::uint32_t index, std::uint32_t list) {
    Entry& entry = entries_[index];
    std::uint32_t& head = heads_[list];
    entry.list = list;
    entry.next = head;
    entry.previous = kNone;
    if (head != kNone) entries_[head].previous = index;
    head = index;
    ++linked_;
}

void DeadlineWheel::remove(std::uint32_t index) {
    Entry& entry = entries_[index];
    if (entry.previous != kNone) {
        entries_[entry.previous].next = entry.next;
    } else {
        heads_[entry.list] = entry.next;
    }
    if (entry.next != kNone) entries_[entry.next].previous = entry.previous;
    entry.list = entry.next = entry.previous = kNone;
    --linked_;
}

void DeadlineWheel::collect_due(std::int64_t now_ns) {
    const std::int64_t now_tick = now_ns / kTickNs;
    if (now_tick <= now_tick_) return;
    // After a long pause one turn visits every bucket.
    std::int64_t tick = std::max(now_tick_ + 1, now_tick - std::int64_t{kBuckets} + 1);
    now_tick_ = now_tick;
    for (; tick <= now_tick && linked_ > 0; ++tick) {
        const std::uint32_t bucket = bucket_of(tick);
        while (heads_[bucket] != kNone) {
            const std::uint32_t index = heads_[bucket];
            remove(index);
            link(index, kDue);
        }
    }
}

std::int64_t DeadlineWheel::sleep_limit_us(std::int64_t now_ns, std::int64_t timeout_us) const {
    if (linked_ == 0) return timeout_us;
    for (std::int64_t ahead = 1; ahead < std::int64_t{kBuckets}; ++ahead) {
        const std::int64_t tick = now_tick_ + ahead;
        const std::int64_t due_us = (tick * kTickNs - now_ns) / 1000 + 1;
        if (due_us >= timeout_us) return timeout_us;
        if (heads_[bucket_of(tick)] != kNone) return std::max<std::int64_t>(due_us, 0);
    }
    return timeout_us;
}

}  // namespace millrace::io
