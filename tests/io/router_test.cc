// Goal: the right route, parameters decoded once, 404 and 405 told apart, and nothing that a path
// could smuggle past a segment. Method: one table of routes, many paths.
#include "io/router.h"

#include <gtest/gtest.h>

namespace millrace::io {
namespace {

Router table() {
    Router router;
    router.add(Method::kPost, "/v2/events", 1);
    router.add(Method::kGet, "/v2/events", 2);
    router.add(Method::kGet, "/v2/events/stream", 3);
    router.add(Method::kGet, "/v2/events/{eventId}", 4);
    router.add(Method::kGet, "/v2/events/{eventId}/trace", 5);
    router.add(Method::kDelete, "/v2/dlq/{id}", 6);
    router.add(Method::kGet, "/", 7);
    router.add(Method::kGet, "/console/*", 8);
    router.add(Method::kPost, "/v2/{kind}/{id}/replay", 9);
    router.add(Method::kOptions, "/v2/own", 10);
    return router;
}

struct Expected {
    Method method;
    std::string_view path;
    RouteOutcome outcome;
    std::uint32_t route;
};

TEST(Router, FindsTheRoute) {
    const Router router = table();
    const Expected cases[] = {
        {Method::kPost, "/v2/events", RouteOutcome::kFound, 1},
        {Method::kGet, "/v2/events", RouteOutcome::kFound, 2},
        {Method::kHead, "/v2/events", RouteOutcome::kFound, 2},
        {Method::kGet, "/v2/events/stream", RouteOutcome::kFound, 3},
        {Method::kGet, "/v2/events/streams", RouteOutcome::kFound, 4},
        {Method::kGet, "/v2/events/e1/trace", RouteOutcome::kFound, 5},
        {Method::kGet, "/", RouteOutcome::kFound, 7},
        {Method::kGet, "/console/app/main.js", RouteOutcome::kFound, 8},
        {Method::kPost, "/v2/events/e1/replay", RouteOutcome::kFound, 9},
        {Method::kOptions, "/v2/own", RouteOutcome::kFound, 10},
        {Method::kGet, "/v2", RouteOutcome::kNotFound, 0},
        {Method::kGet, "/v2/events/", RouteOutcome::kNotFound, 0},
        {Method::kGet, "/v2/events/a/b/c", RouteOutcome::kNotFound, 0},
        {Method::kGet, "//v2/events", RouteOutcome::kNotFound, 0},
        {Method::kGet, "*", RouteOutcome::kNotFound, 0},
        {Method::kGet, "", RouteOutcome::kNotFound, 0},
        {Method::kDelete, "/v2/events", RouteOutcome::kMethodNotAllowed, 0},
        {Method::kGet, "/v2/dlq/1", RouteOutcome::kMethodNotAllowed, 0},
        {Method::kPost, "/console/x", RouteOutcome::kMethodNotAllowed, 0},
    };
    RouteMatch match;
    for (const Expected& one : cases) {
        EXPECT_EQ(router.match(one.method, one.path, match), one.outcome) << one.path;
        if (one.outcome == RouteOutcome::kFound) {
            EXPECT_EQ(match.route, one.route) << one.path;
        }
    }
}

TEST(Router, DecodesParametersOnce) {
    const Router router = table();
    RouteMatch match;
    ASSERT_EQ(router.match(Method::kGet, "/v2/events/a%20b%2541+c", match), RouteOutcome::kFound);
    EXPECT_EQ(match.param("eventId"), "a b%41+c");
    EXPECT_EQ(match.param("other"), "");
    ASSERT_EQ(router.match(Method::kGet, "/console/a%20b/c", match), RouteOutcome::kFound);
    EXPECT_EQ(match.param("*"), "a b/c");
}

TEST(Router, KeepsACodedSlashInsideAParameter) {
    const Router router = table();
    RouteMatch match;
    ASSERT_EQ(router.match(Method::kGet, "/v2/events/a%2Fb%5Cc", match), RouteOutcome::kFound);
    EXPECT_EQ(match.param("eventId"), "a/b\\c");
}

TEST(Router, RefusesWhatCouldMeanAnotherPath) {
    const Router router = table();
    RouteMatch match;
    for (const std::string_view path :
         {"/v2/events/%00", "/v2/events/..", "/v2/events/%2e%2e", "/v2/events/.", "/v2/events/%zz",
          "/v2/events/%4", "/v2/events/%", "/console/a%2fb", "/console/a%5cb", "/console/../etc",
          "/console/a/%2e%2e/b", "/console/%00"}) {
        EXPECT_EQ(router.match(Method::kGet, path, match), RouteOutcome::kBadPath) << path;
    }
}

TEST(Router, NamesTheAllowedMethods) {
    const Router router = table();
    RouteMatch match;
    ASSERT_EQ(router.match(Method::kPut, "/v2/events", match), RouteOutcome::kMethodNotAllowed);
    EXPECT_EQ(match.allow, "GET, HEAD, POST, OPTIONS");
    ASSERT_EQ(router.match(Method::kOptions, "/v2/dlq/7", match), RouteOutcome::kMethodNotAllowed);
    EXPECT_EQ(match.allow, "DELETE, OPTIONS");
}

}  // namespace
}  // namespace millrace::io
