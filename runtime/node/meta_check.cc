#include "runtime/node/meta_check.h"

namespace millrace::runtime::node {

std::string configured_otherwise(const Meta& meta, const core::ClusterConfig& config) {
    if (meta.partition_by != config.partition_by) {
        return "cluster.partition_by is \"" + config.partition_by +
               "\" here, and the cluster was made with \"" + meta.partition_by +
               "\", which can not be changed: set that";
    }
    if (meta.partitions() != static_cast<std::size_t>(config.partitions)) {
        return "cluster.partitions is " + std::to_string(config.partitions) +
               " here, and the cluster was made with " + std::to_string(meta.partitions()) +
               ", which can not be changed: set that";
    }
    return {};
}

std::string another_cluster(const Meta& meta, const Meta& known) {
    if (meta.hash_seed == known.hash_seed) return {};
    return "this node's folder is of a cluster with the hash seed " +
           std::to_string(known.hash_seed) + ", and the cluster of that name in NATS has " +
           std::to_string(meta.hash_seed) +
           ": it is another one. Give this node a folder of its own (data.dir), or another "
           "cluster.name";
}

}  // namespace millrace::runtime::node
