// Goal: every call of the table of routes belongs somewhere in a cluster, and what a cluster does
// not do is refused by name.
#include "runtime/node/front_routes.h"

#include "runtime/api/routes.h"

#include <gtest/gtest.h>

namespace millrace::runtime::node {
namespace {

using io::Method;

TEST(FrontRoutes, ByPathAndMethod) {
    struct Case {
        Method method;
        const char* path;
        Belongs to;
    };
    for (const Case& one :
         std::initializer_list<Case>{{Method::kGet, "/healthz", Belongs::kNode},
                                     {Method::kGet, "/metrics", Belongs::kNode},
                                     {Method::kPost, "/v2/cluster/init", Belongs::kNode},
                                     {Method::kGet, "/v2/clusters", Belongs::kTenant},
                                     {Method::kPost, "/cluster/follow", Belongs::kRefused},
                                     {Method::kPost, "/cluster", Belongs::kRefused},
                                     {Method::kGet, "/", Belongs::kConsole},
                                     {Method::kGet, "/console/app.js", Belongs::kConsole},
                                     {Method::kPost, "/v2/keys", Belongs::kKeys},
                                     {Method::kPost, "/v2/keys/k1/rotate", Belongs::kKeys},
                                     {Method::kPatch, "/v2/tenants/acme", Belongs::kKeys},
                                     {Method::kDelete, "/v2/tenants/acme", Belongs::kRefused},
                                     {Method::kGet, "/v2/tenants/acme/usage", Belongs::kTenant},
                                     {Method::kGet, "/v2/me", Belongs::kKeys},
                                     {Method::kPost, "/v2/session", Belongs::kKeys},
                                     {Method::kPost, "/v2/events", Belongs::kTenant},
                                     {Method::kOptions, "/v2/events", Belongs::kKeys},
                                     {Method::kPost, "/v2/webhooks/github", Belongs::kPublic},
                                     {Method::kOptions, "/v2/webhooks/github", Belongs::kPublic},
                                     {Method::kGet, "/v2/endpoint/GET/x", Belongs::kPublic},
                                     {Method::kPost, "/v2/edges/e1/batches", Belongs::kEdge},
                                     {Method::kGet, "/v2/edges/e.1/filters", Belongs::kEdge},
                                     {Method::kPost, "/v2/edges/batches", Belongs::kTenant},
                                     {Method::kPost, "/v2/edges", Belongs::kTenant},
                                     {Method::kGet, "/v2/stats/stream", Belongs::kLook},
                                     {Method::kGet, "/v2/log", Belongs::kLook},
                                     {Method::kGet, "/v2/audit/verify", Belongs::kAudit},
                                     {Method::kPost, "/v2/edges/e1/rotate", Belongs::kTenant},
                                     {Method::kPost, "/v2/backups", Belongs::kNamed}})
        EXPECT_EQ(front_route(one.method, one.path).to, one.to) << one.path;
    EXPECT_EQ(front_route(Method::kGet, "/v2/tenants/acme/usage").tenant, "acme");
}

TEST(FrontRoutes, RefusalsSayWhy) {
    for (const api::Route& route : api::route_table()) {
        const FrontRoute found = front_route(route.method, route.path);
        EXPECT_EQ(found.to == Belongs::kRefused, !found.why.empty()) << route.path;
    }
}

}  // namespace
}  // namespace millrace::runtime::node
