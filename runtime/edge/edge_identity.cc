#include "runtime/edge/edge_identity.h"

#include "core/json_writer.h"
#include "runtime/identity/peer_text.h"

#include <optional>

namespace millrace::runtime {
namespace {

constexpr std::size_t kWhatBytesMax = 256;

std::optional<identity::SecurityKind> kind_of(core::ErrorCode code) {
    switch (code) {
        case core::ErrorCode::kUnauthorized: return identity::SecurityKind::kAuthFailed;
        case core::ErrorCode::kForbidden: return identity::SecurityKind::kForbidden;
        case core::ErrorCode::kRateLimited: return identity::SecurityKind::kRateLimited;
        default: return std::nullopt;
    }
}

}  // namespace

void EdgeIdentity::note(identity::SecurityKind kind, core::TenantId tenant, const io::Peer& peer,
                        std::string_view what, std::int64_t now_ns) const {
    if (!security_) return;
    std::string payload;
    core::JsonWriter json(payload);
    json.begin_object().field("ip", identity::peer_address(peer));
    json.field("what", what.substr(0, kWhatBytesMax)).end_object();
    security_->note(kind, tenant, std::string_view(payload).substr(1, payload.size() - 2), now_ns);
}

void EdgeIdentity::note(const core::Error& error, const identity::Principal& principal,
                        const io::Peer& peer, std::string_view what, std::int64_t now_ns) const {
    if (!security_ || !authenticator_->ring() || !authenticator_->ring()->closed()) return;
    const auto kind = kind_of(error.code);
    if (!kind) return;
    std::string payload;
    core::JsonWriter json(payload);
    json.begin_object().field("ip", identity::peer_address(peer));
    json.field("what", what.substr(0, kWhatBytesMax));
    if (principal.key) {
        json.field("keyId", principal.key_id()).field("keyPrefix", principal.key->shown);
        json.field("reason", error.message);
    }
    json.end_object();
    security_->note(*kind, principal.tenant,
                    std::string_view(payload).substr(1, payload.size() - 2), now_ns);
}

}  // namespace millrace::runtime
