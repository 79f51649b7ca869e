// What: where a request to a node belongs, by its method and path alone: to the node itself, to the
//       partition where the keys are, to the one of whoever asks; or nowhere in a cluster, and why.
// Threads: pure. Lifetime: texts are constants. Limits: none. Failure: none.
#pragma once

#include "io/http_types.h"

#include <cstdint>
#include <string_view>

namespace millrace::runtime::node {

enum class Belongs : std::uint8_t {
    kNode,     // /healthz, /readyz, /metrics, /v2/cluster
    kConsole,  // the console's files
    kKeys,     // keys, tenants, sessions: judged and answered where the keys are
    kTenant,   // of a tenant that is one of two who ask: by key, in the tenant's partition
    kPublic,   // whoever asks may be nobody: `tenant` in the query says whose it is
    kNamed,    // of the partition that `partition` in the query names
    kLook,     // of whoever asks, or of the partition that is named: figures, settings, logs
    kAudit,    // likewise: changes of keys and tenants stand where those are
    kEdge,     // an edge's own: its token says whose it is (registry/edge_token.h)
    kRefused,
};

struct FrontRoute {
    Belongs to = Belongs::kTenant;
    std::string_view why = {};  // kRefused
    // The tenant whose document it is about: its partition has a copy. Empty: none.
    std::string_view tenant = {};
};

FrontRoute front_route(io::Method method, std::string_view path);

// Doing it twice is doing it once.
inline bool is_repeatable(io::Method method) {
    return method == io::Method::kGet || method == io::Method::kHead ||
           method == io::Method::kOptions;
}

}  // namespace millrace::runtime::node
