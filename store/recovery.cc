// What the engine does at start before anything is served: finds each shard's tail, checks its
// chain, compares it with the high-water mark, and makes the identity index anew behind its newest
// run.
#include "store/engine.h"
#include "store/file_util.h"
#include "store/log/block_codec.h"
#include "store/rows/keys.h"
#include "store/rows/row_codec.h"

#include <algorithm>

namespace millrace::store {
namespace {

using core::ErrorCode;

// Whole values checked (checksum and chain) at each start: what a torn tail could have hit.
constexpr std::size_t kTailBlocksChecked = 64;
constexpr std::size_t kTailBytesChecked = 16u << 20;
// Offsets checked for gaps at each start, by the summaries alone: more than the WAL files can hold.
constexpr std::size_t kContiguousBlocksChecked = 20'000;

std::string where(core::ShardId shard, std::uint64_t offset) {
    return "shard " + std::to_string(shard.value) + " offset " + std::to_string(offset);
}

core::Status check_summary(core::LogPosition key, std::string_view value) {
    auto summary = open_summary(key, value);
    return summary ? core::Status{} : core::fail(std::move(summary.error()));
}

constexpr const char* kHelp =
    "; acknowledged events may be missing, so the start is refused and nothing was changed. "
    "Restore from a backup, or "
    "start once with --accept-loss to go on with what is there";

}  // namespace

// Once accepted, the start after this one does not ask again.
core::Status Engine::lost(core::LogPosition at, std::string what) {
    const std::string key = "accepted_loss/" + log_key(at);
    rocksdb::PinnableSlice value;
    auto accepted = get(ColumnFamily::kDefault, key, value);
    if (!accepted) return core::fail(std::move(accepted.error()));
    if (*accepted) return {};
    if (!options.accept_loss) return core::fail(ErrorCode::kInternal, "store: " + what + kHelp);
    rocksdb::WriteBatch batch;
    batch.Put(family(ColumnFamily::kDefault), key, what);
    losses.push_back(std::move(what));
    return options.read_only ? core::Status{} : commit(batch, Durability::kFsync);
}

core::Status Engine::recover_tails() {
    for (std::size_t i = 0; i < options.shards; ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        if (auto status = recover_shard(shard); !status) return status;
        if (auto status = check_contiguous(shard); !status) return status;
        ends_[i].durable.store(committed_[i].end_offset, std::memory_order_release);
    }
    synced_ = committed_;
    return {};
}

core::Status Engine::recover_shard(core::ShardId shard) {
    const auto log = iterate(ColumnFamily::kLog);
    const std::string prefix = log_key({shard, core::LogOffset{0}});
    log->Seek(prefix);
    KeyReader first_key(log->Valid() ? view(log->key()) : std::string_view{});
    if (!log->Valid() || read_log_key(first_key).shard != shard)
        return log->status().ok() ? core::Status{}
                                  : core::fail(rocks_error("read log", log->status()));
    KeyReader again(view(log->key()));
    set_first_kept(shard, read_log_key(again).offset);

    ShardTail& tail = committed_[shard.value];
    std::size_t bytes = 0;
    std::uint64_t next_first = 0;
    std::uint64_t next_previous_hash = 0;
    std::uint64_t next_sequence = 0;
    log->SeekForPrev(log_key({shard, core::LogOffset{~std::uint64_t{0}}}));
    for (std::size_t i = 0; i < kTailBlocksChecked && bytes < kTailBytesChecked && log->Valid();
         ++i, log->Prev()) {
        KeyReader reader(view(log->key()));
        const core::LogPosition key = read_log_key(reader);
        if (key.shard != shard) break;
        auto block = open_block(key, view(log->value()));
        if (!block) return core::fail(std::move(block.error()));
        const std::uint64_t hash = block_hash(block->value);
        if (i == 0) {
            tail = {block->header.sequence + 1, block->end_offset(), key.offset.value, hash};
        } else if (block->end_offset() != next_first || hash != next_previous_hash ||
                   block->header.sequence + 1 != next_sequence) {
            auto status = lost({shard, core::LogOffset{next_first}},
                               "check log at " + where(shard, next_first) +
                                   " failed: its chain does not lead to the block before it, "
                                   "which ends at offset " +
                                   std::to_string(block->end_offset()));
            if (!status) return status;
        }
        next_first = key.offset.value;
        next_previous_hash = block->header.previous_hash;
        next_sequence = block->header.sequence;
        bytes += block->value.size();
    }
    if (!log->status().ok()) return core::fail(rocks_error("read log", log->status()));
    return {};
}

core::Status Engine::check_contiguous(core::ShardId shard) {
    const ShardTail& tail = committed_[shard.value];
    if (tail.blocks == 0) return {};
    const auto summaries = iterate(ColumnFamily::kSummary);
    std::uint64_t end = tail.end_offset;
    summaries->SeekForPrev(log_key({shard, core::LogOffset{~std::uint64_t{0}}}));
    for (std::size_t i = 0; i < kContiguousBlocksChecked && summaries->Valid();
         ++i, summaries->Prev()) {
        KeyReader reader(view(summaries->key()));
        const core::LogPosition key = read_log_key(reader);
        if (key.shard != shard || key.offset < first_kept(shard)) break;
        SummaryHeader header;
        std::memcpy(&header, summaries->value().data(),
                    std::min(sizeof(header), summaries->value().size()));
        const bool fits = key.offset.value + header.count == end;
        // Its own damage says nothing about the log.
        auto summary = fits ? core::Status{} : check_summary(key, view(summaries->value()));
        if (!summary) {
            quarantine.set_aside(ColumnFamily::kSummary, view(summaries->key()),
                                 summary.error().message);
            end = key.offset.value;
            continue;
        }
        if (key.offset.value + header.count != end) {
            auto status = lost({shard, core::LogOffset{key.offset.value + header.count}},
                               "check log failed: events from " +
                                   where(shard, key.offset.value + header.count) + " up to " +
                                   std::to_string(end) + " are missing");
            if (!status) return status;
        }
        end = key.offset.value;
    }
    return summaries->status().ok()
               ? core::Status{}
               : core::fail(rocks_error("read summaries", summaries->status()));
}

core::Status Engine::check_mark() {
    const std::string path = options.path + "/hwm";
    auto mark = HighWaterMark::open(path, options.read_only);
    if (!mark) return core::fail(std::move(mark.error()));
    mark_ = std::move(*mark);
    const bool any_events = std::any_of(committed_.begin(), committed_.end(),
                                        [](const ShardTail& t) { return t.blocks > 0; });
    const auto no_mark = [&](const char* why) -> core::Status {
        const std::string what = "read high-water mark path=" + path + " failed: " + why;
        if (!options.accept_loss) return core::fail(ErrorCode::kInternal, "store: " + what + kHelp);
        losses.push_back(what + ": whether events are missing at the end is not known");
        return {};
    };
    if (mark_->damaged()) {
        if (auto status = no_mark("both slots are damaged"); !status) return status;
    } else if (!mark_->loaded() && any_events) {
        if (auto status = no_mark("the log has events but the file was empty or missing"); !status)
            return status;
    }
    if (mark_->loaded()) {
        for (std::size_t i = 0; i < mark_->loaded()->shards; ++i) {
            const core::ShardId shard{static_cast<std::uint16_t>(i)};
            if (auto status = check_mark_of(shard, mark_->loaded()->tails[i]); !status)
                return status;
        }
    }
    if (options.read_only) return {};
    // From now on the mark speaks of this state (also after --accept-loss).
    marked_.fill({~std::uint64_t{0}, 0, 0, 0});
    if (auto status = write_mark(); !status) return status;
    // A new folder: the sync of a file does not promise that its name stays.
    return mark_->loaded() ? core::Status{} : sync_folder(options.path);
}

core::Status Engine::check_mark_of(core::ShardId shard, const ShardTail& marked) {
    const ShardTail& tail = committed_[shard.value];
    if (tail.blocks < marked.blocks || tail.end_offset < marked.end_offset) {
        const std::string what =
            "check log of " + where(shard, tail.end_offset) +
            " failed: it ends there, but the high-water mark says that it had reached offset " +
            std::to_string(marked.end_offset) +
            " (lost: " + std::to_string(marked.end_offset - tail.end_offset) +
            " events; a WAL file was removed or cut?)";
        if (!options.accept_loss) return core::fail(ErrorCode::kInternal, "store: " + what + kHelp);
        losses.push_back(what);
        return {};
    }
    if (marked.blocks == 0 || marked.last_first_offset < first_kept(shard).value) return {};
    rocksdb::PinnableSlice value;
    auto there =
        get(ColumnFamily::kLog, log_key({shard, core::LogOffset{marked.last_first_offset}}), value);
    if (!there) return core::fail(std::move(there.error()));
    if (!*there || block_hash(view(value)) != marked.last_hash) {
        const std::string what =
            "check log at " + where(shard, marked.last_first_offset) +
            " failed: the block there is not the one that the high-water mark names";
        if (!options.accept_loss) return core::fail(ErrorCode::kInternal, "store: " + what + kHelp);
        losses.push_back(what);
    }
    return {};
}

core::Status Engine::recover_ids() {
    if (options.read_only) return {};
    for (std::size_t i = 0; i < options.shards; ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        ShardIdIndex::Options index;
        index.shard = shard;
        index.folder = options.path + "/ids";
        index.table_entries_max = options.id_table_entries_max;
        index.table_log_bytes_max = options.id_table_log_bytes_max;
        index.filter_bytes_max = options.id_filter_bytes_max;
        index.durable_end = &ends_[i].durable;
        index.first_kept = &ends_[i].first_kept;
        index.on_damage = [this](std::string reason) { set_fatal(std::move(reason)); };
        ids.add(std::make_unique<ShardIdIndex>(std::move(index)));
        if (auto status = recover_ids_of(shard); !status) return status;
    }
    return recover_gone();
}

core::Status Engine::recover_gone() {
    const auto rows = iterate(ColumnFamily::kDefault);
    core::LogPosition block;
    for (rows->Seek(gone_key({})); rows->Valid() && read_gone_key(view(rows->key()), block);
         rows->Next()) {
        if (block.shard.value >= ids.shards()) continue;
        auto bits = decode_gone(block, view(rows->value()));
        if (bits) {
            ids.shard(block.shard).gone().put(std::move(*bits));
        } else {
            quarantine.set_aside(ColumnFamily::kDefault, view(rows->key()), bits.error().message);
        }
    }
    return rows->status().ok() ? core::Status{}
                               : core::fail(rocks_error("read gone events", rows->status()));
}

// The identities of a block's events from `from` on.
core::Status Engine::index_block(const BlockView& block, std::uint64_t from) {
    const core::LogPosition first = block.first();
    ShardIdIndex& index = ids.shard(first.shard);
    // Only after the loss of the runs of a big log: they are made here, one by one.
    const auto make_room = [&index]() -> core::Status {
        auto worked = index.work();
        return worked ? core::Status{} : core::fail(std::move(worked.error()));
    };
    for (std::uint32_t i = 0; block.has_ids() && i < block.header.count; ++i) {
        const std::uint64_t offset = first.offset.value + i;
        const IdHash id = block.id(i);
        if (offset < from || id.none()) continue;
        const core::ShardId keeper = keeper_of(id, options.shards);
        const bool asked = keeper != first.shard && block.asked();
        while (!index.insert(id, core::LogOffset{offset},
                             asked ? keeper_bit(keeper) : KeeperBits{0})) {
            if (auto status = make_room(); !status) return status;
        }
    }
    while (!index.note_sealed(core::LogOffset{block.end_offset()}, block.value.size())) {
        if (auto status = make_room(); !status) return status;
    }
    return {};
}

core::Status Engine::recover_ids_of(core::ShardId shard) {
    ShardIdIndex& index = ids.shard(shard);
    const std::uint64_t end = committed_[shard.value].end_offset;
    auto from = index.open_runs(first_kept(shard).value, end);
    if (!from) return core::fail(std::move(from.error()));
    if (*from >= end) return {};
    const auto log = iterate(ColumnFamily::kLog);
    bool chained = false;
    std::uint64_t previous_hash = 0;
    log->SeekForPrev(log_key({shard, core::LogOffset{*from}}));
    for (; log->Valid(); log->Next()) {
        KeyReader reader(view(log->key()));
        const core::LogPosition key = read_log_key(reader);
        if (key.shard != shard) break;
        auto block = open_block(key, view(log->value()));
        if (!block) return core::fail(std::move(block.error()));
        if (chained && block->header.previous_hash != previous_hash) {
            auto status = lost(key, "check log at " + where(shard, key.offset.value) +
                                        " failed: its chain does not lead to the block before it");
            if (!status) return status;
        }
        previous_hash = block_hash(block->value);
        chained = true;
        if (block->end_offset() <= *from) continue;
        if (auto status = index_block(*block, *from); !status) return status;
    }
    return log->status().ok() ? core::Status{} : core::fail(rocks_error("read log", log->status()));
}

core::Status Engine::count_rows() {
    const auto count = [&](ColumnFamily of, auto&& look) -> core::Result<std::int64_t> {
        const auto rows = iterate(of);
        std::int64_t n = 0;
        for (rows->SeekToFirst(); rows->Valid(); rows->Next(), ++n) look(view(rows->key()));
        if (!rows->status().ok()) return core::fail(rocks_error("count rows", rows->status()));
        return n;
    };
    std::int64_t parked = 0;
    const auto retry_rows = count(ColumnFamily::kRetry, [&](std::string_view key) {
        RetryRow row;
        const bool reads = decode_retry_key(key, row);  // who meets it will tell
        parked += row.parked();
        if (reads && row.due_at_us < kHeldDueUs) due_turns.put(row.tenant, DueKey::of(row));
    });
    if (!retry_rows) return core::fail(retry_rows.error());
    const auto letters = count(ColumnFamily::kDlq, [](std::string_view) {});
    if (!letters) return core::fail(letters.error());
    retry_count.store(*retry_rows, std::memory_order_relaxed);  // gauges
    parked_count.store(parked, std::memory_order_relaxed);
    dead_letter_count.store(*letters, std::memory_order_relaxed);
    return {};
}

}  // namespace millrace::store
