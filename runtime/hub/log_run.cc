#include "runtime/hub/log_run.h"

#include "runtime/event/event_defaults.h"
#include "store/database.h"
#include "store/log/event_id.h"
#include "store/log/log_reader.h"

#include <algorithm>

namespace millrace::runtime::hub {
namespace {

constexpr std::string_view kOwnPrefix = "system.";

}  // namespace

bool LogRun::crosses(const store::StoredEvent& event, const Part& part) {
    if (event.tenant.value != 0 || event.pattern.starts_with(kOwnPrefix)) return false;
    if (part.of != Part::Of::kAll) {
        const auto shard = static_cast<std::uint32_t>(event.position.shard.value);
        const bool urgent = part.urgent->is(shard, event.position.offset.value, event.pattern);
        if (urgent != (part.of == Part::Of::kUrgent)) return false;
    }
    return wanted_->wants(event) && !(part.had && part.had->wants(event));
}

bool LogRun::take(const store::StoredEvent& event, const Part& part, Next& out) {
    const std::uint64_t offset = event.position.offset.value;
    out.hash = chain_on(out.hash, offset, event.received_at_us, event.raw);
    if (!crosses(event, part)) {
        writer_.skip(offset, offset + 1);
        ++out.skipped;
        return false;
    }
    id_.clear();
    if (event.has(store::EventFlag::kFilledEventId))
        id_ = store::encode_event_id(database_.hasher(), event.position);
    writer_.add({.offset = offset,
                 .received_at_us = event.received_at_us,
                 .depth = static_cast<std::uint8_t>(causation_depth_of(event.fills)),
                 .id = id_,
                 .text = event.raw});
    return true;
}

core::Result<LogRun::Next> LogRun::next_batch(const ForwardMark& from, const ForwardMark& quiet,
                                              const Part& part, std::size_t bytes_target,
                                              std::uint64_t incarnation, Empty empty) {
    const core::ShardId shard(static_cast<std::uint16_t>(shard_of(from.lane)));
    // What a power cut may still take is not told: the hub would have what this log has lost.
    const std::uint64_t end = std::min(database_.synced_end(shard).value, part.end);
    Next out;
    out.to = from.next;
    out.hash = from.hash;
    writer_.begin(from.next);
    if (quiet.next > from.next) {
        writer_.skip(from.next, quiet.next);
        out.skipped = quiet.next - from.next;
        out.to = quiet.next;
        out.hash = quiet.hash;
    }
    const auto has_room = [&] {
        return writer_.bytes() < bytes_target && writer_.events() < kEventsMax &&
               writer_.skipped_ranges() < kEventsMax;
    };
    std::size_t blocks = 0;
    for (; blocks < kBlocksMax && has_room() && out.to < end; ++blocks) {
        auto block = database_.log_reader().read_block(shard, core::LogOffset(out.to));
        if (!block) return core::fail(std::move(block.error()));
        if (!*block) {
            out.missing = true;
            break;
        }
        const std::uint64_t first = block->first_offset().value;
        if (first > out.to) {
            const std::uint64_t gone = std::min(first, end) - out.to;
            writer_.skip(out.to, out.to + gone);
            out.lost += gone;
            out.to += gone;
            if (out.to < first) break;
        }
        auto index = static_cast<std::uint32_t>(out.to - first);
        for (; index < block->count() && out.to < end && has_room(); ++index, ++out.to) {
            if (block->gone(index)) {
                writer_.skip(out.to, out.to + 1);
                ++out.lost;
            } else {
                out.events += take(block->event(index), part, out) ? 1 : 0;
            }
        }
    }
    out.full = out.to < end && !out.missing;
    if (out.to == from.next || (out.events == 0 && empty == Empty::kWaits)) return out;
    out.bytes = writer_.finish(
        {.incarnation = incarnation,
         .to = out.to,
         .end = std::max(std::min(database_.durable_end(shard).value, part.end), out.to),
         .hash_before = from.hash,
         .hash_after = out.hash,
         .filter_version = wanted_->version(),
         .lane = from.lane});
    return out;
}

core::Result<LogRun::Way> LogRun::walk(Walk& walk) {
    ForwardMark& mark = walk.at;
    const core::ShardId shard(static_cast<std::uint16_t>(shard_of(mark.lane)));
    if (walk.to > database_.durable_end(shard).value) return Way::kShort;
    for (std::size_t blocks = 0; mark.next < walk.to; ++blocks) {
        if (blocks == kWalkBlocksMax) return Way::kGoesOn;
        auto block = database_.log_reader().read_block(shard, core::LogOffset(mark.next));
        if (!block) return core::fail(std::move(block.error()));
        if (!*block) return Way::kShort;
        const std::uint64_t first = block->first_offset().value;
        if (first > mark.next) {
            walk.gaps = true;
            mark.next = std::min(first, walk.to);
        }
        for (; mark.next < walk.to && mark.next < block->end_offset().value; ++mark.next) {
            const auto index = static_cast<std::uint32_t>(mark.next - first);
            if (block->gone(index)) {
                walk.gaps = true;
                continue;
            }
            const store::StoredEvent event = block->event(index);
            mark.hash = chain_on(mark.hash, mark.next, event.received_at_us, event.raw);
        }
    }
    return Way::kThere;
}

}  // namespace millrace::runtime::hub
