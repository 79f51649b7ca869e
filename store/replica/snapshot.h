// What: a copy of a partition as it is at one moment (RocksDB checkpoint: hard links), for another
//       copy that the log does not reach back to. How far it has come stands in it: the row of the
//       position is in the same checkpoint as what it speaks of.
// Threads: of a folder that follows its owner's alone; of a Database any, one at a time.
// Lifetime: the folder is the caller's, and takes its place on the disk until it is removed.
// Limits: kSnapshotFilesMax files. What is in memory is flushed first.
// Failure: Errors; what there is of the folder is removed again. kConflict: whoever asks has a log
//       that is no beginning of this one.
#pragma once

#include "core/result.h"
#include "store/replica/replica_gate.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

class Database;
class Engine;

inline constexpr std::size_t kSnapshotFilesMax = 100'000;

struct SnapshotFile {
    std::string name;  // below the folder: "FORMAT", "rocks/000012.sst"
    std::uint64_t bytes = 0;
    bool operator==(const SnapshotFile&) const = default;
};

struct Snapshot {
    ReplicaPosition position;  // it reaches as far at least
    // Of the database that it is of: files that never change are the same where origin, name and
    // size are.
    std::string origin;
    std::vector<SnapshotFile> files;

    std::uint64_t bytes() const;
};

// One that a snapshot can have, and nothing that leads out of its folder.
bool is_snapshot_name(std::string_view name);
// Tables and blobs are written once.
bool never_changes(std::string_view name);

// Where the log of the copy that asks ends: whose last block it is.
struct CopyEnd {
    std::uint64_t offset = 0;
    std::uint64_t hash = 0;
};

// Of an owner's store; the position is brought up to now by a write that changes nothing.
core::Result<Snapshot> snapshot_of(Database& database, const std::string& folder,
                                   const CopyEnd& asks);
core::Result<Snapshot> snapshot_of(Engine& engine, const std::string& folder, const CopyEnd& asks);

}  // namespace millrace::store
