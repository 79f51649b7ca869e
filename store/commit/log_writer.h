// What: the log in RocksDB, and the agent that makes it durable. It gathers what every producer has
//       appended, writes ONE WriteBatch for all of it, syncs once, and tells each producer. The
//       next group is whatever has come meanwhile, so that the group grows with the load and a
//       lone unit never waits for a timer.
//       While syncs are quick there is one at a time: write and sync in one call, no hand-over.
//       Where the disk gains by several (sync_depth.h), a group is written without a sync and is
//       in flight until one that began after the write has ended (wal_files.h). Agents of their own
//       wait for those (wal_syncer.h), the writer goes on as long as one of them is idle. Groups
//       are told in the order in which they were written, whatever order their syncs end in.
//       Rows of a group in flight can be read before they are durable, as with level `os`. What
//       somebody does because of them is written behind them in the same WAL, so that it never
//       outlives them; blocks are read and delivered from their completion on.
//       Units that belong to one batch (BatchPart) go into the same write, when all have come.
// Threads: append() and poll() of one producer belong to that producer's thread; do_work() and
//       wait() to the writer's thread; depth() to any; each syncer has one of its own.
// Lifetime: the Database outlives it. stop order: producers, then drain with do_work(), then the
//       writer's thread, the syncers', then destroy. What is in flight then was told to nobody.
// Limits: rings of Options::ring_capacity units per producer; a full ring refuses and the producer
//       keeps its unit (shards stop sealing: the edge feels it as back-pressure). At most
//       Database::Options::sync_depth_max syncs at once, twice as many groups.
// Failure: one failed write or sync and nothing is acknowledged any more: Database::fatal() is set,
//       every unit in flight or later completes with failed = true, and on_fatal is called once.
#pragma once

#include "core/ids.h"
#include "core/spsc_ring.h"
#include "store/commit/log_port.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace millrace::core {
class Agent;
}

namespace millrace::store {

class Database;
class WalSyncer;

class LogWriter final : public LogPort {
public:
    struct Options {
        // Producers 0 .. shards-1 are the shards; more may follow (conductor, ...).
        std::size_t producers = 1;
        std::size_t ring_capacity = kUnderWayMin;
        std::size_t group_bytes_max = 16u << 20;           // of one WriteBatch
        std::function<void(std::size_t producer)> wake{};  // completions wait for this producer
        std::function<void()> on_fatal{};
    };
    LogWriter(Database& database, Options options);
    ~LogWriter() override;
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;

    // Producer's side.
    bool append(std::size_t producer, CommitUnit&& unit) override;
    bool poll(std::size_t producer, Completion& out) override;
    LogEnd position(core::ShardId shard) const override;
    core::Result<EventBlock> read(core::ShardId shard, core::LogOffset from) override;

    // Writer's side: commits one group; returns the number of units in it.
    std::size_t do_work();
    // Sleeps until something is submitted or the time is over.
    void wait(std::chrono::microseconds limit);
    void wake_up();

    // 1 while there is one sync at a time.
    std::size_t depth() const override { return depth_.load(std::memory_order_relaxed); }  // a hint
    // Agents that somebody must run; none when Database::Options::sync_depth_max is 1.
    std::size_t syncers() const { return syncers_.size(); }
    core::Agent& syncer(std::size_t index);

    struct Stats {
        std::uint64_t groups = 0;
        std::uint64_t units = 0;
        std::uint64_t bytes = 0;
        std::uint64_t syncs = 0;
        std::uint64_t blocks = 0;
        std::uint64_t block_bytes = 0;
        std::uint64_t commit_ns_total = 0;
        std::uint64_t commit_ns_max = 0;
        std::uint64_t overlapped = 0;  // groups written while another one was in flight
    };
    Stats stats() const;

private:
    struct Producer;
    struct Group;
    struct State;
    void push_waiting();
    void notice_syncs();
    bool may_write() const;
    void gather(Group& group);
    bool take_one(Group& group, std::size_t producer);
    void put(Group& group, std::size_t producer, CommitUnit&& unit);
    void follow(std::size_t producer, const CommitUnit& unit);
    bool commit_alone(Group& group);
    void launch(Group& group);
    bool landed(const Group& group) const;
    std::size_t tell(Group& group, bool ok);
    void tell_unit(CommitUnit& unit, std::size_t producer, Durability durability, bool ok);
    void count(const Group& group);
    void complete(std::size_t producer, Completion&& completion);
    void sync_ended();
    WalSyncer* idle_syncer() const;

    Database& database_;
    Options options_;
    std::vector<std::unique_ptr<Producer>> producers_;
    std::unique_ptr<State> state_;
    std::vector<std::unique_ptr<WalSyncer>> syncers_;
    std::atomic<std::size_t> depth_{1};
    std::atomic<std::uint64_t> syncs_ended_{0};
    std::atomic<bool> sleeping_{false};
    std::mutex sleep_mutex_;
    std::condition_variable sleep_;
};

}  // namespace millrace::store
