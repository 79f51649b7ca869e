// What: one partition on this node, with a thread of its own: the machine between the stream and
//       the copy in the folder. As follower it writes the folder; when it owns the partition it has
//       closed it (folder_is_free()), and what a server writes there comes through append().
// Threads: do_work() and wait() its own; append() by any, one at a time; the rest by any.
// Lifetime: outlives the server that it gates. Stop it (end()) before its thread.
// Limits: one append at a time.
// Failure: status().role; append() says why it never will be.
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/result.h"
#include "runtime/cluster/nats_stream.h"
#include "runtime/cluster/partition_machine.h"
#include "runtime/courier/address_rules.h"
#include "store/database.h"
#include "store/replica/replica_store.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::cluster {

class PartitionAgent final : public core::Agent, public store::ReplicaGate {
public:
    struct Options {
        PartitionMachine::Options machine;
        NatsStream::Options stream;
        store::Database::Options store;
    };
    static core::Result<std::unique_ptr<PartitionAgent>> create(Options options,
                                                                const core::Clock& clock);
    ~PartitionAgent() override;
    PartitionAgent(const PartitionAgent&) = delete;
    PartitionAgent& operator=(const PartitionAgent&) = delete;

    std::string_view name() const override { return "partition"; }
    std::size_t do_work() override;
    void wait(std::int64_t timeout_us) override;
    void wake() override;

    core::Result<store::ReplicaPosition> append(std::string_view batch) override;

    void own();
    void heal();
    void hand_over(const std::string& to);
    void in_sync(std::vector<std::string> nodes);
    void hold(std::uint64_t sequence);
    // Of a follower's folder, while others wait: kUnavailable: somebody else has it by now.
    core::Result<store::Snapshot> snapshot(const std::string& folder, const store::CopyEnd& asks);
    // Where the log ended when the folder was opened.
    const store::CopyEnd& log_end() const { return log_end_; }
    // The copy is none of those of the partition.
    void diverge(const std::string& why);
    // Whoever waits in append() is told; nothing more is taken. A follower's folder is closed.
    void end();

    PartitionStatus status() const;
    bool folder_is_free() const { return folder_is_free_.load(std::memory_order_acquire); }
    bool ended() const { return ended_.load(std::memory_order_acquire); }
    const std::atomic<std::int64_t>& lease_until_ns() const { return lease_until_ns_; }

private:
    class Copy final : public PartitionCopy {
    public:
        explicit Copy(std::unique_ptr<store::ReplicaStore> its_store)
            : store(std::move(its_store)) {}
        core::Status apply(std::string_view batch, const store::ReplicaPosition& at) override;
        core::Status note(const store::ReplicaPosition& at) override;
        core::Status sync() override;
        std::unique_ptr<store::ReplicaStore> store;  // null: somebody else has the folder
    };
    // A snapshot that somebody waits for.
    struct SnapshotOrder {
        std::string folder;
        store::CopyEnd asks;
        std::promise<core::Result<store::Snapshot>> done;
    };

    PartitionAgent(Options options, std::unique_ptr<store::ReplicaStore> copy,
                   const core::Clock& clock, courier::AddressRules rules);
    bool take_orders();
    bool take_append(std::int64_t now_ns);
    bool take_snapshots();
    core::Result<store::Snapshot> make_snapshot(const SnapshotOrder& order);
    void give_done();
    void free_folder();
    void tell(std::int64_t now_ns);
    std::size_t keep_up();

    const core::Clock& clock_;
    const courier::AddressRules rules_;
    NatsStream stream_;
    Copy copy_;
    PartitionMachine machine_;
    const store::CopyEnd log_end_;
    int wakes_ = -1;  // an eventfd

    mutable std::mutex mutex_;
    std::condition_variable answered_;
    std::vector<std::function<void(PartitionMachine&)>> orders_;
    std::vector<SnapshotOrder> snapshots_;
    std::string_view batch_;  // of whoever waits in append()
    bool wants_append_ = false;
    bool is_under_way_ = false;
    std::optional<core::Result<store::ReplicaPosition>> answer_;
    bool ending_ = false;
    PartitionStatus status_;
    std::string failure_;
    std::atomic<bool> folder_is_free_{false};
    std::atomic<bool> ended_{false};
    std::atomic<std::int64_t> lease_until_ns_{0};
};

}  // namespace millrace::runtime::cluster
