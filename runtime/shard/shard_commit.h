// What: the write side of one shard. Takes the items of requests into the open block and the rows
//       of lanes into the open unit, closes both when it is worth a sync, and says what became
//       durable.
// Threads: the shard's.
// Lifetime: borrows the shard's open log and the port that its units go through.
// Limits: kUnitsInFlightMax sealed units under way; beyond that nothing is taken and the caller
//       keeps what it has (overflow policy: block producer).
// Levels: memory is answered when its events are in the open block; os and fsync when the unit that
//       holds them is committed so far.
// Failure: a failed commit fails every waiting request: nothing is acknowledged after it.
#pragma once

#include "core/clock.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/registry/state_book.h"
#include "runtime/shard/commit_gather.h"
#include "runtime/shard/identity_keeper.h"
#include "runtime/shard/ingest_request.h"
#include "runtime/shard/shard_metrics.h"
#include "store/commit/log_port.h"
#include "store/log/shard_log.h"
#include "store/retention/stored_bytes.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <vector>

namespace millrace::runtime {

class ShardCommit {
public:
    struct Handlers {
        // A block is durable: its events and their deliveries, in order.
        std::function<void(const store::EventBlock&, std::span<const DeliveryItem>)> block_durable;
        // All items of the request that live here are durable (or the store failed).
        std::function<void(IngestRequest&)> request_done;
        // What is all or none is in here, in open units or before: its rows go in now, and so into
        // the write of its events. Only of a request that brings_rows, at its edge.
        std::function<void(IngestRequest&)> rows_due;
        // Called just before a unit is closed: the last rows (the cursor) go in.
        std::function<void(store::RowBatch&)> before_seal;
    };
    struct Options {
        core::ShardId shard;
        // Rows that nobody waits for (outcomes, cursors) stay open so long at most, to share the
        // sync of the next events; a sync of their own would make those wait.
        std::int64_t linger_us_max = 1000;  // also for clients about to come back: CommitGather
        // Asked when a block is sealed; none: it does not say.
        std::function<std::uint64_t()> registry_revision{};
        IdentityKeeper* keeper = nullptr;      // null: every identity is this shard's alone
        StateBook* states = nullptr;           // null: no rule knows states
        store::StoredBytes* stored = nullptr;  // null: what tenants have is not counted
    };
    ShardCommit(const Options& options, store::ShardLog& log, store::LogPort& writer,
                const core::Clock& clock, ShardMetrics& metrics, Handlers handlers);

    // Appends the request's items of this home from `next` on. False: the log has no room now; call
    // again with the same `next` after do_work() made progress. What is all or none is taken at
    // once when it has begun, and its last unit is closed: the writer waits for it.
    bool append(IngestRequest& request, std::size_t& next);
    // Rows that take effect with, or after, everything appended so far.
    void add_rows(const store::RowBatch& rows, std::vector<std::function<void()>>&& when_durable);

    // Takes completions, closes the open unit when it is worth it. Returns what it did.
    std::size_t do_work();
    // Closes the open unit whatever its size.
    void flush();

    // How long the owner may sleep for this part's sake, at most `timeout_us`.
    std::int64_t sleep_limit_us(std::int64_t timeout_us);
    bool idle() const { return in_flight_.empty() && nothing_open(); }
    core::LogOffset next_offset() const { return log_.next_position().offset; }
    bool failed() const { return failed_; }

private:
    static constexpr std::size_t kUnitsInFlightMax = 8;
    // With so many under way no part of a batch over several homes is begun; each closes a unit.
    static constexpr std::size_t kUnitsBeforePartMax = 64;
    // Of one part: two neighbouring units are together larger than a block, or full by count.
    static constexpr std::size_t kUnitsOfPartMax =
        2 * core::kBodyBytesMax / core::kBlockBytesTarget +
        core::kBatchEventsMax / core::kBlockEventsMax + 2;
    static_assert(2 * (kUnitsBeforePartMax + kUnitsOfPartMax) <= store::LogPort::kUnderWayMin,
                  "a part that has begun always finds room, and converted events may be longer");
    // With as many units at the disk as are worth it (one, where syncs are quick) one more is
    // closed when it is this big: the writer then finds it ready when a sync returns, and smaller
    // ones gather to save syncs.
    static constexpr std::size_t kSecondUnitBytes = 192u << 10;
    static constexpr std::size_t kRowsBytesMax = 4u << 20;

    struct Unit {
        std::uint64_t tag = 0;
        std::int64_t sealed_at_us = 0;
        store::EventBlock events;
        std::vector<DeliveryItem> items;
        std::vector<std::function<void()>> when_durable;
        std::vector<IngestRequest*> when_synced;
        std::vector<StateSlot*> states;  // in use until it is durable
    };
    struct Waiter {
        core::LogOffset needed_end;
        IngestRequest* request = nullptr;
    };

    // A state that the open unit leads a key to.
    struct OpenStep {
        StateChange change;
        std::int64_t at_us = 0;
    };

    bool nothing_open() const { return only_rows_open() && open_rows_.empty(); }
    bool only_rows_open() const {
        return log_.empty() && open_callbacks_.empty() && open_syncs_.empty();
    }
    // Another unit would go to the disk at once.
    bool writer_takes_one() const {
        return in_flight_.size() < std::min(writer_.depth(), kUnitsInFlightMax);
    }
    std::int64_t now_us() const { return clock_.monotonic_ns() / 1000; }
    // How long the open unit should stay open though the disk is free; 0: close it.
    std::int64_t linger_us();
    bool worth_sealing();
    bool seal();
    void close_unit(const store::BatchPart& part);
    // What the block adds to its tenants' bytes, in the block's unit.
    void count_stored(const store::SealedBlock& block);
    // What the units of a request that is all or none have in common.
    store::BatchPart part_of(const IngestRequest& request);
    void complete(store::Completion&& completion);
    // What a keeper has said of an event, which is then not appended. False: it has said nothing.
    bool take_answer(const IngestRequest& request, IngestItem& item, store::AppendResult& result);
    store::AppendResult find_taken(const IngestRequest& request, const IngestItem& item);
    void note_appended(const IngestRequest& request, const IngestItem& item);
    void put_dead_letter(const IngestItem& item);
    void put_states(const IngestRequest& request, const IngestItem& item);
    // Their rows, and who is in use by them.
    std::vector<StateSlot*> write_steps();
    std::size_t rows_bytes() const {
        constexpr std::size_t kStepBytes = 100;  // of its row, about
        return open_rows_.bytes() + open_steps_.size() * kStepBytes;
    }
    void answer_synced(std::vector<IngestRequest*>& requests);
    void wait_for(IngestRequest& request, core::LogOffset needed_end);

    const Options options_;
    store::ShardLog& log_;
    store::LogPort& writer_;
    const core::Clock& clock_;
    ShardMetrics& metrics_;
    const Handlers handlers_;

    store::RowBatch open_rows_;
    std::int64_t rows_since_us_ = 0;
    CommitGather gather_;
    std::vector<DeliveryItem> open_items_;
    std::vector<std::function<void()>> open_callbacks_;
    std::vector<IngestRequest*> open_syncs_;  // wait for the open unit's sync, whatever it holds
    std::vector<OpenStep> open_steps_;
    store::Durability open_durability_ = store::Durability::kMemory;

    std::deque<Unit> in_flight_;
    std::deque<Waiter> waiters_;
    std::vector<std::vector<DeliveryItem>> spare_items_;
    std::vector<store::RowBatch> spare_rows_;
    store::LogEnd closed_end_;     // behind the newest closed unit
    core::LogOffset durable_end_;  // to the degree that was asked for
    core::LogOffset synced_end_;   // to the last sync
    core::LogOffset weak_end_;     // of the newest sealed block that no sync is asked for
    std::uint64_t next_tag_ = 1;
    std::uint64_t own_batches_ = 0;
    bool failed_ = false;
};

}  // namespace millrace::runtime
