#include "runtime/stream/block_shelf.h"

#include "store/log/log_reader.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

core::Result<store::EventBlock> BlockShelf::read(core::ShardId shard, core::LogOffset offset) {
    const std::int64_t now_us = clock_.monotonic_ns() / 1000;
    auto place = places_.upper_bound({shard, offset});
    if (place != places_.begin()) {
        --place;
        if (place->first.shard == shard && place->second.block.contains(offset)) {
            if (now_us - place->second.read_us < kAgeUs) {
                place->second.used = ++uses_;
                return place->second.block;
            }
            take_off(place);
        }
    }
    auto read = database_.log_reader().read_block(shard, offset);
    if (!read || !*read) return read;
    const std::size_t bytes = read->body().capacity();
    make_room(bytes);
    const core::LogPosition first{shard, read->first_offset()};
    if (const auto there = places_.find(first); there != places_.end()) take_off(there);
    places_.emplace(first, Place{*read, now_us, ++uses_});
    bytes_ += bytes;
    return read;
}

void BlockShelf::clear() {
    places_.clear();
    bytes_ = 0;
}

void BlockShelf::take_off(Places::iterator place) {
    bytes_ -= place->second.block.body().capacity();
    places_.erase(place);
}

// What was used longest ago goes.
void BlockShelf::make_room(std::size_t bytes) {
    while (!places_.empty() && (places_.size() >= kBlocksMax || bytes_ + bytes > bytes_max_)) {
        take_off(std::min_element(places_.begin(), places_.end(), [](const auto& a, const auto& b) {
            return a.second.used < b.second.used;
        }));
    }
}

}  // namespace millrace::runtime
