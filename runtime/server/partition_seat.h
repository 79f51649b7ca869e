// What: what a server is told that is one partition of a cluster: the gate that its writes go
//       through, until when it may begin deliveries, and what tells the world which ownership it
//       acts under. A server that stands alone has none.
// Threads: written before the server is made; the lease by its keeper at any time.
// Lifetime: outlives the server. Limits: none. Failure: none.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace millrace::store {
class ReplicaGate;
}

namespace millrace::runtime {

struct PartitionSeat {
    store::ReplicaGate* gate = nullptr;
    // Monotonic; deliveries begin before it only.
    const std::atomic<std::int64_t>* lease_until_ns = nullptr;
    std::optional<std::uint64_t> hash_seed{};
    std::string epoch{};          // "7.3": partition and ownership
    std::string front_token{};    // who shows it is the cluster's own front; empty: nobody is
    bool keys_live_here = false;  // partition 0: the cluster's keys and tenants
    // Where a tenant's events are spread by their keys (cluster.partition_by = "key").
    struct ByKey {
        std::size_t partition = 0;
        std::size_t partitions = 1;
        std::uint64_t seed = 0;  // the cluster's: by it partitions are found
        std::string front{};     // IP:PORT of the own node's private listener
    };
    std::optional<ByKey> by_key{};
};

}  // namespace millrace::runtime
