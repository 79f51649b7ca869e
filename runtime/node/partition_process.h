// What: `millrace partition`: one partition of a node in a process of its own. Its node starts it,
//       tells it what to be by lines on its standard input, and reads what it is from its standard
//       output. As follower it is the log's reader and nothing else; as owner a whole server on the
//       same folder.
//
//   in   first line: PartitionOrder as JSON; then {"do":"own"}, {"do":"hand_over","to":"b"},
//        {"do":"heal"}, {"do":"in_sync","nodes":["b"]}, {"do":"fill","from":"IP:PORT"},
//        {"do":"stop"}. The end of the input is a stop.
//   out  {"role","epoch","applied","fsynced","appended","lag","unit","hash","http","error",
//        "needsSnapshot","waitsFor","near",...} on each change, and each 500 ms.
//
// Threads: main's. Lifetime: returns when the process should end. Limits: a line of 1 MiB.
// Failure: exit codes: 0 stopped; 1 it could not begin; 70 the store has failed; 75 somebody else
//         owns the partition: to be started again, as follower; 76 the same, but the stream is not
//         what this copy has written.
#pragma once

#include "core/result.h"
#include "runtime/api/console_file.h"
#include "runtime/cluster/nats_stream.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {

inline constexpr int kExitOwnedElsewhere = 75;  // EX_TEMPFAIL
inline constexpr int kExitDiverged = 76;

struct PartitionOrder {
    std::string cluster;
    std::uint32_t partition = 0;
    std::string node;
    std::string url;              // where its node's front is
    std::string dir;              // of this partition
    std::string nats;             // nats://[user:password@]host:port, with commas between them
    std::uint64_t hash_seed = 0;  // META's: by it partitions are found
    std::size_t partitions = 1;
    bool by_key = false;  // cluster.partition_by
    std::string front;    // IP:PORT, where its node's own listener is
    std::int64_t lease_us = 3'000'000;
    std::string ack = "replicated";  // or "replicated-fsync"
    bool allow_old_nats = false;
    std::string token;   // that the node's front shows
    std::string config;  // TOML; the partition's own
};
// What a partition's store hashes with. Where a tenant's things live in all partitions, ids that
// hold a place (of events, executions, dead letters) must be known by their own partition alone.
std::uint64_t store_seed(const PartitionOrder& order);
core::Result<PartitionOrder> read_partition_order(std::string_view json);
core::Result<std::vector<NatsPlace>> read_nats_places(std::string_view list);

int run_partition(api::ConsoleFiles console);

}  // namespace millrace::runtime::node
