#include "store/database.h"

#include "core/assert.h"
#include "store/engine.h"
#include "store/retention/rocks_work.h"
#include "store/rows/keys.h"
#include "store/rows/old_keys.h"
#include "store/rows/row_codec.h"

namespace millrace::store {

Database::Database(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}
Database::~Database() = default;

core::Result<std::unique_ptr<Database>> Database::open(const Options& options) {
    MR_ASSERT(options.clock != nullptr);
    Options adjusted = options;
    if (options.shards_are == Options::Shards::kSuggested) {
        if (const std::size_t own = HighWaterMark::shards_in(options.path + "/hwm"))
            adjusted.shards = own;
    }
    auto engine = std::make_unique<Engine>(adjusted);
    if (auto status = engine->open(); !status) return core::fail(std::move(status.error()));
    std::unique_ptr<Database> database(new Database(std::move(engine)));
    if (!database->engine_->has_old_keys(ColumnFamily::kCursor)) {
        if (auto status = database->stored_bytes().load(*database); !status)
            return core::fail(std::move(status.error()));
    }
    return database;
}

std::size_t Database::shards() const { return engine_->options.shards; }
const Hasher& Database::hasher() const { return *engine_->hasher; }
const Database::Opening& Database::opening() const { return engine_->opening; }
std::uint32_t Database::boot() const { return engine_->boot(); }
PoolSet& Database::pools() { return engine_->pools; }
ShardLog& Database::shard_log(core::ShardId shard) { return *engine_->shard_logs[shard.value]; }
LogReader& Database::log_reader() { return *engine_->log_reader; }
EventSearch& Database::event_search() { return *engine_->event_search; }
Executions& Database::executions() { return *engine_->executions; }
KvHistory& Database::kv_history() { return *engine_->kv_history; }
KvStore& Database::kv() { return *engine_->kv; }
RetrySchedule& Database::retries() { return *engine_->retries; }
DeadLetters& Database::dead_letters() { return *engine_->dead_letters; }
EntityStore& Database::entities() { return *engine_->entities; }
RegistryStore& Database::registry() { return *engine_->registry; }
AuditLog& Database::audit() { return *engine_->audit; }
IdIndex& Database::ids() { return engine_->ids; }
SpaceGuard& Database::space() { return *engine_->space; }
StoredBytes& Database::stored_bytes() { return engine_->stored_bytes; }
Quarantine& Database::quarantine() { return engine_->quarantine; }
const std::vector<std::string>& Database::losses() const { return engine_->losses; }
Housekeeper& Database::housekeeper() { return *engine_->housekeeper; }

core::LogOffset Database::durable_end(core::ShardId shard) const {
    return engine_->durable_end(shard);
}
// In this order: what is told as committed by now has been counted before. A sync for rows brings
// what is before them to the disk too, and says nothing of tails.
core::LogOffset Database::synced_end(core::ShardId shard) const {
    const core::LogOffset end = engine_->durable_end(shard);
    if (engine_->unsynced_bytes() == 0) return end;
    return core::LogOffset{engine_->synced_tails()[shard.value].end_offset};
}
core::LogOffset Database::first_kept(core::ShardId shard) const {
    return engine_->first_kept(shard);
}

core::LogOffset Database::cursor(std::string_view name, core::ShardId shard) const {
    rocksdb::PinnableSlice value;
    core::LogOffset offset;
    const std::string key = engine_->has_old_keys(ColumnFamily::kCursor)
                                ? old_cursor_key(name, shard)
                                : cursor_key(name, shard);
    const auto there = engine_->get(ColumnFamily::kCursor, key, value);
    // From the beginning then: what has an outcome is passed over.
    if (there && *there && !decode_cursor(view(value), offset)) {
        engine_->quarantine.set_aside(ColumnFamily::kCursor, key, "its value does not read");
        offset = {};
    }
    return offset;
}

core::Status Database::visit_cursors(
    std::string_view prefix,
    const std::function<void(std::string_view, core::LogPosition)>& visit) const {
    const auto rows = engine_->iterate(ColumnFamily::kCursor);
    for (std::size_t i = 0; i < shards(); ++i) {
        core::LogPosition end;
        end.shard = core::ShardId{static_cast<std::uint16_t>(i)};
        const std::string first = cursor_key(prefix, end.shard);
        for (rows->Seek(first); rows->Valid() && view(rows->key()).starts_with(first);
             rows->Next()) {
            // As with cursor(): from the beginning then.
            if (!decode_cursor(view(rows->value()), end.offset)) {
                engine_->quarantine.set_aside(ColumnFamily::kCursor, view(rows->key()),
                                              "it does not read");
                end.offset = {};
            }
            visit(without_partition(view(rows->key())), end);
        }
    }
    return rows->status().ok() ? core::Status{}
                               : core::fail(rocks_error("read cursors", rows->status()));
}

core::Status Database::write_now(const RowBatch& rows, Durability durability) {
    BatchMaker maker(*engine_);
    maker.add(rows);
    maker.finish();
    if (auto status = engine_->commit(maker.batch(), durability); !status) return status;
    engine_->apply(maker.effects());
    engine_->kv->settle(rows);
    return {};
}

bool Database::fatal() const { return engine_->fatal(); }
std::string Database::fatal_reason() const { return engine_->fatal_reason(); }
void Database::set_fatal(std::string reason) { engine_->set_fatal(std::move(reason)); }
core::Status Database::flush() { return store::flush(*engine_); }
void Database::compact() {
    for (std::size_t i = 0; i < kColumnFamilyCount; ++i)
        store::compact(*engine_, static_cast<ColumnFamily>(i), {}, {}, {});
}
core::Status Database::close() { return engine_->close(); }

Database::Stats Database::stats() const {
    Stats out;
    for (const ColumnFamily family :
         {ColumnFamily::kLog, ColumnFamily::kSummary, ColumnFamily::kOutcomes}) {
        std::uint64_t bytes = 0;
        for (const char* property : {"rocksdb.total-sst-files-size", "rocksdb.total-blob-file-size",
                                     "rocksdb.cur-size-all-mem-tables"}) {
            if (engine_->db().GetIntProperty(engine_->family(family), property, &bytes))
                out.log_bytes += bytes;
        }
    }
    for (std::size_t i = 0; i < shards(); ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        out.events += durable_end(shard).value - first_kept(shard).value;
    }
    const auto gauge = [](const std::atomic<std::int64_t>& value) {
        return static_cast<std::uint64_t>(
            std::max<std::int64_t>(0, value.load(std::memory_order_relaxed)));
    };
    out.retries = engine_->retries->count_unparked();
    out.dead_letters = gauge(engine_->dead_letter_count);
    out.unsynced_bytes = unsynced_bytes();
    return out;
}

std::uint64_t Database::unsynced_bytes() const { return engine_->unsynced_bytes(); }

}  // namespace millrace::store
