#include "runtime/hub/log_run.h"

#include "runtime/event/event_defaults.h"
#include "runtime/event/own_events.h"
#include "runtime/event/trace_context.h"
#include "store/database.h"
#include "store/log/event_id.h"
#include "store/log/log_walk.h"

#include <algorithm>

namespace millrace::runtime::hub {
bool LogRun::crosses(const store::StoredEvent& event, const Part& part) {
    if (event.tenant.value != 0 || is_own_event(event.pattern)) return false;
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
    writer_.add(
        {.offset = offset,
         .received_at_us = event.received_at_us,
         .depth = static_cast<std::uint8_t>(causation_depth_of(event.fills)),
         .id = id_,
         .text = event.raw,
         .trace = wanted_->takes_traces() ? trace_of_fills(event.fills) : std::string_view()});
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
    struct Walker {
        LogRun& run;
        const Part& part;
        Next& out;
        std::size_t bytes_target;
        bool goes_on() const {
            return run.writer_.bytes() < bytes_target && run.writer_.events() < kEventsMax &&
                   run.writer_.skipped_ranges() < kEventsMax;
        }
        void event(const store::StoredEvent& event) {
            out.events += run.take(event, part, out) ? 1 : 0;
        }
        void lost(std::uint64_t from, std::uint64_t to) {
            run.writer_.skip(from, to);
            out.lost += to - from;
        }
    } walker{*this, part, out, bytes_target};
    const auto way = store::walk_log(database_.log_reader(),
                                     {{shard, core::LogOffset(out.to)}, end, kBlocksMax}, walker);
    if (!way) return core::fail(way.error());
    out.to = way->to;
    out.missing = way->missing;
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
    struct Walker {
        Walk& walk;
        static bool goes_on() { return true; }
        void event(const store::StoredEvent& event) {
            walk.at.hash = chain_on(walk.at.hash, event.position.offset.value, event.received_at_us,
                                    event.raw);
        }
        void lost(std::uint64_t, std::uint64_t) { walk.gaps = true; }
    } walker{walk};
    const auto way =
        store::walk_log(database_.log_reader(),
                        {{shard, core::LogOffset(mark.next)}, walk.to, kWalkBlocksMax}, walker);
    if (!way) return core::fail(way.error());
    mark.next = way->to;
    if (way->missing) return Way::kShort;
    if (mark.next < walk.to) return Way::kGoesOn;
    return Way::kThere;
}

}  // namespace millrace::runtime::hub
