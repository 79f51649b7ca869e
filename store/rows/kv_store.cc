#include "store/rows/kv_store.h"

#include "store/engine.h"
#include "store/rows/keys.h"
#include "store/rows/row_codec.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <mutex>
#include <unordered_map>

namespace millrace::store {
namespace {
constexpr std::size_t kParts = 64;
constexpr std::size_t kEntryOverheadBytes = 128;  // node, string headers: about

struct Entry {
    bool there = false;
    bool damaged = false;  // there is a row, and it does not read
    KvValue value;
    std::uint32_t staged = 0;  // batches on their way that touch this key
    std::size_t bytes(const std::string& key) const {
        return key.size() + value.json.size() + kEntryOverheadBytes;
    }
};

}  // namespace

struct KvStore::Part {
    std::mutex mutex;
    std::unordered_map<std::string, Entry> entries;
    std::size_t bytes = 0;
};

struct KvStore::Impl {
    std::array<Part, kParts> parts;
    std::size_t bytes_per_part = 0;
    Part& part(std::string_view key) { return parts[std::hash<std::string_view>{}(key) % kParts]; }

    void trim(Part& part) const {
        if (part.bytes <= bytes_per_part) return;
        // Any settled entry may go: the database has it. Half is dropped at once, so that this is
        // rare.
        for (auto at = part.entries.begin();
             at != part.entries.end() && part.bytes > bytes_per_part / 2;) {
            if (at->second.staged > 0) {
                ++at;
                continue;
            }
            part.bytes -= at->second.bytes(at->first);
            at = part.entries.erase(at);
        }
    }
};

KvStore::KvStore(Engine& engine, std::size_t cache_bytes)
    : engine_(engine), impl_(std::make_unique<Impl>()) {
    impl_->bytes_per_part = cache_bytes / kParts;
}

KvStore::~KvStore() = default;

namespace {

// The entry of a key, read from the database when it is not there. The part's lock is held over the
// read: nobody else may put an older value in meanwhile.
core::Result<Entry*> load(Engine& engine, std::unordered_map<std::string, Entry>& entries,
                          std::size_t& bytes, const std::string& key) {
    const auto found = entries.find(key);
    if (found != entries.end()) return &found->second;
    rocksdb::PinnableSlice value;
    auto there = engine.get(ColumnFamily::kKv, key, value);
    if (!there) return core::fail(std::move(there.error()));
    Entry entry;
    entry.there = *there;
    if (*there && !decode_kv(view(value), entry.value)) {
        engine.quarantine.set_aside(ColumnFamily::kKv, key, "its value does not read");
        entry.there = false;
        entry.damaged = true;
    }
    bytes += entry.bytes(key);
    return &entries.emplace(key, std::move(entry)).first->second;
}

// What does not read is kept under another name when its key gets a new value.
core::Status keep_damaged(Engine& engine, const std::string& key) {
    rocksdb::PinnableSlice value;
    auto there = engine.get(ColumnFamily::kKv, key, value);
    if (!there) return core::fail(std::move(there.error()));
    if (!*there) return {};
    rocksdb::WriteBatch batch;
    batch.Put(engine.family(ColumnFamily::kDefault), "set_aside/kv/" + key, value);
    return engine.commit(batch, Durability::kOs);
}

void apply(Entry& entry, const RowBatch::OpView& op) {
    entry.damaged = false;
    switch (op.op) {
        case RowBatch::Op::kPut: entry.there = decode_kv(op.value, entry.value); break;
        case RowBatch::Op::kIncr: {
            KvIncrement increment;
            (void)decode_increment(op.value, increment);  // RowBatch has written it
            entry.value = apply_increment(entry.there ? &entry.value : nullptr, increment);
            entry.there = true;
            break;
        }
        default:
            entry.there = false;
            entry.value = {};
            break;
    }
}

bool alive(const Entry& entry, std::int64_t now_us) {
    return entry.there && (entry.value.expires_at_us == 0 || entry.value.expires_at_us > now_us);
}

}  // namespace

core::Result<std::optional<KvValue>> KvStore::get(const KvKey& key) {
    const std::string full = kv_prefix(key.tenant, key.space) + std::string(key.key);
    Part& part = impl_->part(full);
    std::lock_guard lock(part.mutex);
    auto entry = load(engine_, part.entries, part.bytes, full);
    if (!entry) return core::fail(std::move(entry.error()));
    if ((*entry)->damaged) {
        return core::fail(core::ErrorCode::kInternal,
                          "store: read kv value failed: its row is damaged; set or delete the key");
    }
    std::optional<KvValue> out;
    if (alive(**entry, engine_.options.clock->wall_us())) out = (*entry)->value;
    impl_->trim(part);
    return out;
}

core::Result<std::vector<KvItem>> KvStore::list(core::TenantId tenant, std::string_view space,
                                                std::string_view prefix, std::size_t limit,
                                                std::string_view after) {
    const std::string room = kv_prefix(tenant, space);
    const std::string full = room + std::string(prefix);
    // No key equals a room's prefix: an empty name stands behind it only when it is asked for.
    const std::string behind = after.empty() ? std::string() : room + std::string(after);
    const std::int64_t now_us = engine_.options.clock->wall_us();
    // What is staged hides what is stored. The overlay is read first: what settles meanwhile is
    // then seen in both places, never in none.
    std::map<std::string, Entry> staged;
    for (Part& part : impl_->parts) {
        std::lock_guard lock(part.mutex);
        for (const auto& [key, entry] : part.entries) {
            if (entry.staged > 0 && key.starts_with(full) && key > behind)
                staged.emplace(key, entry);
        }
    }
    std::vector<KvItem> out;
    const auto rows = engine_.iterate(ColumnFamily::kKv);
    rows->Seek(behind.empty() ? full : behind);
    if (!behind.empty() && rows->Valid() && view(rows->key()) == behind) rows->Next();
    auto over = staged.begin();
    while (out.size() < limit) {
        const bool more_rows = rows->Valid() && view(rows->key()).starts_with(full);
        if (!more_rows && over == staged.end()) break;
        const bool take_staged =
            over != staged.end() && (!more_rows || over->first <= view(rows->key()));
        Entry entry;
        std::string key;
        if (take_staged) {
            key = over->first;
            entry = over->second;
            if (more_rows && view(rows->key()) == over->first) rows->Next();
            ++over;
        } else {
            key = rows->key().ToString();
            entry.there = decode_kv(view(rows->value()), entry.value);
            if (!entry.there)
                engine_.quarantine.set_aside(ColumnFamily::kKv, key, "its value does not read");
            rows->Next();
        }
        if (alive(entry, now_us)) out.push_back({key.substr(room.size()), std::move(entry.value)});
    }
    if (!rows->status().ok()) return core::fail(rocks_error("list kv", rows->status()));
    return out;
}

namespace {

// What undoes `op`, of the entry as it is before it.
KvUndo undo_of(const RowBatch::OpView& op, const Entry& entry, std::string& before) {
    KvUndo change;
    change.key = without_partition(op.key);
    KvIncrement increment;
    std::int64_t sum = 0;
    if (op.op == RowBatch::Op::kIncr) (void)decode_increment(op.value, increment);
    const bool counts_on =
        op.op == RowBatch::Op::kIncr && entry.there && entry.value.type == KvType::kInt64 &&
        increment.expires_at_us == 0 && increment.decimal.empty() &&
        !__builtin_add_overflow(entry.value.integer, increment.delta, &sum) &&
        (entry.value.expires_at_us == 0 || entry.value.expires_at_us > increment.now_us);
    if (counts_on) {
        change.kind = KvUndo::Kind::kDelta;
        change.delta = increment.delta;
    } else if (entry.there) {
        before = encode_kv_value(entry.value);
        change.was_there = true;
        change.before = before;
    }
    return change;
}

}  // namespace

void KvStore::stage(RowBatch& rows) {
    rows.mark_staged();
    RowBatch::OpView op;
    const bool remember = engine_.options.kv_history_us > 0;
    core::LogPosition block;
    std::string undo_row;
    std::string before;
    for (std::size_t position = 0; rows.next(position, op);) {
        if (op.op == RowBatch::Op::kOutcomes) {
            KeyReader key(op.key);
            block = read_log_key(key);
        }
        if (op.family != ColumnFamily::kKv) continue;
        const std::string key(op.key);
        Part& part = impl_->part(key);
        std::lock_guard lock(part.mutex);
        auto entry = load(engine_, part.entries, part.bytes, key);
        core::Status readable = entry ? core::Status{} : core::fail(entry.error());
        if (readable && (*entry)->damaged) readable = keep_damaged(engine_, key);
        if (!readable) {
            // The disk does not answer: what is counted on from would be made up.
            engine_.set_fatal(readable.error().message);
            continue;
        }
        if (remember) {
            if (undo_row.empty()) begin_undo_row(undo_row, block);
            KvUndo change = undo_of(op, **entry, before);
            change.sequence = engine_.next_kv_sequence();  // in order of changes: under the lock
            append_undo(undo_row, change);
        }
        part.bytes -= (*entry)->bytes(key);
        apply(**entry, op);
        ++(*entry)->staged;
        part.bytes += (*entry)->bytes(key);
    }
    if (!undo_row.empty()) rows.put_kv_history(engine_.options.clock->wall_us(), undo_row);
}

void KvStore::settle(const RowBatch& rows) {
    RowBatch::OpView op;
    for (std::size_t position = 0; rows.next(position, op);) {
        if (op.family != ColumnFamily::kKv) continue;
        const std::string key(op.key);
        Part& part = impl_->part(key);
        std::lock_guard lock(part.mutex);
        const auto at = part.entries.find(key);
        if (at == part.entries.end()) continue;
        if (rows.staged()) {
            --at->second.staged;
        } else if (at->second.staged > 0) {
            apply(at->second, op);
        } else {
            part.bytes -= at->second.bytes(key);
            part.entries.erase(at);
        }
        impl_->trim(part);
    }
}

}  // namespace millrace::store
