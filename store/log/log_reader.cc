#include "store/log/log_reader.h"

#include "store/engine.h"
#include "store/log/block_codec.h"
#include "store/log/event_id.h"
#include "store/rows/keys.h"

#include <algorithm>
#include <array>

namespace millrace::store {
namespace {
// Enough for a page of a listing and the neighbours of a looked-up event; at most about 8 MiB.
constexpr std::size_t kCachedBlocks = 8;
}  // namespace

struct LogReader::Cache {
    std::mutex mutex;
    std::array<EventBlock, kCachedBlocks> blocks;
    std::size_t next = 0;

    EventBlock find(core::LogPosition position) {
        std::lock_guard lock(mutex);
        for (const EventBlock& block : blocks) {
            if (block && block.shard() == position.shard && block.contains(position.offset))
                return block;
        }
        return {};
    }
    void put(const EventBlock& block) {
        std::lock_guard lock(mutex);
        blocks[next] = block;
        next = (next + 1) % kCachedBlocks;
    }
    void forget(core::LogPosition first) {
        std::lock_guard lock(mutex);
        for (EventBlock& block : blocks) {
            if (block && block.shard() == first.shard && block.first_offset() == first.offset)
                block = {};
        }
    }
};

LogReader::LogReader(Engine& engine) : engine_(engine), cache_(std::make_unique<Cache>()) {}
LogReader::~LogReader() = default;

void LogReader::forget(core::LogPosition first) { cache_->forget(first); }

core::LogOffset LogReader::durable_end(core::ShardId shard) const {
    return engine_.durable_end(shard);
}

core::Result<EventBlock> LogReader::read_block(core::ShardId shard, core::LogOffset from) {
    if (from >= engine_.durable_end(shard)) return EventBlock{};
    if (EventBlock cached = cache_->find({shard, from})) return cached;
    const auto log = engine_.iterate(ColumnFamily::kLog);
    log->SeekForPrev(log_key({shard, from}));
    if (!log->Valid()) log->SeekToFirst();
    // The block at or before `from`; when it ends before `from` (retention took what lay between,
    // or another shard's block stands there), the first one behind.
    for (int step = 0; step < 2 && log->Valid(); ++step, log->Next()) {
        KeyReader reader(view(log->key()));
        const core::LogPosition key = read_log_key(reader);
        if (key.shard < shard) continue;
        if (key.shard > shard) break;
        auto opened = open_block(key, view(log->value()));
        if (!opened) return core::fail(std::move(opened.error()));
        if (opened->end_offset() <= from.value) continue;
        auto block = decode_block(*opened, engine_.pools);
        if (block) cache_->put(*block);
        return block;
    }
    if (!log->status().ok()) return core::fail(rocks_error("read log", log->status()));
    return EventBlock{};
}

core::Result<EventBlock> LogReader::read_block_before(core::ShardId shard, core::LogOffset end) {
    if (end <= engine_.first_kept(shard)) return EventBlock{};
    const core::LogOffset last{end.value - 1};
    if (EventBlock cached = cache_->find({shard, last})) return cached;
    const auto log = engine_.iterate(ColumnFamily::kLog);
    log->SeekForPrev(log_key({shard, last}));
    if (!log->status().ok()) return core::fail(rocks_error("read log", log->status()));
    if (!log->Valid()) return EventBlock{};
    KeyReader reader(view(log->key()));
    const core::LogPosition key = read_log_key(reader);
    if (key.shard != shard) return EventBlock{};
    auto opened = open_block(key, view(log->value()));
    if (!opened) return core::fail(std::move(opened.error()));
    auto block = decode_block(*opened, engine_.pools);
    if (block) cache_->put(*block);
    return block;
}

core::Result<std::optional<OwnedEvent>> LogReader::read_event(core::LogPosition position) {
    if (position.shard.value >= engine_.options.shards ||
        position.offset >= engine_.durable_end(position.shard) ||
        position.offset < engine_.first_kept(position.shard)) {
        return std::nullopt;
    }
    if (const EventBlock cached = cache_->find(position)) {
        OwnedEvent event{cached.event(cached.index_of(position.offset)), cached.first_offset(),
                         cached.body()};
        if (event.event.has(EventFlag::kGone)) return std::nullopt;
        return event;
    }
    const auto log = engine_.iterate(ColumnFamily::kLog);
    log->SeekForPrev(log_key(position));
    if (!log->status().ok()) return core::fail(rocks_error("read log", log->status()));
    if (!log->Valid()) return std::nullopt;
    KeyReader reader(view(log->key()));
    const core::LogPosition key = read_log_key(reader);
    if (key.shard != position.shard) return std::nullopt;
    auto opened = open_block(key, view(log->value()));
    if (!opened) return core::fail(std::move(opened.error()));
    if (opened->end_offset() <= position.offset.value) return std::nullopt;
    auto event =
        decode_event(*opened, static_cast<std::uint32_t>(position.offset.value - key.offset.value),
                     engine_.pools);
    if (!event) return core::fail(std::move(event.error()));
    if (event->event.has(EventFlag::kGone)) return std::nullopt;
    return std::optional<OwnedEvent>(std::move(*event));
}

core::Result<std::optional<OwnedEvent>> LogReader::find(core::TenantId tenant,
                                                        std::string_view event_id) {
    auto found = find_all(tenant, event_id, 1);
    if (!found) return core::fail(std::move(found.error()));
    if (found->empty()) return std::nullopt;
    return std::optional<OwnedEvent>(std::move(found->front()));
}

namespace {

// Events of one shard that may be the one that is looked for, earliest first.
struct Candidates {
    core::ShardId shard;
    bool server_made = false;  // the id tells the place
    std::vector<RunEntry> entries;
    std::optional<OwnedEvent> newest = {};  // of what is left, once it was read
};

}  // namespace

core::Result<std::vector<OwnedEvent>> LogReader::find_all(core::TenantId tenant,
                                                          std::string_view event_id,
                                                          std::size_t events_max) {
    std::vector<Candidates> open;
    if (const auto position = decode_event_id(*engine_.hasher, event_id))
        open.push_back({position->shard, true, {{{}, position->offset.value}}});
    auto shards = engine_.ids.look_up_by_id(engine_.hasher->by_id(tenant, event_id));
    for (std::size_t i = 0; i < shards.size(); ++i) {
        if (shards[i].empty()) continue;
        open.push_back({core::ShardId{static_cast<std::uint16_t>(i)}, false, std::move(shards[i])});
    }
    std::vector<OwnedEvent> found;
    std::vector<IdHash> taken;
    const auto is_taken = [&](const Candidates& of) {
        return std::find(taken.begin(), taken.end(), of.entries.back().id) != taken.end();
    };
    // Only time tells which of several shards' is newer: the newest of each is read.
    const auto read_newest = [&](Candidates& of) -> core::Status {
        while (!of.entries.empty() && (!of.newest || is_taken(of))) {
            of.newest.reset();
            auto event = read_event({of.shard, core::LogOffset{of.entries.back().offset}});
            if (!event) return core::fail(std::move(event.error()));
            const bool fits = *event && !is_taken(of) && (*event)->event.tenant == tenant &&
                              (*event)->event.has(EventFlag::kFilledEventId) == of.server_made;
            if (fits) {
                of.newest = std::move(*event);
            } else {
                of.entries.pop_back();
            }
        }
        return {};
    };
    while (found.size() < events_max) {
        Candidates* best = nullptr;
        for (Candidates& of : open) {
            if (auto read = read_newest(of); !read) return core::fail(std::move(read.error()));
            if (of.newest &&
                (!best || of.newest->event.received_at_us > best->newest->event.received_at_us))
                best = &of;
        }
        if (!best) break;
        taken.push_back(best->entries.back().id);
        found.push_back(std::move(*best->newest));
        best->newest.reset();
        best->entries.pop_back();
    }
    return found;
}

core::Result<std::optional<core::LogPosition>> LogReader::find_identity(const IdHash& id) {
    return engine_.ids.look_up(id);
}

// Behind what is surely earlier, block by block.
core::Result<core::LogOffset> LogReader::offset_at_time(core::ShardId shard,
                                                        std::int64_t received_at_us) {
    auto begin = received_before(engine_, shard, received_at_us);
    if (!begin) return begin;
    const core::LogOffset end = engine_.durable_end(shard);
    const auto rows = engine_.iterate(ColumnFamily::kSummary);
    for (rows->Seek(log_key({shard, *begin})); rows->Valid(); rows->Next()) {
        KeyReader reader(view(rows->key()));
        const core::LogPosition key = read_log_key(reader);
        if (key.shard != shard || key.offset >= end) break;
        const auto summary = open_summary(key, view(rows->value()));
        if (summary && summary->header.received_max_us < received_at_us) continue;
        auto block = read_block(shard, key.offset);
        if (!block) return core::fail(std::move(block.error()));
        for (std::uint32_t i = 0; *block && i < block->count(); ++i) {
            if (block->record(i).received_at_us >= received_at_us)
                return core::LogOffset{key.offset.value + i};
        }
    }
    if (!rows->status().ok()) return core::fail(rocks_error("read summaries", rows->status()));
    return end;
}

}  // namespace millrace::store
