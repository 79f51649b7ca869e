// Shapes of GraphQL's calls, as openapi_shapes.cc has those of the rest.
#include "runtime/api/openapi_parts.h"

namespace millrace::runtime::api {
namespace {

constexpr Component kGraphqlComponents[] = {
    {"GraphqlRequest",
     R"({"type":"object","required":["query"],"properties":{"query":{"type":"string","minLength":1},"operationName":{"type":["string","null"]},"variables":{"type":["object","null"]},"extensions":{"type":["object","null"]}},"examples":[{"query":"{events(pattern:\"order.*\",limit:10){items{eventId position}next}}"}]})"},
    {"GraphqlResult",
     R"({"type":"object","properties":{"data":{"type":["object","null"]},"errors":{"type":"array","items":{"type":"object","required":["message"],"properties":{"message":{"type":"string"},"locations":{"type":"array","items":{"type":"object","properties":{"line":{"type":"integer"},"column":{"type":"integer"}}}},"path":{"type":"array"},"extensions":{"type":"object"}}}},"extensions":{"type":"object"}},"examples":[{"data":{"events":{"items":[{"eventId":"o-1","position":"0-12"}],"next":null}}}]})"},
};

constexpr RouteShape kGraphqlShapes[] = {
    {RouteId::kPostGraphql, "GraphqlRequest", "GraphqlResult"},
    {RouteId::kGetGraphql, "", "GraphqlResult"},
};

}  // namespace

ShapePart graphql_shapes() { return {kGraphqlComponents, kGraphqlShapes}; }

}  // namespace millrace::runtime::api
