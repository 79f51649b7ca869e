// What: how a snapshot of a partition is asked for and told over HTTP, between nodes of a cluster:
//
//   POST   /v2/cluster/partitions/7/snapshot?end=N&hash=N    makes one; the answer is its manifest:
//          {"id","sequence","createdUs","epoch","unit","hash","origin","files":[["FORMAT",12],...]}
//          409: the log that ends so is no beginning of this one. 503: not now.
//   GET    /v2/cluster/partitions/7/snapshot/ID?file=rocks/000012.sst&from=0    a piece of it
//          (kPieceBytes at most), with `Millrace-Crc32c`. 404: this snapshot is gone.
//   DELETE /v2/cluster/partitions/7/snapshot/ID    it is done with
//
// Threads: pure. Lifetime: values. Limits: store::kSnapshotFilesMax files.
// Failure: kValidation names what does not read.
#pragma once

#include "core/result.h"
#include "store/replica/snapshot.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime::cluster {

inline constexpr std::size_t kPieceBytes = 1u << 20;
inline constexpr std::string_view kPieceCrcHeader = "Millrace-Crc32c";

struct SnapshotManifest {
    std::string id;
    store::Snapshot snapshot;
    std::string json() const;
};
core::Result<SnapshotManifest> read_snapshot_manifest(std::string_view json);

struct SnapshotPath {
    std::uint32_t partition = 0;
    std::string id;  // empty: of a new one
    std::string text() const;
};
// nullopt: it is about something else.
std::optional<SnapshotPath> read_snapshot_path(std::string_view path);

// Where a partition's process gives snapshots: a Unix socket beside its folder.
std::string snapshot_socket(std::string_view folder);

}  // namespace millrace::runtime::cluster
