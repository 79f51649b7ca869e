#include "store/rows/kv_history.h"

#include "core/timestamp.h"
#include "store/engine.h"
#include "store/rows/keys.h"
#include "store/rows/row_codec.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace millrace::store {
namespace {

constexpr std::uint8_t kUndoVersion = 1;
constexpr std::uint8_t kAbsentBefore = 3;  // a kValue whose key was not there

// What is known of one key while the changes behind the moment are read.
struct Undone {
    std::uint64_t value_sequence = std::numeric_limits<std::uint64_t>::max();
    std::optional<std::string> value;  // before the first change that set it
    std::vector<std::pair<std::uint64_t, std::int64_t>> deltas;

    // What is there now says nothing of it.
    bool knows_value() const { return value_sequence != std::numeric_limits<std::uint64_t>::max(); }
    void take(const KvUndo& change) {
        if (change.kind == KvUndo::Kind::kDelta) {
            deltas.emplace_back(change.sequence, change.delta);
        } else if (change.sequence < value_sequence) {
            value_sequence = change.sequence;
            value.reset();
            if (change.was_there) value.emplace(change.before);
        }
    }
};

class UndoReader {
public:
    explicit UndoReader(std::string_view row) : rest_(row) {
        std::uint8_t version = 0;
        ok_ = take(version) && version == kUndoVersion && take(block_.shard.value) &&
              take(block_.offset.value);
    }
    core::LogPosition block() const { return block_; }
    bool ok() const { return ok_; }
    bool next(KvUndo& out) {
        if (!ok_ || rest_.empty()) return false;
        std::uint8_t kind = 0;
        std::uint64_t key_bytes = 0;
        ok_ = take(kind) && take(out.sequence) && take(key_bytes) && text(key_bytes, out.key);
        if (!ok_) return false;
        if (kind == static_cast<std::uint8_t>(KvUndo::Kind::kDelta)) {
            out.kind = KvUndo::Kind::kDelta;
            return ok_ = take(out.delta);
        }
        out.kind = KvUndo::Kind::kValue;
        out.was_there = kind != kAbsentBefore;
        if (!out.was_there) return true;
        std::uint64_t bytes = 0;
        return ok_ = take(bytes) && text(bytes, out.before);
    }

private:
    template <typename T>
    bool take(T& out) {
        if (rest_.size() < sizeof(out)) return false;
        std::memcpy(&out, rest_.data(), sizeof(out));
        rest_.remove_prefix(sizeof(out));
        return true;
    }
    bool text(std::uint64_t bytes, std::string_view& out) {
        if (rest_.size() < bytes) return false;
        out = rest_.substr(0, bytes);
        rest_.remove_prefix(bytes);
        return true;
    }
    std::string_view rest_;
    core::LogPosition block_;
    bool ok_ = false;
};

tl::unexpected<core::Error> damaged() {
    return core::fail(core::ErrorCode::kInternal,
                      "store: read kv history failed: a row is damaged");
}

// A row of kv. It is told, and stays.
tl::unexpected<core::Error> damaged_value(Engine& engine, std::string_view key) {
    engine.quarantine.set_aside(ColumnFamily::kKv, key, "its value does not read");
    return core::fail(core::ErrorCode::kInternal,
                      "store: read kv value failed: its row is damaged; set or delete the key");
}

bool is_behind(const KvHistory::Moment& moment, core::LogPosition block) {
    if (moment.before.empty()) return true;  // by time: the seek did it
    return block.shard.value < moment.before.size() &&
           block.offset >= moment.before[block.shard.value];
}

using Changes = std::map<std::string, Undone, std::less<>>;

core::Result<Changes> read_changes(Engine& engine, rocksdb::Iterator& rows,
                                   std::string_view key_prefix, const KvHistory::Moment& moment) {
    if (moment.before.empty() && moment.at_us == KvHistory::kNow) return Changes{};
    const std::int64_t since_us = engine.kv_history->since_us();
    if (moment.before.empty() && moment.at_us < since_us) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation,
                        since_us == std::numeric_limits<std::int64_t>::max()
                            ? "at: no history of kv is kept (store.kv_history)"
                            : "at: the history of kv begins at " + core::format_timestamp(since_us))
                .in("at"));
    }
    const std::string partition = partition_key(kKvPartition);
    std::string from = partition;
    if (moment.before.empty()) put_be(from, moment.at_us + 1);
    Changes changes;
    for (rows.Seek(from); rows.Valid() && view(rows.key()).starts_with(partition); rows.Next()) {
        UndoReader reader(view(rows.value()));
        if (!is_behind(moment, reader.block())) continue;
        KvUndo change;
        while (reader.next(change)) {
            if (!change.key.starts_with(key_prefix)) continue;
            auto at = changes.find(change.key);
            if (at == changes.end()) at = changes.emplace(std::string(change.key), Undone{}).first;
            at->second.take(change);
        }
        if (!reader.ok()) {
            engine.quarantine.set_aside(ColumnFamily::kKvHistory, view(rows.key()),
                                        "it does not read");
            return damaged();
        }
    }
    if (!rows.status().ok()) return core::fail(rocks_error("read kv history", rows.status()));
    return changes;
}

// The value then, of the value now (both as rows; none: absent).
std::optional<KvValue> undo(const Undone& undone, std::optional<KvValue> now) {
    if (undone.knows_value()) {
        now.reset();
        KvValue before;
        if (undone.value && decode_kv(*undone.value, before)) now = before;
    }
    if (!now || now->type != KvType::kInt64) return now;
    for (const auto& [sequence, delta] : undone.deltas) {
        if (sequence < undone.value_sequence)
            now->integer = static_cast<std::int64_t>(static_cast<std::uint64_t>(now->integer) -
                                                     static_cast<std::uint64_t>(delta));
    }
    return now;
}

}  // namespace

void begin_undo_row(std::string& row, core::LogPosition block) {
    row.clear();
    put_le(row, kUndoVersion);
    put_le(row, block.shard.value);
    put_le(row, block.offset.value);
}

void append_undo(std::string& row, const KvUndo& change) {
    const bool absent = change.kind == KvUndo::Kind::kValue && !change.was_there;
    put_le(row, absent ? kAbsentBefore : static_cast<std::uint8_t>(change.kind));
    put_le(row, change.sequence);
    put_le(row, std::uint64_t{change.key.size()});
    row.append(change.key);
    if (change.kind == KvUndo::Kind::kDelta) {
        put_le(row, change.delta);
    } else if (change.was_there) {
        put_le(row, std::uint64_t{change.before.size()});
        row.append(change.before);
    }
}

bool undo_row_reads(std::string_view row) {
    UndoReader reader(row);
    KvUndo change;
    while (reader.next(change)) {
    }
    return reader.ok();
}

std::int64_t KvHistory::since_us() const {
    return engine_.kv_history_since_us.load(std::memory_order_relaxed);
}

core::Result<KvHistory::Values> KvHistory::changed_since(std::string_view key_prefix,
                                                         const Moment& moment) {
    const EngineSnapshot snapshot(engine_);
    const auto rows = snapshot.iterate(ColumnFamily::kKvHistory);
    auto changes = read_changes(engine_, *rows, key_prefix, moment);
    if (!changes) return core::fail(std::move(changes.error()));
    const auto current = snapshot.iterate(ColumnFamily::kKv);
    Values values;
    for (const auto& [key, undone] : *changes) {
        std::optional<KvValue> now;
        const std::string whole = partition_key(kKvPartition).append(key);
        current->Seek(whole);
        if (!undone.knows_value() && current->Valid() && view(current->key()) == whole &&
            !decode_kv(view(current->value()), now.emplace())) {
            values.emplace(key, damaged_value(engine_, whole));
            continue;
        }
        values.emplace(key, undo(undone, std::move(now)));
    }
    return values;
}

core::Result<KvHistory::Page> KvHistory::list(core::TenantId tenant, std::string_view space,
                                              std::string_view prefix, const Moment& moment,
                                              std::string_view after, std::size_t limit) {
    // As the history names its keys: without the partition, which is the same for all.
    const std::string room(without_partition(kv_prefix(tenant, space)));
    const std::string full = room + std::string(prefix);
    const EngineSnapshot snapshot(engine_);
    const auto history = snapshot.iterate(ColumnFamily::kKvHistory);
    auto changes = read_changes(engine_, *history, full, moment);
    if (!changes) return core::fail(std::move(changes.error()));
    const std::int64_t alive_us = std::min(moment.at_us, engine_.options.clock->wall_us());
    const std::string start = std::max(full, after.empty() ? full : room + std::string(after));
    const auto rows = snapshot.iterate(ColumnFamily::kKv);
    const std::string whole = partition_key(kKvPartition).append(full);
    rows->Seek(partition_key(kKvPartition).append(start));
    auto changed = changes->lower_bound(start);
    Page page;
    for (;;) {
        const bool more = rows->Valid() && view(rows->key()).starts_with(whole);
        if (!more && changed == changes->end()) break;
        const std::string_view stored =
            more ? without_partition(view(rows->key())) : std::string_view{};
        const bool from_row = more && (changed == changes->end() || stored <= changed->first);
        const std::string key = from_row ? std::string(stored) : changed->first;
        std::optional<KvValue> value;
        const bool reads = !from_row || decode_kv(view(rows->value()), value.emplace());
        const bool has_changed = changed != changes->end() && changed->first == key;
        if (!reads && !(has_changed && changed->second.knows_value())) {
            auto failure = damaged_value(engine_, view(rows->key()));
            if (key == full) return failure;  // nothing but it is asked for
            value.reset();
        } else if (has_changed) {
            value = undo(changed->second, std::move(value));
        }
        if (has_changed) ++changed;
        if (from_row) rows->Next();
        const std::string name = key.substr(room.size());
        if (!value || name == after) continue;
        if (value->expires_at_us != 0 && value->expires_at_us <= alive_us) continue;
        if (page.items.size() == limit) {
            page.next = page.items.back().key;
            break;
        }
        page.items.push_back({name, std::move(*value)});
    }
    if (!rows->status().ok()) return core::fail(rocks_error("list kv", rows->status()));
    return page;
}

core::Status KvHistory::trim(std::int64_t before_us) {
    if (before_us <= since_us()) return {};
    std::string begin = partition_key(kKvPartition);
    std::string end = begin;
    put_be(begin, std::numeric_limits<std::int64_t>::min());
    put_be(end, before_us);
    rocksdb::WriteBatch batch;
    batch.DeleteRange(engine_.family(ColumnFamily::kKvHistory), begin, end);
    engine_.put_kv_history_since(batch, before_us);
    if (auto status = engine_.commit(batch, Durability::kOs); !status) return status;
    engine_.kv_history_since_us.store(before_us, std::memory_order_relaxed);  // told, not relied on
    return {};
}

}  // namespace millrace::store
