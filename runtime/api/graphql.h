// What: queries of GraphQL, answered by the REST calls that their fields stand for: the same
//       filters, pages, limits and rights, of which a selection is told.
// Threads: the API thread. Lifetime: `operation` is kept until it is answered.
// Limits: graphql::kRootFieldsMax fields of a query; graphql::kResultBytesMax of an answer.
// Failure: a field that fails is null, and "errors" says why; the others are answered.
#pragma once

#include "core/result.h"
#include "io/http_types.h"
#include "runtime/api/services.h"
#include "runtime/graphql/request.h"
#include "runtime/identity/principal.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::runtime::api {

struct ApiResponse;

// What a POST or a GET of /v2/graphql asks for.
core::Result<graphql::GraphqlRequest> graphql_request_of(io::Method method,
                                                         std::string_view content_type,
                                                         std::string_view query,
                                                         std::string_view body);

// `done` gets {"data":...,"errors":[...]}, once.
void answer_graphql(Services& services, const identity::Principal& principal,
                    std::shared_ptr<const graphql::PreparedOperation> operation,
                    std::function<void(std::string&&)> done);

// A query as HTTP brings it, and what it is answered; who answers its operation is given.
struct GraphqlHttp {
    io::Method method = io::Method::kGet;
    std::string_view content_type, accept, query, body;
};
using GraphqlAnswerer = std::function<void(std::shared_ptr<const graphql::PreparedOperation>,
                                           std::function<void(std::string&&)> done)>;
void query_graphql_over(const GraphqlHttp& asked, const GraphqlAnswerer& answer,
                        const std::function<void(ApiResponse&&)>& respond);

// Behind which position a subscription goes on after an event as the REST calls show it; empty: it
// is in no log.
std::string graphql_position_of(store::Database& database, const core::JsonElement& event);

}  // namespace millrace::runtime::api
