// Shapes of a cluster, as openapi_shapes.cc has those of the rest. What answers is runtime/node.
#include "runtime/api/openapi_parts.h"

namespace millrace::runtime::api {
namespace {

constexpr Component kClusterComponents[] = {
    {"Cluster",
     R"({"type":"object","required":["name","node","initialized","revision","metaGone","partitionBy","replicas","ack","nats","nodes","partitions"],"properties":{"name":{"type":"string"},"node":{"type":"string"},"initialized":{"type":"boolean"},"revision":{"type":"integer"},"metaGone":{"type":"boolean"},"partitionBy":{"type":"string"},"replicas":{"type":"integer"},"ack":{"type":"string"},"nats":{"type":"object","required":["connected","version"],"properties":{"connected":{"type":"boolean"},"version":{"type":"string"},"error":{"type":"string"}}},"nodes":{"type":"array","items":{"$ref":"#/components/schemas/ClusterNode"}},"partitions":{"type":"array","items":{"$ref":"#/components/schemas/ClusterPartition"}}},"examples":[{"name":"shop","node":"a","initialized":true,"revision":12,"metaGone":false,"partitionBy":"tenant","replicas":2,"ack":"replicated","nats":{"connected":true,"version":"2.12.0"},"nodes":[{"node":"a","url":"10.0.0.5:7080","live":true,"draining":false,"heardMsAgo":120}],"partitions":[{"partition":7,"owner":"a","epoch":41,"movingTo":"b","copies":[{"node":"a","role":"owner","epoch":41,"appended":1200,"applied":1200,"fsynced":1200,"lag":0,"unit":1180,"hash":"9f3c6f0a7b1d2e4f"},{"node":"b","role":"standby","epoch":41,"appended":1200,"applied":1200,"fsynced":1200,"lag":0,"unit":1180,"hash":"9f3c6f0a7b1d2e4f"}]}]}]})"},
    {"ClusterNode",
     R"({"type":"object","required":["node","url","live","draining"],"properties":{"node":{"type":"string"},"url":{"type":"string"},"live":{"type":"boolean"},"draining":{"type":"boolean"},"heardMsAgo":{"type":"integer"}},"examples":[{"node":"a","url":"10.0.0.5:7080","live":true,"draining":false,"heardMsAgo":120}]})"},
    {"ClusterPartition",
     R"({"type":"object","required":["partition","owner","epoch","copies"],"properties":{"partition":{"type":"integer"},"owner":{"type":["string","null"]},"epoch":{"type":"integer"},"movingTo":{"type":"string"},"copies":{"type":"array","items":{"$ref":"#/components/schemas/ClusterCopy"}}},"examples":[{"partition":7,"owner":"a","epoch":41,"movingTo":"b","copies":[{"node":"a","role":"owner","epoch":41,"appended":1200,"applied":1200,"fsynced":1200,"lag":0,"unit":1180,"hash":"9f3c6f0a7b1d2e4f"},{"node":"b","role":"standby","epoch":41,"appended":1200,"applied":1200,"fsynced":1200,"lag":0,"unit":1180,"hash":"9f3c6f0a7b1d2e4f"}]}]})"},
    {"ClusterCopy",
     R"({"type":"object","required":["node","role"],"properties":{"node":{"type":"string"},"role":{"type":"string","enum":["owner","standby","catching-up","fenced","diverged","down"]},"epoch":{"type":"integer"},"appended":{"type":"integer"},"applied":{"type":"integer"},"fsynced":{"type":"integer"},"lag":{"type":"integer"},"unit":{"type":"integer"},"hash":{"type":"string"},"inSync":{"type":"boolean"},"needsSnapshot":{"type":"boolean"},"error":{"type":"string"}},"examples":[{"node":"a","role":"owner","epoch":41,"appended":1200,"applied":1200,"fsynced":1200,"lag":0,"unit":1180,"hash":"9f3c6f0a7b1d2e4f"}]})"},
    {"NewCluster",
     R"({"type":"object","properties":{"nodes":{"type":"array","items":{"type":"string"}},"restore":{"type":"boolean"}},"examples":[{"nodes":["a","b","c"]}]})"},
    {"PartitionMove",
     R"({"type":"object","required":["to"],"properties":{"to":{"type":"string"}},"examples":[{"to":"b"}]})"},
    {"PartitionHeal",
     R"({"type":"object","required":["from"],"properties":{"from":{"type":"string"}},"examples":[{"from":"b"}]})"},
    {"OfPartition",
     R"({"type":"integer","minimum":0,"description":"of a cluster: the partition that has it; with partition_by = \"key\" also in lists that several partitions may have the same of"})"},
    {"MissingPartitions",
     R"({"type":"array","items":{"type":"integer"},"description":"of a cluster with partition_by = \"key\": the partitions that have not answered and whose part is not in this answer; absent where all have","examples":[[3]]})"},
    {"ClusterOrder",
     R"({"type":"object","required":["id"],"properties":{"id":{"type":"string"}},"examples":[{"id":"9f3c6f0a7b1d2e4f"}]})"},
};

constexpr RouteShape kClusterShapes[] = {
    {RouteId::kGetCluster, "", "Cluster"},
    {RouteId::kInitCluster, "NewCluster", "ClusterOrder"},
    {RouteId::kGetPartition, "", "ClusterPartition"},
    {RouteId::kMovePartition, "PartitionMove", "ClusterOrder"},
    {RouteId::kHealPartition, "PartitionHeal", "ClusterOrder"},
    {RouteId::kDrainNode, "", "ClusterOrder"},
    {RouteId::kUndrainNode, "", "ClusterOrder"},
};

}  // namespace

ShapePart cluster_shapes() { return {kClusterComponents, kClusterShapes}; }

}  // namespace millrace::runtime::api
