// What: the REST resources behind one call. The route table (routes.h) names every call of the
//       outside contract; the edge asks match() and keeps what is its own (ingest, streams), the
//       rest comes here as an ApiRequest on the API thread.
// Threads: match() any; handle() and everything behind it on the API thread only.
// Lifetime: services outlive the Api. A request owns its bytes. `respond` may be called later, on
//       the API thread, exactly once.
// Limits: `limit=` of lists is at most kListLimitMax.
// Failure: every error leaves as {"success":false,"error":{...}}; handle() itself can not fail.
#pragma once

#include "core/buffer.h"
#include "core/result.h"
#include "io/http_types.h"
#include "io/router.h"
#include "runtime/api/routes.h"
#include "runtime/identity/cors.h"
#include "runtime/identity/principal.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime::api {

class Services;

inline constexpr std::size_t kListLimitDefault = 100;
inline constexpr std::size_t kListLimitMax = 1000;

struct ApiRequest {
    io::Method method = io::Method::kGet;
    io::RouteMatch match;
    std::string query;  // as sent, without '?'
    std::string content_type;
    std::vector<std::pair<std::string, std::string>> headers;
    core::BufferRef body;
    identity::Principal principal;  // the edge says who it is, and has seen that they may
    // Of the whole server, where a page of the request's origin may call; null: none may.
    const identity::CorsOrigins* cors = nullptr;
    // Why a page of the request's origin may not call, unless the endpoint lets it; without a
    // message it may.
    core::Error page_refused = {};

    std::string_view param(std::string_view name) const { return match.param(name); }
    std::string_view body_view() const { return body ? body.view() : std::string_view{}; }
    // Any case of the name; empty when absent.
    std::string_view header(std::string_view name) const;
    // Decoded; nullopt when absent.
    std::optional<std::string> query_value(std::string_view name) const;
};

struct ApiResponse {
    int status = 200;
    std::string content_type = "application/json";
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    // In place of `body`: a text that many answers have; none of them copies it. The second one: as
    // gzip.
    core::BufferRef shared = {};
    core::BufferRef shared_gzip = {};

    std::string_view text() const { return shared ? shared.view() : std::string_view(body); }
};

using Respond = std::function<void(ApiResponse&&)>;

ApiResponse error_response(const core::Error& error);

class Api {
public:
    explicit Api(Services& services);
    ~Api();
    Api(const Api&) = delete;
    Api& operator=(const Api&) = delete;

    // Which route a request goes to; `out.route` is an index into route_table() when found.
    io::RouteOutcome match(io::Method method, std::string_view path, io::RouteMatch& out) const;
    // The answer to what match() did not find: 404, 405 with Allow, 400; 204 for OPTIONS, of one
    // resource or of `*`.
    static ApiResponse unmatched(io::Method method, const io::RouteMatch& match,
                                 std::string_view path);

    // A request whose match was found, whose route is RouteOwner::kApi, and whose principal has the
    // route's scope.
    void handle(ApiRequest&& request, const Respond& respond);

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::runtime::api
