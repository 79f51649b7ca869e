#include "runtime/identity/trusted_front.h"

#include "core/base64.h"
#include "core/crypto/constant_time.h"
#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/event/tenant_names.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace millrace::runtime::identity {
namespace {

constexpr std::size_t kPatternsMax = 1000;
constexpr std::string_view kUnknownTenant = "unknown-tenant";
constexpr std::string_view kUnknownTenantField = "(tenant)";

core::Error no_front() {
    return core::Error(core::ErrorCode::kUnauthorized,
                       "this is the process of a partition; only its node talks to it");
}

tl::unexpected<core::Error> unreadable() {
    return core::fail(core::ErrorCode::kUnauthorized,
                      "what the front says of who is asking does not read");
}

std::optional<Role> role_of(std::string_view text) {
    for (const auto& [name, role] : kRoles) {
        if (name == text) return role;
    }
    return std::nullopt;
}

bool read_scopes(const std::vector<std::string>& names, ScopeSet& out) {
    return std::all_of(names.begin(), names.end(), [&out](const std::string& name) {
        const auto some = parse_scopes(name);
        if (some) out.add(*some);
        return some.has_value();
    });
}

std::optional<io::Peer> read_peer(std::string_view text) {
    if (text.empty() || text == "unix") return io::Peer{};
    const auto address = io::Address::parse(text);
    if (!address || address->family == io::Address::Family::kUnix) return std::nullopt;
    io::Peer peer;
    peer.family = address->family;
    peer.ip = address->ip;
    peer.port = address->port;
    return peer;
}

}  // namespace

std::string principal_text(const Principal& principal, std::string_view tenant) {
    std::string text;
    core::JsonWriter json(text);
    json.begin_object().field("tenant", tenant).key("scopes").begin_array();
    for (const std::string_view scope : scope_names(principal.scopes)) json.value(scope);
    json.end_array();
    if (const KeyIdentity* key = principal.key.get()) {
        json.key("key").begin_object().field("id", key->id).field("name", key->name);
        json.field("user", key->user)
            .field("shown", key->shown)
            .field("role", role_text(key->role));
        json.field("expiresAtUs", key->expires_at_us).key("patterns").begin_array();
        for (const matcher::Wildcard& pattern : key->patterns)
            json.value(matcher::wildcard_text(pattern));
        json.end_array().end_object();
    }
    json.end_object();
    return core::encode_base64(text);
}

core::Result<ToldPrincipal> read_principal(std::string_view text) {
    const auto json = core::decode_base64(text, core::Base64Form::kStrict);
    if (!json) return unreadable();
    core::JsonDocument document;
    auto in = document.parse_object(*json, "principal");
    if (!in) return unreadable();
    ToldPrincipal out;
    std::vector<std::string> scopes;
    in->text("tenant", out.tenant, {.presence = core::Presence::kRequired});
    in->text_list("scopes", scopes, kScopeCount);
    auto told = in->object("key");
    if (told) {
        auto key = std::make_shared<KeyIdentity>();
        std::string role;
        std::vector<std::string> patterns;
        told->text("id", key->id);
        told->text("name", key->name);
        told->text("user", key->user);
        told->text("shown", key->shown);
        told->text("role", role);
        told->integer("expiresAtUs", key->expires_at_us, 0,
                      std::numeric_limits<std::int64_t>::max());
        told->text_list("patterns", patterns, kPatternsMax);
        const auto known = role_of(role);
        if (!told->finish() || !known) return unreadable();
        key->role = *known;
        for (const std::string& pattern : patterns) {
            auto parsed = matcher::parse_wildcard(pattern);
            if (!parsed) return unreadable();
            key->patterns.push_back(std::move(*parsed));
        }
        out.principal.key = std::move(key);
    }
    if (!in->finish() || !read_scopes(scopes, out.principal.scopes)) return unreadable();
    return out;
}

bool gives_the_same(std::string_view one, std::string_view other) {
    if (one == other) return true;
    const auto rights = [](std::string_view text) {
        auto told = read_principal(text);
        if (!told) return std::string();
        if (told->principal.key) {
            auto key = std::make_shared<KeyIdentity>(*told->principal.key);
            key->shown.clear();
            told->principal.key = std::move(key);
        }
        return principal_text(told->principal, told->tenant);
    };
    const std::string before = rights(one);
    return !before.empty() && before == rights(other);
}

std::string front_not_here() { return std::string(kFrontAnswerHeader) + ": not-here\r\n"; }

bool TrustedFront::is_front(const io::Request& request) const {
    return core::crypto::constant_time_equal(request.header(kFrontTokenHeader), token_);
}

core::Result<TrustedFront::Asked> TrustedFront::asked(const io::Request& request) const {
    if (!is_front(request)) return core::fail(no_front());
    const auto peer = read_peer(request.header(kFrontPeerHeader));
    if (!peer) return unreadable();
    Asked out;
    out.peer = *peer;
    const std::string_view told = request.header(kFrontPrincipalHeader);
    if (told.empty()) {
        // Here is no key, and who shows none has no rights because of that.
        if (!keys_live_here_) return core::fail(key_needed());
        return out;
    }
    auto principal = principal_of(told);
    if (!principal) return core::fail(std::move(principal.error()));
    principal->peer = out.peer;
    out.principal = std::move(*principal);
    return out;
}

core::Result<Principal> TrustedFront::principal_of(std::string_view text) const {
    const std::lock_guard lock(mutex_);
    if (const auto found = remembered_.find(std::string(text)); found != remembered_.end())
        return found->second;
    auto told = read_principal(text);
    if (!told) return core::fail(std::move(told.error()));
    const auto tenant = tenants_->find(told->tenant);
    if (tenant == tenants_->end()) {
        return core::fail(core::Error(core::ErrorCode::kUnavailable,
                                      "this partition does not know the tenant yet")
                              .in(std::string(kUnknownTenantField)));
    }
    Principal principal = std::move(told->principal);
    principal.tenant = tenant->second.id;
    if (principal.key) {
        auto key = std::make_shared<KeyIdentity>(*principal.key);
        auto& holder = holders_[key->id];
        if (!holder) holder = std::make_shared<KeyHolder>();
        key->holder = holder;
        key->grant = holder->grant.load(std::memory_order_relaxed);  // nobody changes it here
        key->tenant = tenant->second.holder;
        principal.key = std::move(key);
    }
    principal.taken_back = mark_of(text);
    if (remembered_.size() >= kRemembered) remembered_.clear();
    if (holders_.size() >= kRemembered) holders_.clear();
    return remembered_.emplace(text, std::move(principal)).first->second;
}

// Those of nobody are swept when there are twice as many as after the last time.
TrustedFront::Mark TrustedFront::mark_of(std::string_view text) const {
    if (marks_.size() >= kRemembered + 2 * marks_swept_) {
        std::erase_if(marks_, [](const auto& one) { return one.second.expired(); });
        marks_swept_ = marks_.size();
    }
    std::weak_ptr<std::atomic<bool>>& known = marks_[std::string(text)];
    Mark mark = known.lock();
    if (mark) return mark;
    mark = std::make_shared<std::atomic<bool>>(false);
    known = mark;
    return mark;
}

void TrustedFront::take_back(std::string_view text) const {
    const std::lock_guard lock(mutex_);
    const std::string name(text);
    remembered_.erase(name);
    const auto found = marks_.find(name);
    if (found == marks_.end()) return;
    // release: pairs with Principal::still_holds().
    if (const Mark mark = found->second.lock()) mark->store(true, std::memory_order_release);
    marks_.erase(found);
}

std::string TrustedFront::answer_lines(const io::Request& request, const Principal& principal,
                                       const core::Status& allowed) const {
    std::string lines;
    if (!is_front(request)) return lines;
    if (!allowed && allowed.error().field == kUnknownTenantField) {
        lines.append(kFrontAnswerHeader).append(": ").append(kUnknownTenant).append("\r\n");
        return lines;
    }
    if (!keys_live_here_ || !request.header(kFrontPrincipalHeader).empty() ||
        principal.scopes == ScopeSet{})
        return lines;
    lines.append(kFrontPrincipalHeader).append(": ");
    lines.append(principal_text(principal, tenant_name(principal.tenant))).append("\r\n");
    return lines;
}

core::Status TrustedFront::takes(io::Method method, std::int64_t now_ns) const {
    const bool reads =
        method == io::Method::kGet || method == io::Method::kHead || method == io::Method::kOptions;
    // Nothing is ordered by it: whoever is told a moment late waits a moment.
    if (reads || !lease_until_ns_) return {};
    const std::int64_t until_ns = lease_until_ns_->load(std::memory_order_relaxed);
    if (now_ns < until_ns) return {};
    if (until_ns == 0 && takes_crossing_) {
        return core::fail(core::Error(core::ErrorCode::kUnavailable,
                                      "this partition's owner has only begun, and has not yet what "
                                      "is registered in the others: nothing was taken; come again")
                              .retry_after(1));
    }
    return core::fail(core::Error(core::ErrorCode::kUnavailable,
                                  "NATS has not answered this partition's owner for longer than "
                                  "cluster.lease: nothing was taken; come again")
                          .retry_after(1));
}

void TrustedFront::publish(std::shared_ptr<const KnownTenants> tenants) {
    const std::lock_guard lock(mutex_);
    tenants_ = std::move(tenants);
    remembered_.clear();
}

}  // namespace millrace::runtime::identity
