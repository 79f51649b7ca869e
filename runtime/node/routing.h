// What: what the node's own thread tells its front: who owns each partition and where that is to be
//       reached, and the texts that /v2/cluster, /readyz and /metrics are answered with; and what
//       the front asks the other way.
// Threads: a Routing never changes; NodeDesk any. Lifetime: shared. Limits: none. Failure: none.
#pragma once

#include "io/address.h"
#include "io/http_types.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace millrace::runtime::node {

struct Target {
    enum class Where : std::uint8_t { kNowhere, kHere, kThere };
    Where where = Where::kNowhere;
    io::Address address;  // of the partition's process, or of its node
    std::uint64_t epoch = 0;

    bool operator==(const Target& other) const {
        return where == other.where && epoch == other.epoch &&
               address.to_string() == other.address.to_string();
    }
};

struct Routing {
    bool initialized = false;
    std::uint64_t hash_seed = 0;
    bool by_key = false;               // cluster.partition_by
    std::vector<Target> targets;       // by partition
    std::string cluster;               // GET /v2/cluster
    std::vector<std::string> details;  // GET /v2/cluster/partitions/{p}
    bool ready = false;
    std::string readiness;  // GET /readyz
    std::string metrics;    // Prometheus text
};
using RoutingRef = std::shared_ptr<const Routing>;

// A change of the cluster that somebody asks for.
struct NodeOrder {
    io::Method method = io::Method::kPost;
    std::string path;
    std::string body;
    std::string actor;    // who asks, for the log
    std::string members;  // for the audit log: who, from where and by what, as members of JSON
    std::function<void(int status, std::string body)> answer;
};

class NodeDesk {
public:
    virtual ~NodeDesk() = default;
    virtual void order(NodeOrder&& order) = 0;
};

}  // namespace millrace::runtime::node
