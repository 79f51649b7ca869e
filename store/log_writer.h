// What: the agent that makes things durable. It gathers what every producer has submitted, writes
//       ONE WriteBatch for all of it, syncs once, and tells each producer. The next group is
//       whatever has come meanwhile, so that the group grows with the load and a lone unit never
//       waits for a timer. One sync at a time: RocksDB's WAL takes no more (what a disk might gain
//       by several: bench/store_results.md).
// Threads: submit() and poll() of one producer belong to that producer's thread; do_work() and
//       wait() to the writer's thread.
// Lifetime: the Database outlives it. stop order: producers, then drain with do_work(), then
//       destroy.
// Limits: rings of Options::ring_capacity units per producer; a full ring refuses and the producer
//       keeps its unit (shards stop sealing: the edge feels it as back-pressure).
// Failure: one failed write or sync and nothing is acknowledged any more: Database::fatal() is set,
//       every later unit completes with failed = true, and on_fatal is called once.
#pragma once

#include "core/ids.h"
#include "core/spsc_ring.h"
#include "store/row_batch.h"
#include "store/shard_log.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace millrace::store {

class Database;

// What one producer wants committed atomically: a sealed block, rows, or both.
struct CommitUnit {
    std::uint64_t tag = 0;  // the producer's own; comes back in the completion
    Durability durability = Durability::kFsync;
    SealedBlock block;  // block.events empty: no block
    RowBatch rows;
};

struct Completion {
    std::uint64_t tag = 0;
    bool failed = false;  // the store is in its fatal state
    bool has_block = false;
    Durability durability = Durability::kFsync;  // the level reached: never less than was asked for
    core::LogPosition durable_end{};             // has_block: one past the block's last event
    RowBatch rows;                               // given back empty, with its memory, for reuse
};

class LogWriter {
public:
    struct Options {
        // Producers 0 .. shards-1 are the shards; more may follow (conductor, ...).
        std::size_t producers = 1;
        std::size_t ring_capacity = 256;
        std::size_t group_bytes_max = 16u << 20;           // of one WriteBatch
        std::function<void(std::size_t producer)> wake{};  // completions wait for this producer
        std::function<void()> on_fatal{};
    };
    LogWriter(Database& database, Options options);
    ~LogWriter();
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;

    // Producer's side. submit() leaves the unit untouched when it returns false.
    bool submit(std::size_t producer, CommitUnit&& unit);
    bool poll(std::size_t producer, Completion& out);

    // Writer's side: commits one group; returns the number of units in it.
    std::size_t do_work();
    // Sleeps until something is submitted or the time is over.
    void wait(std::chrono::microseconds limit);
    void wake_up();

    struct Stats {
        std::uint64_t groups = 0;
        std::uint64_t units = 0;
        std::uint64_t bytes = 0;
        std::uint64_t syncs = 0;
        std::uint64_t blocks = 0;
        std::uint64_t block_bytes = 0;
        std::uint64_t commit_ns_total = 0;
        std::uint64_t commit_ns_max = 0;
    };
    Stats stats() const;

private:
    struct Producer;
    struct State;
    // What one commit holds.
    struct Gathered {
        std::size_t bytes = 0;
        std::size_t blocks = 0;
        std::size_t block_bytes = 0;
        Durability durability = Durability::kMemory;
    };
    Gathered gather();
    void count(const Gathered& gathered, std::uint64_t took_ns);
    void complete(std::size_t producer, Completion&& completion);

    Database& database_;
    Options options_;
    std::vector<std::unique_ptr<Producer>> producers_;
    std::unique_ptr<State> state_;
    std::atomic<bool> sleeping_{false};
    std::mutex sleep_mutex_;
    std::condition_variable sleep_;
};

}  // namespace millrace::store
