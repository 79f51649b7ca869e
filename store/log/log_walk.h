// What: a walk over a shard's log from a place on: each offset once, in order, as an event or as
//       one that retention has taken. Whoever sends the log elsewhere, behind a cursor of its own,
//       reads it by this.
// Threads: the caller's; reads block on the disk. Lifetime: borrows the reader for a call.
// Limits: blocks_max blocks a call; the walker may end it at any offset.
// Failure: Errors of the log.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/log/event_block.h"
#include "store/log/log_reader.h"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace millrace::store {

template <typename T>
concept LogWalker = requires(T walker, const StoredEvent& event, std::uint64_t offset) {
    { walker.goes_on() } -> std::same_as<bool>;  // asked before each offset
    walker.event(event);
    walker.lost(offset, offset);  // from the one up to the other, which is there
};

struct LogWalk {
    core::LogPosition from;
    std::uint64_t end = 0;  // not beyond
    std::size_t blocks_max = 1;
};
struct LogWalkEnd {
    std::uint64_t to = 0;
    bool missing = false;  // nothing can be read behind `to`, before the end
};

template <LogWalker Walker>
core::Result<LogWalkEnd> walk_log(LogReader& log, const LogWalk& walk, Walker& walker) {
    LogWalkEnd out{walk.from.offset.value};
    for (std::size_t blocks = 0; blocks < walk.blocks_max && out.to < walk.end && walker.goes_on();
         ++blocks) {
        auto block = log.read_block(walk.from.shard, core::LogOffset(out.to));
        if (!block) return core::fail(std::move(block.error()));
        if (!*block) {
            out.missing = true;
            break;
        }
        const std::uint64_t first = block->first_offset().value;
        if (first > out.to) {
            const std::uint64_t there = std::min(first, walk.end);
            walker.lost(out.to, there);
            out.to = there;
        }
        for (; out.to < walk.end && out.to < block->end_offset().value && walker.goes_on();
             ++out.to) {
            const auto index = static_cast<std::uint32_t>(out.to - first);
            if (block->gone(index))
                walker.lost(out.to, out.to + 1);
            else
                walker.event(block->event(index));
        }
    }
    return out;
}

}  // namespace millrace::store
