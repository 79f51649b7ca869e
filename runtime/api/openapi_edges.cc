// Shapes of edges, as openapi_shapes.cc has those of the rest.
#include "runtime/api/openapi_parts.h"

namespace millrace::runtime::api {
namespace {

constexpr Component kEdgeComponents[] = {
    {"NewEdge",
     R"({"type":"object","required":["node"],"properties":{"node":{"type":"string"},"id":{"type":"string"},"name":{"type":"string"}},"examples":[{"node":"shop-1","name":"Till in the first shop"}]})"},
    {"EnrolledEdge",
     R"({"type":"object","required":["token","id","node","name","tokenPrefix","version","createdAt","updatedAt"],"properties":{"token":{"type":"string"},"id":{"type":"string"},"node":{"type":"string"},"name":{"type":"string"},"tokenPrefix":{"type":"string"},"version":{"type":"integer"},"createdAt":{"type":"string"},"updatedAt":{"type":"string"}},"examples":[{"token":"mredge_0f...","id":"shop-1","node":"shop-1","name":"","tokenPrefix":"mredge_0f12","version":1,"createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z"}]})"},
    {"Edge",
     R"({"type":"object","required":["id","node","name","tokenPrefix","version","createdAt","updatedAt","status"],"properties":{"id":{"type":"string"},"node":{"type":"string"},"name":{"type":"string"},"tokenPrefix":{"type":"string"},"version":{"type":"integer"},"createdAt":{"type":"string"},"updatedAt":{"type":"string"},"status":{"type":"object","required":["lastSeenAt","lag","taken","duplicates","skipped","rejected","shards","backfills","lastError"],"properties":{"lastSeenAt":{"type":["string","null"]},"lag":{"type":["integer","null"]},"taken":{"type":"integer"},"duplicates":{"type":"integer"},"skipped":{"type":"integer"},"rejected":{"type":"integer"},"shards":{"type":"array","items":{"type":"object","properties":{"incarnation":{"type":"string"},"shard":{"type":"integer"},"to":{"type":"integer"},"at":{"type":"string"},"first":{"type":"boolean"},"skips":{"type":"array","items":{"type":"object","properties":{"filterVersion":{"type":"string"},"from":{"type":"integer"},"to":{"type":"integer"}}}}}}},"backfills":{"type":"array","items":{"type":"object","required":["incarnation","shard","to","at","run","taken","done"],"properties":{"incarnation":{"type":"string"},"shard":{"type":"integer"},"to":{"type":"integer"},"at":{"type":"string"},"run":{"type":"object","properties":{"filterVersion":{"type":"string"},"from":{"type":"integer"},"to":{"type":"integer"}}},"taken":{"type":"integer"},"done":{"type":"boolean"}}}},"lastError":{"type":["object","null"],"properties":{"message":{"type":"string"},"at":{"type":"string"}}}}}},"examples":[{"id":"shop-1","node":"shop-1","name":"","tokenPrefix":"mredge_0f12","version":1,"createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z","status":{"lastSeenAt":"2026-01-02T03:05:05.678Z","lag":0,"taken":12,"duplicates":0,"skipped":1,"rejected":0,"shards":[{"incarnation":"9f3c6f0a7b1d2e4f","shard":0,"to":13,"at":"2026-01-02T03:05:05.678Z","first":false,"skips":[{"filterVersion":"9f3c6f0a7b1d2e4f","from":0,"to":13}]}],"backfills":[],"lastError":null}}]})"},
    {"EdgePatch",
     R"({"type":"object","properties":{"name":{"type":"string"}},"examples":[{"name":"Till by the door"}]})"},
    {"EdgeBackfills",
     R"({"type":"object","required":["backfills"],"properties":{"backfills":{"type":"array","items":{"type":"object","required":["incarnation","shard","to","at","run","taken","done"],"properties":{"incarnation":{"type":"string"},"shard":{"type":"integer"},"to":{"type":"integer"},"at":{"type":"string"},"run":{"type":"object","properties":{"filterVersion":{"type":"string"},"from":{"type":"integer"},"to":{"type":"integer"}}},"taken":{"type":"integer"},"done":{"type":"boolean"}}}}},"examples":[{"backfills":[{"incarnation":"9f3c6f0a7b1d2e4f","shard":0,"to":0,"at":"2026-01-02T03:05:05.678Z","run":{"filterVersion":"9f3c6f0a7b1d2e4f","from":0,"to":13},"taken":0,"done":false}]}]})"},
    {"EdgeBatch",
     R"({"type":"string","format":"binary","description":"application/vnd.millrace.batch: a run of one shard's log, as runtime/hub/hub_batch.h lays it out"})"},
    {"BatchTaken",
     R"({"type":"object","required":["to","hash","events","window","filterVersion"],"properties":{"to":{"type":"integer"},"hash":{"type":"string"},"events":{"type":"integer"},"window":{"type":"integer"},"filterVersion":{"type":"string"}},"examples":[{"to":13,"hash":"9f3c6f0a7b1d2e4f","events":12,"window":1048576,"filterVersion":"0000000000000000"}]})"},
    {"EdgeFilters",
     R"({"type":"object","required":["version","all","patterns","filters"],"properties":{"version":{"type":"string"},"all":{"type":"boolean"},"patterns":{"type":"array","items":{"type":"string"}},"filters":{"type":"array","items":{"type":"object"}},"traces":{"type":"boolean"}},"examples":[{"version":"0000000000000000","all":true,"patterns":[],"filters":[],"traces":true}]})"},
};

constexpr RouteShape kEdgeShapes[] = {
    {RouteId::kEnrollEdge, "NewEdge", "EnrolledEdge"},
    {RouteId::kListEdges, "", "[Edge]"},
    {RouteId::kGetEdge, "", "Edge"},
    {RouteId::kPatchEdge, "EdgePatch", "Edge"},
    {RouteId::kRotateEdge, "", "EnrolledEdge"},
    {RouteId::kBackfillEdge, "", "EdgeBackfills"},
    {RouteId::kDeleteEdge, "", "Success"},
    {RouteId::kTakeBatch, "EdgeBatch", "BatchTaken"},
    {RouteId::kEdgeFilters, "", "EdgeFilters"},
};

}  // namespace

ShapePart edge_shapes() { return {kEdgeComponents, kEdgeShapes}; }

}  // namespace millrace::runtime::api
