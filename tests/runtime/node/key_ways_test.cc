// Goal: no route is forgotten where events live by their keys: each that a tenant's partitions
// answer stands here with its way, and one that is new has none until somebody has decided it.
#include "runtime/api/routes.h"
#include "runtime/node/front_routes.h"
#include "runtime/node/key_routes.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace millrace::runtime::node {
namespace {

// clang-format off
const std::map<std::string, KeyWay> kDecided = {
    {"POST /v2/events", KeyWay::kEvents},
    {"GET /v2/events", KeyWay::kPage},
    {"GET /v2/events/stream", KeyWay::kStream},
    {"GET /v2/events/ws", KeyWay::kSocket},
    {"POST /v2/graphql", KeyWay::kSocket},
    {"GET /v2/graphql", KeyWay::kSocket},
    {"GET /v2/events/{eventId}", KeyWay::kById},
    {"DELETE /v2/events/{eventId}", KeyWay::kById},
    {"GET /v2/events/{eventId}/trace", KeyWay::kFigures},
    {"POST /v2/scripts", KeyWay::kChange},
    {"GET /v2/scripts", KeyWay::kHome},
    {"GET /v2/scripts/{id}", KeyWay::kHome},
    {"PUT /v2/scripts/{id}", KeyWay::kChange},
    {"PATCH /v2/scripts/{id}", KeyWay::kChange},
    {"DELETE /v2/scripts/{id}", KeyWay::kChange},
    {"GET /v2/scripts/{id}/versions", KeyWay::kHome},
    {"GET /v2/scripts/{id}/versions/{version}", KeyWay::kHome},
    {"POST /v2/scripts/{id}/try", KeyWay::kTrial},
    {"POST /v2/scripts/{id}/canary", KeyWay::kChange},
    {"GET /v2/scripts/{id}/canary", KeyWay::kHome},
    {"DELETE /v2/scripts/{id}/canary", KeyWay::kChange},
    {"POST /v2/scripts/{id}/rollback", KeyWay::kChange},
    {"POST /v2/secrets", KeyWay::kChange},
    {"GET /v2/secrets", KeyWay::kHome},
    {"GET /v2/secrets/{id}", KeyWay::kHome},
    {"PUT /v2/secrets/{id}", KeyWay::kChange},
    {"PATCH /v2/secrets/{id}", KeyWay::kChange},
    {"DELETE /v2/secrets/{id}", KeyWay::kChange},
    {"GET /v2/secrets/{id}/versions", KeyWay::kHome},
    {"POST /v2/actions", KeyWay::kChange},
    {"GET /v2/actions", KeyWay::kHome},
    {"GET /v2/actions/{id}", KeyWay::kHome},
    {"PUT /v2/actions/{id}", KeyWay::kChange},
    {"PATCH /v2/actions/{id}", KeyWay::kChange},
    {"DELETE /v2/actions/{id}", KeyWay::kChange},
    {"POST /v2/actions/{id}/call", KeyWay::kHome},
    {"POST /v2/script/run", KeyWay::kHomeOrOne},
    {"POST /v2/subscriptions", KeyWay::kChange},
    {"GET /v2/subscriptions", KeyWay::kHome},
    {"POST /v2/subscriptions/match", KeyWay::kHome},
    {"POST /v2/subscriptions/preview", KeyWay::kFigures},
    {"GET /v2/subscriptions/{id}", KeyWay::kHome},
    {"PATCH /v2/subscriptions/{id}", KeyWay::kChange},
    {"DELETE /v2/subscriptions/{id}", KeyWay::kRemoval},
    {"POST /v2/subscriptions/{id}/pause", KeyWay::kChange},
    {"POST /v2/subscriptions/{id}/resume", KeyWay::kResume},
    {"POST /v2/sources", KeyWay::kChange},
    {"GET /v2/sources", KeyWay::kHome},
    {"GET /v2/sources/{id}", KeyWay::kHome},
    {"PUT /v2/sources/{id}", KeyWay::kChange},
    {"PATCH /v2/sources/{id}", KeyWay::kChange},
    {"DELETE /v2/sources/{id}", KeyWay::kChange},
    {"POST /v2/sources/{id}/rotate", KeyWay::kChange},
    {"POST /v2/sources/{id}/test", KeyWay::kHome},
    {"GET /v2/sources/{id}/deliveries", KeyWay::kHome},
    {"POST /v2/links", KeyWay::kChange},
    {"GET /v2/links", KeyWay::kLinks},
    {"GET /v2/links/{id}", KeyWay::kLinks},
    {"PUT /v2/links/{id}", KeyWay::kChange},
    {"PATCH /v2/links/{id}", KeyWay::kChange},
    {"DELETE /v2/links/{id}", KeyWay::kChange},
    {"POST /v2/links/{id}/pause", KeyWay::kChange},
    {"POST /v2/links/{id}/resume", KeyWay::kChange},
    {"POST /v2/links/{id}/reset", KeyWay::kChange},
    {"POST /v2/links/{id}/test", KeyWay::kHome},
    {"POST /v2/edges", KeyWay::kChange},
    {"GET /v2/edges", KeyWay::kHome},
    {"GET /v2/edges/{id}", KeyWay::kHome},
    {"PATCH /v2/edges/{id}", KeyWay::kChange},
    {"POST /v2/edges/{id}/rotate", KeyWay::kChange},
    {"POST /v2/edges/{id}/backfill", KeyWay::kChange},
    {"DELETE /v2/edges/{id}", KeyWay::kChange},
    {"POST /v2/schedules", KeyWay::kChange},
    {"POST /v2/schedules/bulk", KeyWay::kChange},
    {"GET /v2/schedules", KeyWay::kHome},
    {"GET /v2/schedules/{id}", KeyWay::kHome},
    {"PUT /v2/schedules/{id}", KeyWay::kChange},
    {"PATCH /v2/schedules/{id}", KeyWay::kChange},
    {"DELETE /v2/schedules/{id}", KeyWay::kChange},
    {"GET /v2/schedules/{id}/runs", KeyWay::kHome},
    {"GET /v2/schedules/{id}/preview", KeyWay::kHome},
    {"POST /v2/schedules/{id}/pause", KeyWay::kChange},
    {"POST /v2/schedules/{id}/resume", KeyWay::kChange},
    {"POST /v2/schedules/{id}/trigger", KeyWay::kChange},
    {"POST /v2/schedules/{id}/backfill", KeyWay::kChange},
    {"POST /v2/endpoints", KeyWay::kChange},
    {"GET /v2/endpoints", KeyWay::kHome},
    {"GET /v2/endpoints/{id}", KeyWay::kHome},
    {"PUT /v2/endpoints/{id}", KeyWay::kChange},
    {"PATCH /v2/endpoints/{id}", KeyWay::kChange},
    {"DELETE /v2/endpoints/{id}", KeyWay::kChange},
    {"POST /v2/entities/{type}", KeyWay::kHome},
    {"GET /v2/entities/{type}", KeyWay::kHome},
    {"GET /v2/entities/{type}/{id}", KeyWay::kHome},
    {"PUT /v2/entities/{type}/{id}", KeyWay::kHome},
    {"PATCH /v2/entities/{type}/{id}", KeyWay::kHome},
    {"DELETE /v2/entities/{type}/{id}", KeyWay::kHome},
    {"POST /v2/hooks", KeyWay::kChange},
    {"GET /v2/hooks", KeyWay::kHome},
    {"POST /v2/hooks/run", KeyWay::kHome},
    {"GET /v2/hooks/{id}", KeyWay::kHome},
    {"PUT /v2/hooks/{id}", KeyWay::kChange},
    {"PATCH /v2/hooks/{id}", KeyWay::kChange},
    {"DELETE /v2/hooks/{id}", KeyWay::kChange},
    {"POST /v2/subscriptions/{id}/rotate-secret", KeyWay::kChange},
    {"POST /v2/subscriptions/{id}/test", KeyWay::kHome},
    {"POST /v2/schemas", KeyWay::kChange},
    {"GET /v2/schemas", KeyWay::kHome},
    {"POST /v2/schemas/check", KeyWay::kFigures},
    {"GET /v2/schemas/{id}", KeyWay::kHome},
    {"PUT /v2/schemas/{id}", KeyWay::kChange},
    {"PATCH /v2/schemas/{id}", KeyWay::kChange},
    {"DELETE /v2/schemas/{id}", KeyWay::kChange},
    {"GET /v2/schemas/{id}/versions", KeyWay::kHome},
    {"GET /v2/schemas/{id}/versions/{version}", KeyWay::kHome},
    {"POST /v2/schemas/{id}/validate", KeyWay::kHome},
    {"GET /v2/schemas/{id}/violations", KeyWay::kPage},
    {"GET /v2/executions", KeyWay::kPage},
    {"GET /v2/executions/{id}", KeyWay::kById},
    {"GET /v2/dlq", KeyWay::kPage},
    {"POST /v2/dlq/rehearse", KeyWay::kRehearse},
    {"GET /v2/dlq/groups", KeyWay::kFigures},
    {"PATCH /v2/dlq/groups/{fingerprint}", KeyWay::kMark},
    {"POST /v2/dlq/replay", KeyWay::kRedrive},
    {"GET /v2/dlq/{id}", KeyWay::kById},
    {"DELETE /v2/dlq/{id}", KeyWay::kById},
    {"POST /v2/dlq/{id}/replay", KeyWay::kById},
    {"PUT /v2/dlq/{id}/event", KeyWay::kById},
    {"GET /v2/retries", KeyWay::kPage},
    {"POST /v2/replays", KeyWay::kReplays},
    {"GET /v2/replays", KeyWay::kReplays},
    {"GET /v2/replays/{id}", KeyWay::kReplays},
    {"GET /v2/replays/{id}/diff", KeyWay::kReplays},
    {"DELETE /v2/replays/{id}", KeyWay::kReplays},
    {"GET /v2/tenants/{id}/usage", KeyWay::kFigures},
    {"POST /v2/workflows", KeyWay::kChange},
    {"GET /v2/workflows", KeyWay::kHome},
    {"GET /v2/workflows/{id}", KeyWay::kHome},
    {"PUT /v2/workflows/{id}", KeyWay::kChange},
    {"PATCH /v2/workflows/{id}", KeyWay::kChange},
    {"DELETE /v2/workflows/{id}", KeyWay::kChange},
    {"GET /v2/workflows/{id}/versions", KeyWay::kHome},
    {"POST /v2/workflows/{id}/execute", KeyWay::kRun},
    {"GET /v2/workflow-runs", KeyWay::kPage},
    {"GET /v2/workflow-runs/{runId}", KeyWay::kById},
    {"GET /v2/workflow-runs/{runId}/history", KeyWay::kById},
    {"POST /v2/workflow-runs/{runId}/cancel", KeyWay::kById},
    {"POST /v2/workflow-runs/{runId}/terminate", KeyWay::kById},
    {"POST /v2/workflow-runs/{runId}/pause", KeyWay::kById},
    {"POST /v2/workflow-runs/{runId}/resume", KeyWay::kById},
    {"POST /v2/workflow-runs/{runId}/signal", KeyWay::kById},
    {"POST /v2/workflow-runs/{runId}/rehearse", KeyWay::kById},
    {"GET /v2/workflow-keys", KeyWay::kHome},
    {"POST /v2/workflow-keys/rotate", KeyWay::kEach},
    {"GET /v2/kv", KeyWay::kFigures},
    {"GET /v2/executors", KeyWay::kFigures},
    {"GET /v2/config", KeyWay::kHomeOrOne},
    {"GET /v2/log", KeyWay::kFigures},
    {"GET /v2/stats", KeyWay::kFigures},
    {"GET /v2/stats/stream", KeyWay::kFigures},
    {"GET /openapi.json", KeyWay::kHome},
};
// clang-format on

std::string name_of(const api::Route& route) {
    return std::string(io::method_text(route.method)) + " " + std::string(route.path);
}

// The others have one answer for both ways to partition (front_routes.h).
bool is_spread(const api::Route& route) {
    const Belongs to = front_route(route.method, route.path).to;
    return to == Belongs::kTenant || to == Belongs::kLook;
}

TEST(KeyWays, EveryRouteHasOneThatWasDecided) {
    for (const api::Route& route : api::route_table()) {
        if (!is_spread(route)) continue;
        const auto decided = kDecided.find(name_of(route));
        ASSERT_NE(decided, kDecided.end())
            << name_of(route) << ": who answers it with partition_by = \"key\"? Decide it in "
            << "runtime/node/key_routes.cc, and write it down here";
        EXPECT_EQ(key_way(route.method, route.path), decided->second) << name_of(route);
    }
}

TEST(KeyWays, NothingIsDecidedThatIsNoRoute) {
    std::map<std::string, bool> there;
    for (const api::Route& route : api::route_table()) there[name_of(route)] = is_spread(route);
    for (const auto& [name, way] : kDecided) {
        (void)way;
        EXPECT_TRUE(there.contains(name) && there[name]) << name;
    }
}

}  // namespace
}  // namespace millrace::runtime::node
