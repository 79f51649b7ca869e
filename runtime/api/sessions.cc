// POST /v2/session: a browser trades its key for a cookie. DELETE: and gives it back.
#include "runtime/api/audit.h"
#include "runtime/api/handlers.h"
#include "runtime/identity/session_table.h"

#include <algorithm>

namespace millrace::runtime::api {
namespace {

// Not readable by a page's scripts, and not sent for another site's page. The cookie goes when the
// browser is closed; the session ends by itself.
std::string cookie_of(const Call& call, std::string_view session, std::string_view more) {
    return identity::session_cookie_name(call.request.header("Host")) + "=" + std::string(session) +
           "; Path=/; HttpOnly; SameSite=Strict" + std::string(more);
}

// What the request was let in by; empty: by a session.
std::string_view shown_key(const ApiRequest& request) {
    const std::string_view header = request.header("X-API-Key");
    if (!header.empty()) return header;
    std::string_view bearer = request.header("Authorization");
    bearer.remove_prefix(std::min<std::size_t>(bearer.size(), 7));
    while (bearer.starts_with(' ')) bearer.remove_prefix(1);
    return bearer;
}

core::Status check_empty(const Call& call) {
    if (call.request.body_view().empty()) return {};
    core::JsonDocument document;
    auto in = document.parse_object(call.request.body_view());
    if (!in) return core::fail(std::move(in.error()));
    return in->finish();
}

}  // namespace

Answer open_session(Call& call) {
    if (auto empty = check_empty(call); !empty) return core::fail(empty.error());
    identity::SessionTable* sessions = call.services.sessions();
    if (!call.request.principal.key || !sessions) {
        return core::fail(core::ErrorCode::kConflict,
                          "no key exists, and without one nobody needs a session");
    }
    const std::string_view key = shown_key(call.request);
    if (key.empty()) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "a session is given for a key: show one in Authorization or "
                                      "X-API-Key")
                              .in("Authorization"));
    }
    const std::int64_t now_us = call.services.clock().wall_us();
    const std::int64_t ttl_us = call.services.session_ttl_us();
    const std::string session = sessions->open(key, now_us, ttl_us);
    audit(call, "create", "session", "");
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("success", true);
    time_field(json, "expiresAt", now_us + ttl_us).end_object();
    ApiResponse response = json_response(201, std::move(body));
    response.headers.emplace_back("Set-Cookie", cookie_of(call, session, ""));
    return response;
}

Answer close_session(Call& call) {
    if (auto empty = check_empty(call); !empty) return core::fail(empty.error());
    const std::string_view session =
        identity::find_session_cookie(call.request.header("Cookie"), call.request.header("Host"));
    if (identity::SessionTable* sessions = call.services.sessions(); sessions && !session.empty()) {
        sessions->close(session);
        audit(call, "delete", "session", "");
    }
    ApiResponse response = json_response(200, R"({"success":true})");
    response.headers.emplace_back("Set-Cookie", cookie_of(call, "", "; Max-Age=0"));
    return response;
}

}  // namespace millrace::runtime::api
