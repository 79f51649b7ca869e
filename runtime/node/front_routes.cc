#include "runtime/node/front_routes.h"

#include <array>

namespace millrace::runtime::node {
namespace {

// The path itself, or below it.
bool within(std::string_view path, std::string_view folder) {
    return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

struct Refusal {
    std::string_view folder;
    std::string_view why;
};
constexpr std::array<Refusal, 1> kRefusals = {
    {{"/v2/edges", "a cluster takes nothing from edges: let them report to a server of its own"}}};

constexpr std::array<std::string_view, 5> kOfKeys = {"/v2/keys", "/v2/tenants", "/v2/session",
                                                     "/v2/portal", "/v2/me"};

}  // namespace

FrontRoute front_route(io::Method method, std::string_view path) {
    if (path == "/healthz" || path == "/readyz" || path == "/metrics" ||
        within(path, "/v2/cluster"))
        return {Belongs::kNode};
    if (path == "/" || within(path, "/console")) return {Belongs::kConsole};
    for (const Refusal& one : kRefusals) {
        if (within(path, one.folder)) return {Belongs::kRefused, one.why};
    }
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
    if (within(path, "/v2/webhooks") || within(path, "/v2/endpoint")) return {Belongs::kPublic};
    // A browser asks whether a page may call.
    if (method == io::Method::kOptions) return {Belongs::kKeys};
    return {Belongs::kTenant};
}

}  // namespace millrace::runtime::node
