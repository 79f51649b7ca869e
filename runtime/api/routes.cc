#include "runtime/api/routes.h"

#include "runtime/hub/hub_batch.h"

namespace millrace::runtime::api {
namespace {

constexpr BodyBytes body_of(RouteId id) {
    switch (id) {
        // A query and its variables.
        case RouteId::kPostGraphql: return {.most = 256u << 10};
        // One event of an edge may be as large as all of it: what is refused would never come.
        case RouteId::kTakeBatch: return {.least = hub::kBatchPackedBytesMax};
        default: return {};
    }
}

constexpr Route kRoutes[] = {
#define X(enumerator, owner, method, path, scope, query, doc) \
    {RouteId::enumerator,                                     \
     RouteOwner::owner,                                       \
     io::Method::method,                                      \
     path,                                                    \
     identity::Scope::scope,                                  \
     query,                                                   \
     doc,                                                     \
     #enumerator,                                             \
     body_of(RouteId::enumerator)},
    MILLRACE_ROUTES(X)
#undef X
};

}  // namespace

std::span<const Route> route_table() { return kRoutes; }

}  // namespace millrace::runtime::api
