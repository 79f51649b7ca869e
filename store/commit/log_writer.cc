#include "store/commit/log_writer.h"

#include "core/assert.h"
#include "core/fault.h"
#include "store/commit/all_or_none.h"
#include "store/commit/sync_depth.h"
#include "store/commit/wal_syncer.h"
#include "store/engine.h"
#include "store/log/log_reader.h"

#include <rocksdb/perf_level.h>

#include <algorithm>

namespace millrace::store {

struct LogWriter::Producer {
    explicit Producer(std::size_t ring_capacity)
        : units(ring_capacity), completions(ring_capacity * 2) {}
    core::SpscRing<CommitUnit> units;        // producer -> writer
    core::SpscRing<Completion> completions;  // writer -> producer
    // Completions that found their ring full: units in flight never exceed the rings, so that this
    // stays empty unless a producer submits without polling.
    std::vector<Completion> waiting;
    bool notify = false;
};

// What one commit holds.
struct LogWriter::Group {
    struct Taken {
        std::size_t producer = 0;
        CommitUnit unit;
    };
    std::vector<Taken> units;
    std::size_t bytes = 0;
    std::size_t blocks = 0;
    std::size_t block_bytes = 0;
    Durability durability = Durability::kMemory;
    CommitEffects effects;
    std::int64_t began_ns = 0;
    // In flight, and somebody asked for a sync: durable when every append up to this one is.
    bool awaits_sync = false;
    std::uint64_t appended_to = 0;
    std::uint64_t unsynced_mark = 0;

    void clear() {
        units.clear();
        bytes = blocks = block_bytes = 0;
        durability = Durability::kMemory;
        awaits_sync = false;
    }
};

struct LogWriter::State {
    State(Engine& engine, std::size_t depth_max, std::size_t producers)
        : groups(depth_max > 1 ? 2 * depth_max : 1),
          maker(engine),
          depth(depth_max),
          batches(producers) {
        for (std::size_t i = 0; i < engine.options.shards; ++i) {
            const ShardTail tail = engine.tail(core::ShardId(static_cast<std::uint16_t>(i)));
            ends.push_back({tail.blocks, core::LogOffset{tail.end_offset}});
        }
    }
    Group& at(std::size_t index) { return groups[(first + index) % groups.size()]; }

    // A ring: those in flight, oldest first; behind them the one that is filled next.
    std::vector<Group> groups;
    std::size_t first = 0;
    std::size_t in_flight = 0;
    std::uint64_t syncs_seen = 0;
    BatchMaker maker;
    SyncDepth depth;
    AllOrNone batches;
    std::vector<LogEnd> ends;  // by shard, behind what was gathered last
    bool told_fatal = false;
    std::atomic<std::uint64_t> groups_ever{0};
    std::atomic<std::uint64_t> units{0};
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> syncs{0};
    std::atomic<std::uint64_t> blocks{0};
    std::atomic<std::uint64_t> block_bytes{0};
    std::atomic<std::uint64_t> commit_ns_total{0};
    std::atomic<std::uint64_t> commit_ns_max{0};
    std::atomic<std::uint64_t> overlapped{0};
};

LogWriter::LogWriter(Database& database, Options options)
    : database_(database),
      options_(std::move(options)),
      state_(std::make_unique<State>(database.engine(), database.engine().options.sync_depth_max,
                                     options_.producers)) {
    for (std::size_t i = 0; i < options_.producers; ++i) {
        producers_.push_back(std::make_unique<Producer>(options_.ring_capacity));
    }
    Engine& engine = database_.engine();
    for (std::size_t i = 0; engine.wal_files && i < engine.options.sync_depth_max; ++i) {
        syncers_.push_back(
            std::make_unique<WalSyncer>(*engine.wal_files, i, [this] { sync_ended(); }));
    }
}

LogWriter::~LogWriter() = default;

core::Agent& LogWriter::syncer(std::size_t index) { return *syncers_[index]; }

bool LogWriter::append(std::size_t producer, CommitUnit&& unit) {
    if (!producers_[producer]->units.try_push(std::move(unit))) return false;
    // seq_cst: the push must be visible before we look whether the writer sleeps; pairs with
    // wait().
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (sleeping_.load(std::memory_order_relaxed)) wake_up();
    return true;
}

bool LogWriter::poll(std::size_t producer, Completion& out) {
    return producers_[producer]->completions.try_pop(out);
}

void LogWriter::wake_up() {
    { std::lock_guard lock(sleep_mutex_); }
    sleep_.notify_one();
}

void LogWriter::wait(std::chrono::microseconds limit) {
    std::unique_lock lock(sleep_mutex_);
    sleeping_.store(true, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with append()
    bool nothing_to_write = true;
    for (std::size_t i = 0; may_write() && i < producers_.size(); ++i)
        nothing_to_write &= producers_[i]->units.empty() || state_->batches.blocks(i);
    // acquire pairs with sync_ended()
    const bool nothing_ended = syncs_ended_.load(std::memory_order_acquire) == state_->syncs_seen;
    if (nothing_to_write && nothing_ended) sleep_.wait_for(lock, limit);
    sleeping_.store(false, std::memory_order_relaxed);
}

void LogWriter::sync_ended() {
    syncs_ended_.fetch_add(1, std::memory_order_release);  // pairs with the acquires
    std::atomic_thread_fence(std::memory_order_seq_cst);   // as in append(); pairs with wait()
    if (sleeping_.load(std::memory_order_relaxed)) wake_up();
}

void LogWriter::complete(std::size_t producer, Completion&& completion) {
    Producer& to = *producers_[producer];
    to.notify = true;
    if (to.waiting.empty() && to.completions.try_push(std::move(completion))) return;
    // A push that is refused takes nothing.
    to.waiting.push_back(std::move(completion));  // NOLINT(bugprone-use-after-move)
}

void LogWriter::push_waiting() {
    for (auto& producer : producers_) {
        while (!producer->waiting.empty() &&
               producer->completions.try_push(std::move(producer->waiting.front()))) {
            producer->waiting.erase(producer->waiting.begin());
        }
    }
}

LogEnd LogWriter::position(core::ShardId shard) const {
    const ShardTail tail = database_.engine().tail(shard);
    return {tail.blocks, core::LogOffset{tail.end_offset}};
}

core::Result<EventBlock> LogWriter::read(core::ShardId shard, core::LogOffset from) {
    return database_.log_reader().read_block(shard, from);
}

// The chain of a shard's blocks must not fork: whoever expects another end does not own this log.
void LogWriter::follow(std::size_t producer, const CommitUnit& unit) {
    const bool owns = producer < state_->ends.size();
    if (unit.follows && (!owns || *unit.follows != state_->ends[producer])) {
        database_.engine().set_fatal("store: a unit of shard " + std::to_string(producer) +
                                     " follows offset " +
                                     std::to_string(unit.follows->offset.value) +
                                     ", but its log does not end there; is somebody else writing?");
    }
    if (owns && unit.block.events)
        state_->ends[producer] = {unit.block.sequence + 1, unit.block.events.end_offset()};
}

void LogWriter::put(Group& group, std::size_t producer, CommitUnit&& unit) {
    follow(producer, unit);
    if (unit.block.events) {
        state_->maker.add_block(unit.block);
        group.bytes += unit.block.value.size();
        group.block_bytes += unit.block.value.size();
        ++group.blocks;
    }
    const bool owns = producer < state_->ends.size();
    state_->maker.begin_unit(owns ? core::ShardId{static_cast<std::uint16_t>(producer)}
                                  : kOtherUnits);
    state_->maker.add(unit.rows);
    group.bytes += unit.rows.bytes();
    group.durability = std::max(group.durability, unit.durability);
    group.units.push_back({producer, std::move(unit)});
}

bool LogWriter::take_one(Group& group, std::size_t producer) {
    if (state_->batches.blocks(producer)) return false;
    CommitUnit unit;
    if (!producers_[producer]->units.try_pop(unit)) return false;
    if (unit.part.batch == 0) {
        put(group, producer, std::move(unit));
    } else {
        state_->batches.add(producer, std::move(unit), [&](std::size_t of, CommitUnit&& held) {
            put(group, of, std::move(held));
        });
    }
    return true;
}

void LogWriter::gather(Group& group) {
    // One unit of each producer in turn, so that none starves behind a busy one.
    for (bool any = true; any && group.bytes < options_.group_bytes_max;) {
        any = false;
        for (std::size_t i = 0; i < producers_.size(); ++i) any |= take_one(group, i);
    }
    // What will not be whole any more is told, too.
    if (database_.fatal() && !state_->batches.empty()) {
        state_->batches.drain(
            [&](std::size_t of, CommitUnit&& held) { put(group, of, std::move(held)); });
    }
}

void LogWriter::count(const Group& group) {
    const auto took_ns = static_cast<std::uint64_t>(
        database_.engine().options.clock->monotonic_ns() - group.began_ns);
    const auto relaxed = std::memory_order_relaxed;  // counters for reading, no data behind them
    state_->groups_ever.fetch_add(1, relaxed);
    state_->units.fetch_add(group.units.size(), relaxed);
    state_->bytes.fetch_add(group.bytes, relaxed);
    state_->blocks.fetch_add(group.blocks, relaxed);
    state_->block_bytes.fetch_add(group.block_bytes, relaxed);
    if (group.durability == Durability::kFsync) state_->syncs.fetch_add(1, relaxed);
    state_->commit_ns_total.fetch_add(took_ns, relaxed);
    state_->commit_ns_max.store(std::max(took_ns, state_->commit_ns_max.load(relaxed)), relaxed);
}

WalSyncer* LogWriter::idle_syncer() const {
    for (const auto& syncer : syncers_) {
        if (syncer->idle()) return syncer.get();
    }
    return nullptr;
}

// Learns which syncs have ended, and from them how many at once are worth it.
void LogWriter::notice_syncs() {
    if (syncers_.empty()) return;
    const Engine& engine = database_.engine();
    // acquire pairs with sync_ended(): what the sync made durable is seen
    const std::uint64_t ended = syncs_ended_.load(std::memory_order_acquire);
    for (; state_->syncs_seen != ended; ++state_->syncs_seen)
        state_->depth.on_end(engine.options.clock->monotonic_ns());
    depth_.store(engine.options.sync_depth ? engine.options.sync_depth() : state_->depth.depth(),
                 std::memory_order_relaxed);  // a hint to others
}

bool LogWriter::may_write() const {
    if (depth() == 1 || database_.fatal()) return state_->in_flight == 0;
    return state_->in_flight < state_->groups.size() && idle_syncer() != nullptr;
}

// Write and sync in one call. Critical path: the WAL's write and its fdatasync; everything else is
// a copy.
bool LogWriter::commit_alone(Group& group) {
    Engine& engine = database_.engine();
    const std::int64_t synced_ns = engine.wal_files ? engine.wal_files->rocks_sync_ns() : 0;
    const bool ok = engine.commit(state_->maker.batch(), group.durability).has_value();
    if (engine.wal_files && group.durability == Durability::kFsync) {
        state_->depth.on_alone(engine.wal_files->rocks_sync_ns() - synced_ns, group.bytes,
                               engine.options.clock->monotonic_ns());
    }
    return ok;
}

// Writes, and leaves the sync to a syncer. What fails is told in its turn.
void LogWriter::launch(Group& group) {
    Engine& engine = database_.engine();
    if (state_->in_flight++ != 0)
        state_->overlapped.fetch_add(1, std::memory_order_relaxed);  // as in count()
    if (group.durability != Durability::kFsync) {
        static_cast<void>(engine.commit(state_->maker.batch(), group.durability));
        return;
    }
    group.awaits_sync = true;
    group.unsynced_mark = engine.unsynced_mark();
    const std::uint64_t appended_before = engine.wal_files->appended();
    if (!engine.write_ahead(state_->maker.batch())) return;
    group.appended_to = engine.wal_files->appended();
    // A WAL that is written past the list would count as durable at once.
    MR_ASSERT(group.appended_to > appended_before || state_->maker.batch().Count() == 0);
    core::pass_fault_point(core::FaultPoint::kAfterWrite);
    state_->depth.on_begin(engine.options.clock->monotonic_ns());
    idle_syncer()->ask();
}

bool LogWriter::landed(const Group& group) const {
    const Engine& engine = database_.engine();
    return engine.fatal() || !group.awaits_sync ||
           group.appended_to <= engine.wal_files->durable_to();
}

void LogWriter::tell_unit(CommitUnit& unit, std::size_t producer, Durability durability, bool ok) {
    Engine& engine = database_.engine();
    Completion completion;
    completion.tag = unit.tag;
    completion.failed = !ok;
    // Every commit is written to the operating system before it is told, whoever asked.
    completion.durability = std::max(durability, Durability::kOs);
    if (unit.block.events) {
        const SealedBlock& block = unit.block;
        completion.has_block = true;
        completion.durable_end = {block.events.shard(), block.events.end_offset()};
        if (ok) {
            engine.publish_tail(block.events.shard(),
                                {block.sequence + 1, block.events.end_offset().value,
                                 block.events.first_offset().value, block.hash});
        }
    }
    if (ok) engine.kv->settle(unit.rows);
    completion.rows = std::move(unit.rows);
    completion.rows.clear();
    complete(producer, std::move(completion));
}

std::size_t LogWriter::tell(Group& group, bool ok) {
    Engine& engine = database_.engine();
    count(group);
    core::pass_fault_point(core::FaultPoint::kAfterCommit);
    if (ok) engine.apply(group.effects);
    for (Group::Taken& taken : group.units)
        tell_unit(taken.unit, taken.producer, group.durability, ok);
    if (ok && group.durability == Durability::kFsync) engine.publish_synced();
    core::pass_fault_point(core::FaultPoint::kAfterPublish);
    const std::size_t units = group.units.size();
    group.clear();
    for (std::size_t i = 0; i < producers_.size(); ++i) {
        if (producers_[i]->notify && options_.wake) options_.wake(i);
        producers_[i]->notify = false;
    }
    if (!ok && !state_->told_fatal) {
        state_->told_fatal = true;
        if (options_.on_fatal) options_.on_fatal();
    }
    return units;
}

// Unit of work: one group, told or written. The oldest in flight goes first.
std::size_t LogWriter::do_work() {
    Engine& engine = database_.engine();
    push_waiting();
    notice_syncs();
    if (state_->in_flight != 0 && landed(state_->at(0))) {
        Group& group = state_->at(0);
        const bool ok = !engine.fatal();
        if (ok && group.awaits_sync) engine.note_synced(group.unsynced_mark);
        state_->first = (state_->first + 1) % state_->groups.size();
        --state_->in_flight;
        return tell(group, ok);
    }
    if (!may_write()) return 0;
    Group& group = state_->at(state_->in_flight);
    gather(group);
    const std::size_t units = group.units.size();
    if (units == 0) return 0;
    // Of this thread: otherwise every comparison of two keys counts itself.
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
    state_->maker.finish();
    group.effects = state_->maker.effects();
    core::pass_fault_point(core::FaultPoint::kBeforeCommit);
    group.began_ns = engine.options.clock->monotonic_ns();
    if (depth() == 1 || engine.fatal()) {
        const bool ok = commit_alone(group);
        state_->maker.clear();
        return tell(group, ok);
    }
    launch(group);
    state_->maker.clear();
    return units;
}

LogWriter::Stats LogWriter::stats() const {
    const auto relaxed = std::memory_order_relaxed;  // counters for reading
    return {state_->groups_ever.load(relaxed),     state_->units.load(relaxed),
            state_->bytes.load(relaxed),           state_->syncs.load(relaxed),
            state_->blocks.load(relaxed),          state_->block_bytes.load(relaxed),
            state_->commit_ns_total.load(relaxed), state_->commit_ns_max.load(relaxed),
            state_->overlapped.load(relaxed)};
}

}  // namespace millrace::store
