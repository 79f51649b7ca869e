// What: method and path to a number, with parameters: `/v2/events/{eventId}`, `/console/*`. A
//       static segment wins over a parameter, a parameter over a wildcard (which takes one or more
//       segments). Percent-decoding happens once, after the path was cut at its slashes.
// Threads: add() at start; match() from any thread after that.
// Lifetime: RouteMatch's views point into the path or into its own decoded text.
// Limits: kRouteParamsMax parameters; %00 and broken escapes match nothing (kBadPath), nor do
//       "." and ".." segments.
// Failure: add() of two routes that can not be told apart aborts: it is a mistake in our own table.
#pragma once

#include "io/http_types.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::io {

inline constexpr std::size_t kRouteParamsMax = 4;

enum class RouteOutcome : std::uint8_t { kFound, kNotFound, kMethodNotAllowed, kBadPath };

struct RouteMatch {
    RouteOutcome outcome = RouteOutcome::kNotFound;
    std::uint32_t route = 0;  // what add() was given
    std::size_t param_count = 0;
    std::array<std::string_view, kRouteParamsMax> param_names;
    std::array<std::string, kRouteParamsMax> param_values;  // decoded
    std::string allow;  // kMethodNotAllowed and OPTIONS: "GET, HEAD, POST, OPTIONS"

    std::string_view param(std::string_view name) const;
};

class Router {
public:
    Router();
    ~Router();
    Router(Router&&) noexcept;
    Router& operator=(Router&&) noexcept;

    // GET answers HEAD too. `route` is the caller's number for the handler.
    void add(Method method, std::string_view pattern, std::uint32_t route);
    // `out` may be used again and again; its strings keep their memory.
    RouteOutcome match(Method method, std::string_view path, RouteMatch& out) const;

private:
    struct Node;
    std::unique_ptr<Node> root_;
};

}  // namespace millrace::io
