// What: a data folder that follows another one: it takes the writes that the other one has made, in
//       their order, and holds the same rows in the end. Nothing runs on it; Database opens the
//       folder as it is when this one has closed it. Identities are kept along, so that such an
//       opening reads no more of the log again than any other start.
// Threads: one. Lifetime: holds the folder's lock.
// Limits: kReplicaUnitBytesMax of a batch.
// Failure: Errors. kConflict: the batch does not follow what is here, nothing of it was taken.
//       After any other one of apply(), note() or sync() nothing is taken any more.
#pragma once

#include "core/result.h"
#include "store/database.h"
#include "store/replica/replica_gate.h"
#include "store/replica/snapshot.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace millrace::store {

class ReplicaStore {
public:
    // A folder that is not there is made. Of the options those of the disk and its memory count.
    static core::Result<std::unique_ptr<ReplicaStore>> open(const Database::Options& options);
    ~ReplicaStore();
    ReplicaStore(const ReplicaStore&) = delete;
    ReplicaStore& operator=(const ReplicaStore&) = delete;

    const ReplicaPosition& position() const { return position_; }
    // A server has had the folder for itself since: what it holds is no copy any more, and its
    // position has a hash that nobody else's has.
    bool written_alone() const;
    // What was applied before the last sync() is on the disk.
    const ReplicaPosition& synced() const { return synced_; }

    core::Status apply(std::string_view batch, const ReplicaPosition& at);
    // Something of the log that changes no row but this one.
    core::Status note(const ReplicaPosition& at);
    core::Status sync();
    // One step of upkeep: identity runs; and what retention has dropped gives its files back, each
    // kReclaimEveryNs at most. False: there is none.
    core::Result<bool> work();
    core::Status close();

    // For a copy whose log ends so; the position is as it stands now.
    core::Result<Snapshot> snapshot(const std::string& folder, const CopyEnd& asks);
    CopyEnd log_end() const;

    // Events in the log here, for figures.
    std::uint64_t events() const;

private:
    explicit ReplicaStore(std::unique_ptr<Engine> engine);

    static constexpr std::int64_t kReclaimEveryNs = 60'000'000'000;
    std::uint64_t first_kept() const;
    bool reclaim();

    std::unique_ptr<Engine> engine_;
    std::uint64_t reclaimed_ = 0;  // first_kept() then
    std::int64_t reclaim_next_ns_ = 0;
    ReplicaPosition position_, synced_;
};

}  // namespace millrace::store
