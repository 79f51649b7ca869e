// What: which identities the log holds, exactly, for as long as it holds the events (what a thinned
//       block has let go is known by gone_events.h, whatever tables and runs say): the newest in
//       a table in memory, older ones in runs (id_run.h) that are merged four to one. Derived from
//       the log; no RocksDB key per event.
// Threads: ShardIdIndex: find/insert/prefetch by the shard's thread; look_up by any; work() by the
//       housekeeper. IdIndex holds one per shard.
// Lifetime: of the Database.
// Limits: table_entries_max identities in the open table, or those of table_log_bytes_max bytes of
//       log: a start reads no more than that again, ids in it or not. At most kFrozenMax full
//       tables waiting to become runs, then insert() refuses.
// Failure: a damaged run is set aside (".bad") and told by on_damage: the next start makes it anew.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/ids/gone_events.h"
#include "store/ids/hasher.h"
#include "store/ids/id_merge.h"
#include "store/ids/id_run.h"
#include "store/ids/id_table.h"
#include "store/ids/id_table_pool.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace millrace::store {

// Whether, and where, there is an event with this identity.
struct IdQuestion {
    IdHash id;
    std::uint32_t item = 0;  // the caller's
    bool there = false;
    core::LogPosition at{};
};

class ShardIdIndex {
public:
    static constexpr std::size_t kFrozenMax = 4;
    static constexpr std::ptrdiff_t kMergeFanIn = 4;

    struct Options {
        core::ShardId shard;
        std::string folder;
        std::size_t table_entries_max = 512u << 10;
        std::uint64_t table_log_bytes_max = 64u << 20;
        // Of all runs together; what is beyond stays in the runs' files.
        std::size_t filter_bytes_max = std::numeric_limits<std::size_t>::max();
        const std::atomic<std::uint64_t>* durable_end = nullptr;
        const std::atomic<std::uint64_t>* first_kept = nullptr;
        std::function<void(std::string)> on_damage;
    };
    explicit ShardIdIndex(Options options);
    ~ShardIdIndex();

    // At start. Opens the shard's runs; those that do not follow each other from the log's first
    // event on, or that reach behind log_end, are removed. Returns where the runs end: the log is
    // read from there.
    core::Result<std::uint64_t> open_runs(std::uint64_t log_begin, std::uint64_t log_end);

    // The shard's thread.
    struct Found {
        bool there = false;
        core::LogOffset offset;
    };
    Found find(const IdHash& id);
    // Offsets must rise. False: kFrozenMax tables wait for the housekeeper.
    // `keepers`: the bit of the shard that was asked for it.
    bool insert(const IdHash& id, core::LogOffset offset, KeeperBits keepers = 0);
    // The open table takes more than its share then.
    void insert_anyway(const IdHash& id, core::LogOffset offset, KeeperBits keepers = 0);
    // A block that ends here was sealed: its identities are all in. Closes the open table when the
    // log behind its first block is long enough; false: it should, but kFrozenMax tables wait.
    bool note_sealed(core::LogOffset end, std::uint64_t stored_bytes);
    void prefetch(const IdHash& id) const;
    bool durable(core::LogOffset offset) const {
        return offset.value < options_.durable_end->load(
                                  std::memory_order_acquire);  // pairs with the writer's publish
    }

    // Any thread. Whether there can be events of kept identities that another shard keeps.
    bool may_hold_of(core::ShardId keeper) const {
        // acquire: pairs with the release in note_keepers()
        return store::may_hold_of(keepers_.load(std::memory_order_acquire), keeper);
    }
    // Any thread: answers what is not answered yet, by events that are kept, durable or not.
    void find_kept(std::span<IdQuestion> questions, core::ShardId here) const;

    // Any thread: durable and kept events only. Several sources may have used one id: earliest
    // first.
    std::vector<RunEntry> look_up(std::uint64_t by_id) const;

    GoneEvents& gone() { return gone_; }

    // The housekeeper: one bounded step (a table to a run, or a part of a merge); false: nothing to
    // do.
    core::Result<bool> work();
    std::size_t runs() const;
    std::size_t filter_bytes() const;  // of those in memory
    std::size_t table_entries() const {
        return table_entries_.load(std::memory_order_relaxed);
    }  // for metrics

private:
    // The last one to let go gives the table back.
    struct Frozen {
        explicit Frozen(std::shared_ptr<IdTablePool> to) : pool(std::move(to)) {}
        ~Frozen() {
            if (table) pool->put(std::move(table));
        }
        Frozen(const Frozen&) = delete;
        Frozen& operator=(const Frozen&) = delete;
        std::shared_ptr<IdTablePool> pool;
        std::unique_ptr<IdTable> table;
        std::uint64_t begin_offset = 0;
        std::uint64_t end_offset = 0;
        KeeperBits keepers = 0;
    };
    using RunList = RunMerge::Runs;

    bool has_room(std::uint64_t offset);
    void insert_here(const IdHash& id, core::LogOffset offset, KeeperBits keepers);
    void refresh_owner();
    void note_keepers(KeeperBits bits);
    void grow();
    bool freeze(std::uint64_t end_offset);
    void migrate_some(std::size_t slots);
    void damaged(const IdRun& run) const;
    core::Result<bool> write_frozen();
    bool drop_oldest_run();
    std::size_t filter_room(const RunList& runs, const RunList& without) const;
    bool release_retired();
    core::Result<bool> merge_step();
    bool start_merge();

    const Options options_;
    GoneEvents gone_;
    const std::shared_ptr<IdTablePool> pool_ = std::make_shared<IdTablePool>();

    // The shard's thread alone (pointers change only under mutex_, for the readers' sake).
    std::unique_ptr<IdTable> active_;
    std::unique_ptr<IdTable> migrating_;
    std::size_t migrated_slots_ = 0;
    std::uint64_t active_begin_ = 0;
    std::size_t entries_ = 0;      // in active_ and migrating_, each once
    std::uint64_t log_bytes_ = 0;  // of sealed blocks behind active_begin_
    std::uint64_t version_seen_ = 0;
    std::vector<std::shared_ptr<const Frozen>> owner_frozen_;
    std::shared_ptr<const RunList> owner_runs_;
    std::atomic<std::size_t> table_entries_{0};
    KeeperBits active_keepers_ = kKeepersKnown;  // of active_ and migrating_
    // Of everything, since the start: what retention takes stays in it.
    std::atomic<KeeperBits> keepers_{kKeepersKnown};

    mutable std::mutex mutex_;
    std::vector<std::shared_ptr<const Frozen>> frozen_;
    std::shared_ptr<const RunList> runs_;
    std::atomic<std::uint64_t> version_{0};  // raised when frozen_ or runs_ change

    // The housekeeper alone.
    std::unique_ptr<RunMerge> merge_;
    bool no_more_merges_ = false;  // a damaged run would be met and told of at every step
    // Runs that others may still be reading. The last reference is given up here and never on a
    // shard's thread: to unmap an unlinked file of 200 MB took that 100 ms.
    std::vector<std::shared_ptr<const IdRun>> retired_;
};

class IdIndex {
public:
    void add(std::unique_ptr<ShardIdIndex> shard) { shards_.push_back(std::move(shard)); }
    ShardIdIndex& shard(core::ShardId shard) { return *shards_[shard.value]; }
    std::size_t shards() const { return shards_.size(); }
    std::optional<core::LogPosition> look_up(const IdHash& id) const;
    // By the half without source: each shard's, earliest first.
    std::vector<std::vector<RunEntry>> look_up_by_id(std::uint64_t by_id) const;
    // Any thread. Answers questions about identities of one keeper from the other shards' indexes;
    // one lock a shard, none of shards that have nothing of the keeper's.
    void find_elsewhere(std::span<IdQuestion> questions, core::ShardId keeper) const;
    bool may_stand_elsewhere(core::ShardId keeper) const;

private:
    std::vector<std::unique_ptr<ShardIdIndex>> shards_;
};

}  // namespace millrace::store
