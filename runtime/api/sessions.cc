// POST /v2/session: a browser trades its key for a cookie. DELETE: and gives it back. POST
// /v2/portal: an address that lets somebody in once, with a key of its own that nobody ever sees.
#include "core/duration.h"
#include "core/made_id.h"
#include "runtime/api/audit.h"
#include "runtime/api/documents.h"
#include "runtime/api/handlers.h"
#include "runtime/identity/credentials.h"
#include "runtime/identity/session_table.h"

#include <algorithm>
#include <string>
#include <vector>

namespace millrace::runtime::api {
namespace {

// Not readable by a page's scripts, and not sent for another site's page. The cookie goes when the
// browser is closed; the session ends by itself.
identity::CookieForm form_of(const Call& call) {
    const identity::SessionTable* const sessions = call.services.sessions();
    return sessions ? sessions->form() : identity::CookieForm::kPlain;
}
std::string cookie_of(const Call& call, std::string_view session, std::string_view more) {
    const identity::CookieForm form = form_of(call);
    return identity::session_cookie_name(call.request.header("Host"), form) + "=" +
           std::string(session) + "; Path=/; HttpOnly; SameSite=Strict" +
           (form == identity::CookieForm::kSecure ? "; Secure" : "") + std::string(more);
}

// What the request was let in by; empty: by a session.
std::string_view shown_key(const ApiRequest& request) {
    const std::string_view header = request.header("X-API-Key");
    if (!header.empty()) return header;
    return identity::bearer_of(request.header("Authorization"));
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
    const std::string_view session = identity::find_session_cookie(
        call.request.header("Cookie"), call.request.header("Host"), form_of(call));
    if (identity::SessionTable* sessions = call.services.sessions(); sessions && !session.empty()) {
        sessions->close(session);
        audit(call, "delete", "session", "");
    }
    ApiResponse response = json_response(200, R"({"success":true})");
    response.headers.emplace_back("Set-Cookie", cookie_of(call, "", "; Max-Age=0"));
    return response;
}

namespace {

constexpr std::string_view kPortalPrefix = "portal_";
constexpr std::int64_t kPortalUsDefault = 3'600'000'000;
constexpr std::int64_t kPortalUsMax = 86'400'000'000;
constexpr std::int64_t kInvitationUs = 600'000'000;  // to be opened in ten minutes
constexpr std::size_t kPortalScopesMax = 64;

struct PortalBody {
    std::string tenant;
    std::vector<std::string> scopes;
    std::int64_t ttl_us = kPortalUsDefault;
};

core::Result<PortalBody> read_portal(const Call& call) {
    core::JsonDocument document;
    auto in = document.parse_object(call.request.body_view());
    if (!in) return core::fail(std::move(in.error()));
    PortalBody out;
    in->text("tenantId", out.tenant,
             {.presence = core::Presence::kRequired, .bytes_min = 1, .bytes_max = 128});
    in->text_list("scopes", out.scopes, kPortalScopesMax);
    if (in->ok() && out.scopes.empty()) in->refuse("scopes", "is missing: name what they may");
    std::string ttl;
    if (in->text("ttl", ttl) && (!core::parse_told_duration_us(ttl, out.ttl_us) ||
                                 out.ttl_us < 60'000'000 || out.ttl_us > kPortalUsMax))
        in->refuse("ttl", "must be a duration from 1m to 24h");
    if (auto status = in->finish(); !status) return core::fail(status.error());
    return out;
}

// Those whose time is over: nobody else would take them away.
void drop_old_portals(Call& call, core::TenantId tenant) {
    auto& keys = call.services.registry().table<ApiKey>();
    const std::int64_t now_us = call.services.clock().wall_us();
    std::vector<std::string> over;
    keys.list(tenant, kPortalPrefix, [&](const ApiKeyRef& key) {
        if (!key->id.starts_with(kPortalPrefix)) return false;
        if (key->expires_at_us != 0 && key->expires_at_us <= now_us) over.push_back(key->id);
        return over.size() < kListLimitMax;
    });
    for (const std::string& id : over) {
        if (auto gone = keys.remove({.tenant = tenant}, id); gone)
            (void)call.services.registry_changed(*gone);
    }
}

}  // namespace

Answer open_portal(Call& call) {
    const auto body = read_portal(call);
    if (!body) return core::fail(body.error());
    identity::SessionTable* sessions = call.services.sessions();
    if (!call.request.principal.key || !sessions) {
        return core::fail(core::ErrorCode::kConflict,
                          "no key exists, and without one nobody else is let in");
    }
    const std::int64_t now_us = call.services.clock().wall_us();
    std::string key;
    core::JsonWriter json(key);
    json.begin_object();
    json.field("id", core::make_id(kPortalPrefix, call.services.random(), 16));
    json.field("name", "portal").field("tenantId", body->tenant).field("role", "viewer");
    json.key("scopes").begin_array();
    for (const std::string& scope : body->scopes) json.value(scope);
    json.end_array();
    time_field(json, "expiresAt", now_us + body->ttl_us).end_object();
    std::string text;
    auto made = make_key(call, key, text);
    if (!made) return made;
    drop_old_portals(call, call.tenant());
    const std::string invitation = sessions->invite(
        text, now_us, std::min(kInvitationUs, body->ttl_us), now_us + body->ttl_us);
    std::string answer;
    core::JsonWriter out(answer);
    out.begin_object().field("url", "/v2/portal/" + invitation);
    time_field(out, "openBefore", now_us + std::min(kInvitationUs, body->ttl_us));
    out.raw_field("key", made->body).end_object();
    ApiResponse response = json_response(201, std::move(answer));
    response.headers.emplace_back("Cache-Control", "no-store");
    return response;
}

// Whoever only looks whether the address is there does not use it up.
Answer enter_portal(Call& call) {
    identity::SessionTable* sessions = call.services.sessions();
    const std::string_view invitation = call.request.param("invitation");
    if (call.request.method == io::Method::kHead || !sessions)
        return ApiResponse{.status = 204, .content_type = {}, .headers = {}, .body = {}};
    const auto admitted = sessions->admit(invitation, call.services.clock().wall_us());
    if (!admitted) {
        return core::fail(core::ErrorCode::kNotFound,
                          "this invitation was used, is over, or never was; ask for another");
    }
    ApiResponse response = json_response(303, R"({"success":true})");
    response.headers.emplace_back("Location", "/");
    response.headers.emplace_back("Referrer-Policy", "no-referrer");
    response.headers.emplace_back("Cache-Control", "no-store");
    response.headers.emplace_back("Set-Cookie", cookie_of(call, admitted->session, ""));
    return response;
}

}  // namespace millrace::runtime::api
