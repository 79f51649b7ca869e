// What: an endpoint: a method and a route below /v2/endpoint/ whose calls run a script.
// Threads: immutable once the registry has published it. Lifetime: shared.
// Limits: kEndpointsMax of a tenant, kEndpointSegmentsMax segments of a route.
// Failure: none here.
#pragma once

#include "core/ids.h"
#include "runtime/registry/registry_types.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

using EndpointNumber = core::StrongInt<struct EndpointNumberTag, std::uint32_t>;

inline constexpr std::size_t kEndpointsMax = 10'000;
inline constexpr std::size_t kEndpointSegmentsMax = 16;
inline constexpr std::size_t kEndpointRouteBytesMax = 512;
inline constexpr double kEndpointRateMax = 1'000'000;

enum class EndpointAuth : std::uint8_t { kRequired, kOptional, kNone };

struct Endpoint {
    EndpointNumber number;
    core::TenantId tenant;
    std::uint32_t version = 1;  // grows by one with each change
    std::string id;
    std::string name;
    std::string code;
    std::string method = "GET";  // GET, POST, PUT, PATCH or DELETE
    std::string route;           // "orders/:id", "files/*"
    std::string script_id;
    ScriptNumber script;
    EndpointAuth auth = EndpointAuth::kRequired;
    double rate = 0;                   // calls a second; 0: any number
    std::int64_t timeout_ms = 0;       // 0: the script's
    std::string cors;                  // true, false or {"origins":[...]} as JSON; empty: none
    std::vector<std::string> origins;  // made of it; "*": any
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;
};

std::string_view endpoint_auth_text(EndpointAuth auth);
// Two routes that no path tells apart have the same shape: "orders/:".
std::string route_shape(std::string_view route);

}  // namespace millrace::runtime
