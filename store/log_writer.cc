#include "store/log_writer.h"

#include "core/fault.h"
#include "store/engine.h"

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

struct LogWriter::State {
    explicit State(Engine& engine) : maker(engine) {}
    struct Taken {
        std::size_t producer = 0;
        CommitUnit unit;
    };
    std::vector<Taken> group;
    BatchMaker maker;
    bool told_fatal = false;
    std::atomic<std::uint64_t> groups{0};
    std::atomic<std::uint64_t> units{0};
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> syncs{0};
    std::atomic<std::uint64_t> blocks{0};
    std::atomic<std::uint64_t> block_bytes{0};
    std::atomic<std::uint64_t> commit_ns_total{0};
    std::atomic<std::uint64_t> commit_ns_max{0};
};

LogWriter::LogWriter(Database& database, Options options)
    : database_(database),
      options_(std::move(options)),
      state_(std::make_unique<State>(database.engine())) {
    for (std::size_t i = 0; i < options_.producers; ++i) {
        producers_.push_back(std::make_unique<Producer>(options_.ring_capacity));
    }
}

LogWriter::~LogWriter() = default;

bool LogWriter::submit(std::size_t producer, CommitUnit&& unit) {
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
    std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with submit()
    const bool idle = std::all_of(producers_.begin(), producers_.end(),
                                  [](const auto& p) { return p->units.empty(); });
    if (idle) sleep_.wait_for(lock, limit);
    sleeping_.store(false, std::memory_order_relaxed);
}

void LogWriter::complete(std::size_t producer, Completion&& completion) {
    Producer& to = *producers_[producer];
    to.notify = true;
    if (to.waiting.empty() && to.completions.try_push(std::move(completion))) return;
    // A push that is refused takes nothing.
    to.waiting.push_back(std::move(completion));  // NOLINT(bugprone-use-after-move)
}

LogWriter::Gathered LogWriter::gather() {
    Gathered sum;
    // One unit of each producer in turn, so that none starves behind a busy one.
    for (bool any = true; any && sum.bytes < options_.group_bytes_max;) {
        any = false;
        for (std::size_t i = 0; i < producers_.size(); ++i) {
            State::Taken taken;
            taken.producer = i;
            if (!producers_[i]->units.try_pop(taken.unit)) continue;
            any = true;
            if (taken.unit.block.events) {
                state_->maker.add_block(taken.unit.block);
                sum.bytes += taken.unit.block.value.size();
                sum.block_bytes += taken.unit.block.value.size();
                ++sum.blocks;
            }
            state_->maker.add(taken.unit.rows);
            sum.bytes += taken.unit.rows.bytes();
            sum.durability = std::max(sum.durability, taken.unit.durability);
            state_->group.push_back(std::move(taken));
        }
    }
    return sum;
}

void LogWriter::count(const Gathered& gathered, std::uint64_t took_ns) {
    const auto relaxed = std::memory_order_relaxed;  // counters for reading, no data behind them
    state_->groups.fetch_add(1, relaxed);
    state_->units.fetch_add(state_->group.size(), relaxed);
    state_->bytes.fetch_add(gathered.bytes, relaxed);
    state_->blocks.fetch_add(gathered.blocks, relaxed);
    state_->block_bytes.fetch_add(gathered.block_bytes, relaxed);
    if (gathered.durability == Durability::kFsync) state_->syncs.fetch_add(1, relaxed);
    state_->commit_ns_total.fetch_add(took_ns, relaxed);
    state_->commit_ns_max.store(std::max(took_ns, state_->commit_ns_max.load(relaxed)), relaxed);
}

// Unit of work: one group. Critical path: the WAL's write and its fdatasync; everything else is a
// copy.
std::size_t LogWriter::do_work() {
    Engine& engine = database_.engine();
    std::vector<State::Taken>& group = state_->group;
    for (auto& producer : producers_) {
        while (!producer->waiting.empty() &&
               producer->completions.try_push(std::move(producer->waiting.front()))) {
            producer->waiting.erase(producer->waiting.begin());
        }
    }
    const Gathered gathered = gather();
    if (group.empty()) return 0;
    state_->maker.finish();

    core::pass_fault_point(core::FaultPoint::kBeforeCommit);
    const std::int64_t begin = engine.options.clock->monotonic_ns();
    const bool ok = engine.commit(state_->maker.batch(), gathered.durability).has_value();
    count(gathered, static_cast<std::uint64_t>(engine.options.clock->monotonic_ns() - begin));

    core::pass_fault_point(core::FaultPoint::kAfterCommit);
    if (ok) engine.apply(state_->maker.effects());
    for (State::Taken& taken : group) {
        Completion completion;
        completion.tag = taken.unit.tag;
        completion.failed = !ok;
        // Every commit is written to the operating system before it is told, whoever asked.
        completion.durability = std::max(gathered.durability, Durability::kOs);
        if (taken.unit.block.events) {
            const SealedBlock& block = taken.unit.block;
            completion.has_block = true;
            completion.durable_end = {block.events.shard(), block.events.end_offset()};
            if (ok) {
                engine.publish_tail(block.events.shard(),
                                    {block.sequence + 1, block.events.end_offset().value,
                                     block.events.first_offset().value, block.hash});
            }
        }
        if (ok) engine.kv->settle(taken.unit.rows);
        completion.rows = std::move(taken.unit.rows);
        completion.rows.clear();
        complete(taken.producer, std::move(completion));
    }
    if (ok && gathered.durability == Durability::kFsync) engine.publish_synced();
    core::pass_fault_point(core::FaultPoint::kAfterPublish);
    const std::size_t units = group.size();
    group.clear();
    state_->maker.clear();
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

LogWriter::Stats LogWriter::stats() const {
    const auto relaxed = std::memory_order_relaxed;  // counters for reading
    return {state_->groups.load(relaxed),          state_->units.load(relaxed),
            state_->bytes.load(relaxed),           state_->syncs.load(relaxed),
            state_->blocks.load(relaxed),          state_->block_bytes.load(relaxed),
            state_->commit_ns_total.load(relaxed), state_->commit_ns_max.load(relaxed)};
}

}  // namespace millrace::store
