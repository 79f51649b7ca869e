#include "runtime/api/routes.h"

namespace millrace::runtime::api {
namespace {

constexpr Route kRoutes[] = {
#define X(enumerator, owner, method, path, scope, query, doc) \
    {RouteId::enumerator,                                     \
     RouteOwner::owner,                                       \
     io::Method::method,                                      \
     path,                                                    \
     identity::Scope::scope,                                  \
     query,                                                   \
     doc,                                                     \
     #enumerator},
    MILLRACE_ROUTES(X)
#undef X
};

}  // namespace

std::span<const Route> route_table() { return kRoutes; }

}  // namespace millrace::runtime::api
