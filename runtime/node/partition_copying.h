// What: what a partition's process does so that copies fill themselves: it gives snapshots of its
//       folder to other nodes' copies, and takes one where the log does not reach back to its own
//       (runtime/cluster/snapshot_source, snapshot_taker), each on a thread of its own.
// Threads: main's; serve() before others may ask for an owner's snapshot.
// Lifetime: borrows all that it is made with; its threads go with the process.
// Limits: one of each. After a failure the next word to fill is heard kRestNs later, twice as much
//         each time, up to kRestNsMax.
// Failure: words(), and the log.
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/log.h"
#include "runtime/cluster/partition_agent.h"
#include "runtime/cluster/snapshot_source.h"
#include "runtime/cluster/snapshot_taker.h"
#include "runtime/node/partition_process.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace millrace::runtime::node {

class PartitionCopying {
public:
    static constexpr std::int64_t kRestNs = 1'000'000'000;
    static constexpr std::int64_t kRestNsMax = 60'000'000'000;

    PartitionCopying(const PartitionOrder& order, store::Database::Options store,
                     cluster::PartitionAgent& agent, const core::Clock& clock, core::Log& log);

    core::Status begin();
    // The folder is an owner's now: snapshots are taken of its store.
    void serve(store::Database& database) { database_.store(&database, std::memory_order_release); }
    // The node's word: from there. Heard only while a snapshot is needed.
    void fill(const std::string& from);
    // True: a folder has come, and the next start puts it in place.
    bool look();
    // Of the filling; empty: there is none to speak of.
    std::string words() const;

private:
    const PartitionOrder& order_;
    const store::Database::Options store_;
    cluster::PartitionAgent& agent_;
    const core::Clock& clock_;
    core::Log& log_;
    std::atomic<store::Database*> database_{nullptr};  // acquire: it is whole
    std::unique_ptr<cluster::SnapshotSource> source_;
    std::unique_ptr<core::AgentThread> source_thread_;
    std::unique_ptr<cluster::SnapshotTaker> taker_;
    std::unique_ptr<core::AgentThread> taker_thread_;
    std::string last_words_;
    std::int64_t again_ns_ = 0;
    std::int64_t rest_ns_ = kRestNs;
};

}  // namespace millrace::runtime::node
