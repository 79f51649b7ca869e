// /v2/cluster on a server that is a node of none: nodes answer these calls by themselves
// (runtime/node), before a request comes here.
#include "runtime/api/handlers.h"

namespace millrace::runtime::api {

Answer outside_cluster(Call&) {
    return core::fail(
        core::ErrorCode::kNotFound,
        "this server is a node of no cluster: [cluster] in its settings makes it one; "
        "see millrace help cluster");
}

}  // namespace millrace::runtime::api
