// Goal: where events live by their keys each call has one who answers it.
#include "runtime/node/key_routes.h"

#include "runtime/api/routes.h"

#include <gtest/gtest.h>

namespace millrace::runtime::node {
namespace {

using io::Method;

TEST(KeyRoutes, ByPathAndMethod) {
    struct Case {
        Method method;
        const char* path;
        KeyWay way;
    };
    for (const Case& one :
         std::initializer_list<Case>{{Method::kPost, "/v2/events", KeyWay::kEvents},
                                     {Method::kGet, "/v2/events", KeyWay::kPage},
                                     {Method::kGet, "/v2/events/stream", KeyWay::kStream},
                                     {Method::kGet, "/v2/events/ws", KeyWay::kSocket},
                                     {Method::kGet, "/v2/events/e1", KeyWay::kById},
                                     {Method::kDelete, "/v2/events/e1", KeyWay::kById},
                                     {Method::kGet, "/v2/events/e1/trace", KeyWay::kFigures},
                                     {Method::kGet, "/v2/executions", KeyWay::kPage},
                                     {Method::kGet, "/v2/executions/ex_1", KeyWay::kById},
                                     {Method::kGet, "/v2/dlq", KeyWay::kPage},
                                     {Method::kPost, "/v2/dlq/dl_1/replay", KeyWay::kById},
                                     {Method::kPost, "/v2/dlq/replay", KeyWay::kRedrive},
                                     {Method::kGet, "/v2/kv", KeyWay::kFigures},
                                     {Method::kGet, "/v2/retries", KeyWay::kPage},
                                     {Method::kGet, "/v2/schemas/s/violations", KeyWay::kPage},
                                     {Method::kPost, "/v2/schemas/check", KeyWay::kFigures},
                                     {Method::kGet, "/v2/dlq/groups", KeyWay::kFigures},
                                     {Method::kGet, "/v2/stats/stream", KeyWay::kFigures},
                                     {Method::kGet, "/v2/config", KeyWay::kHomeOrOne},
                                     {Method::kPost, "/v2/replays", KeyWay::kReplays},
                                     {Method::kGet, "/v2/stats", KeyWay::kFigures},
                                     {Method::kGet, "/v2/tenants/acme/usage", KeyWay::kFigures},
                                     {Method::kPost, "/v2/script/run", KeyWay::kHomeOrOne},
                                     {Method::kGet, "/v2/scripts", KeyWay::kHome},
                                     {Method::kPost, "/v2/scripts", KeyWay::kChange},
                                     {Method::kPost, "/v2/scripts/s/canary", KeyWay::kChange},
                                     {Method::kGet, "/v2/scripts/s/canary", KeyWay::kHome},
                                     {Method::kPost, "/v2/scripts/s/try", KeyWay::kTrial},
                                     {Method::kPost, "/v2/scripts/s/rollback", KeyWay::kChange},
                                     {Method::kDelete, "/v2/subscriptions/s", KeyWay::kRemoval},
                                     {Method::kPost, "/v2/subscriptions/match", KeyWay::kHome},
                                     {Method::kPost, "/v2/actions/a/call", KeyWay::kHome},
                                     {Method::kPut, "/v2/entities/order/1", KeyWay::kHome},
                                     {Method::kPost, "/v2/links", KeyWay::kChange},
                                     {Method::kGet, "/v2/links", KeyWay::kLinks},
                                     {Method::kGet, "/v2/links/l", KeyWay::kLinks},
                                     {Method::kPost, "/v2/links/l/reset", KeyWay::kChange},
                                     {Method::kPost, "/v2/links/l/test", KeyWay::kHome},
                                     {Method::kPost, "/v2/edges", KeyWay::kChange},
                                     {Method::kGet, "/v2/edges/e", KeyWay::kHome},
                                     {Method::kPut, "/v2/workflows/w", KeyWay::kChange},
                                     {Method::kGet, "/v2/workflows/w/versions", KeyWay::kHome},
                                     {Method::kPost, "/v2/workflows/w/execute", KeyWay::kRun},
                                     {Method::kGet, "/v2/workflow-runs", KeyWay::kPage},
                                     {Method::kGet, "/v2/workflow-runs/r", KeyWay::kById},
                                     {Method::kPost, "/v2/workflow-runs/r/signal", KeyWay::kById},
                                     {Method::kGet, "/v2/workflow-keys", KeyWay::kHome},
                                     {Method::kPost, "/v2/workflow-keys/rotate", KeyWay::kEach},
                                     {Method::kPost, "/v2/graphql", KeyWay::kSocket},
                                     {Method::kPut, "/v2/secrets/s", KeyWay::kChange}})
        EXPECT_EQ(key_way(one.method, one.path), one.way) << one.path;
}

// Whoever knows the routes says so: no partition has to be named first.
TEST(KeyRoutes, WhatIsNoRouteOfTheDeadLettersIsAskedOfAll) {
    EXPECT_EQ(key_way(Method::kPost, "/v2/dlq/groups"), KeyWay::kById);
    EXPECT_EQ(key_way(Method::kDelete, "/v2/dlq/groups"), KeyWay::kById);
    EXPECT_EQ(key_way(Method::kGet, "/v2/dlq/groups/f"), KeyWay::kById);
}

}  // namespace
}  // namespace millrace::runtime::node
