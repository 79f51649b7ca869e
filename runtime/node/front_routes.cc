#include "runtime/node/front_routes.h"

#include <algorithm>
#include <array>

namespace millrace::runtime::node {
namespace {

// The path itself, or below it.
bool within(std::string_view path, std::string_view folder) {
    return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

// What an edge asks by itself: /v2/edges/{id}/batches and .../filters.
bool is_asked_by_edge(std::string_view path) {
    constexpr std::string_view kEdges = "/v2/edges/";
    if (!path.starts_with(kEdges)) return false;
    path.remove_prefix(kEdges.size());
    const std::string_view asked = path.substr(std::min(path.find('/'), path.size()));
    return asked == "/batches" || asked == "/filters";
}

constexpr std::array<std::string_view, 5> kOfKeys = {"/v2/keys", "/v2/tenants", "/v2/session",
                                                     "/v2/portal", "/v2/me"};

}  // namespace

FrontRoute front_route(io::Method method, std::string_view path) {
    if (path == "/healthz" || path == "/readyz" || path == "/metrics" ||
        within(path, "/v2/cluster"))
        return {Belongs::kNode};
    if (path == "/" || within(path, "/console")) return {Belongs::kConsole};
    constexpr std::string_view kTenants = "/v2/tenants/";
    if (path.starts_with(kTenants)) {
        std::string_view id = path.substr(kTenants.size());
        const std::size_t slash = id.find('/');
        if (method == io::Method::kDelete && slash == std::string_view::npos) {
            return {Belongs::kRefused,
                    "a cluster removes no tenant, for its name is in one partition and what it has "
                    "in another: suspend it (PATCH {\"suspended\":true})"};
        }
        return {slash == std::string_view::npos ? Belongs::kKeys : Belongs::kTenant,
                {},
                id.substr(0, slash)};
    }
    for (const std::string_view folder : kOfKeys) {
        if (within(path, folder)) return {Belongs::kKeys};
    }
    if (within(path, "/v2/backups")) return {Belongs::kNamed};
    for (const std::string_view folder : {"/v2/stats", "/v2/executors", "/v2/config", "/v2/log"}) {
        if (within(path, folder)) return {Belongs::kLook};
    }
    if (within(path, "/v2/audit")) return {Belongs::kAudit};
    if (is_asked_by_edge(path)) return {Belongs::kEdge};
    if (within(path, "/cluster"))
        return {Belongs::kRefused, "what partitions tell each other is none of a client's"};
    if (within(path, "/v2/webhooks") || within(path, "/v2/endpoint")) return {Belongs::kPublic};
    // A browser asks whether a page may call.
    if (method == io::Method::kOptions) return {Belongs::kKeys};
    return {Belongs::kTenant};
}

}  // namespace millrace::runtime::node
