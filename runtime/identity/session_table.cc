#include "runtime/identity/session_table.h"

#include "core/crypto/digest.h"
#include "core/crypto/random_bits.h"
#include "core/hex.h"
#include "core/listed.h"
#include "io/http_head.h"

#include <algorithm>

namespace millrace::runtime::identity {
namespace {

constexpr std::size_t kSecretBytes = 32;

std::string digest_of(std::string_view text) {
    const core::crypto::Digest digest = core::crypto::sha256(text);
    return {digest.begin(), digest.end()};
}

std::string make_secret() {
    std::string text;
    core::append_hex_of(text, core::crypto::random_bytes(kSecretBytes));
    return text;
}

}  // namespace

std::string SessionTable::open(std::string_view key_text, std::int64_t now_us,
                               std::int64_t ttl_us) {
    std::string session = make_secret();
    std::lock_guard lock(mutex_);
    make_room(sessions_, now_us);
    sessions_[digest_of(session)] = {std::string(key_text), now_us + ttl_us};
    return session;
}

template <typename Entries>
void SessionTable::make_room(Entries& entries, std::int64_t now_us) {
    if (entries.size() < kSessionsMax) return;
    std::erase_if(entries, [now_us](const auto& one) { return one.second.until_us <= now_us; });
    if (entries.size() < kSessionsMax) return;
    entries.erase(
        std::min_element(entries.begin(), entries.end(), [](const auto& left, const auto& right) {
            return left.second.until_us < right.second.until_us;
        }));
}

std::string SessionTable::invite(std::string_view key_text, std::int64_t now_us,
                                 std::int64_t ttl_us, std::int64_t session_until_us) {
    std::string invitation = make_secret();
    std::lock_guard lock(mutex_);
    make_room(invitations_, now_us);
    invitations_[digest_of(invitation)] = {std::string(key_text), now_us + ttl_us,
                                           session_until_us};
    return invitation;
}

std::optional<SessionTable::Admitted> SessionTable::admit(std::string_view invitation,
                                                          std::int64_t now_us) {
    std::string session = make_secret();
    const std::string digest = digest_of(invitation);
    std::lock_guard lock(mutex_);
    const auto found = invitations_.find(digest);
    if (found == invitations_.end()) return std::nullopt;
    const Invitation taken = std::move(found->second);
    invitations_.erase(found);
    if (taken.until_us <= now_us || taken.session_until_us <= now_us) return std::nullopt;
    make_room(sessions_, now_us);
    sessions_[digest_of(session)] = {taken.key_text, taken.session_until_us};
    return Admitted{std::move(session), taken.session_until_us};
}

std::optional<std::string> SessionTable::find(std::string_view session, std::int64_t now_us) const {
    const std::string digest = digest_of(session);
    std::lock_guard lock(mutex_);
    const auto found = sessions_.find(digest);
    if (found == sessions_.end() || found->second.until_us <= now_us) return std::nullopt;
    return found->second.key_text;
}

void SessionTable::close(std::string_view session) {
    const std::string digest = digest_of(session);
    std::lock_guard lock(mutex_);
    sessions_.erase(digest);
}

std::size_t SessionTable::size() const {
    std::lock_guard lock(mutex_);
    return sessions_.size();
}

std::string session_cookie_name(std::string_view host, CookieForm form) {
    const std::size_t bracket = host.rfind(']');
    const std::size_t colon = host.rfind(':');
    const bool named =
        colon != std::string_view::npos && (bracket == std::string_view::npos || bracket < colon);
    const bool secure = form == CookieForm::kSecure;
    const std::string_view port = named ? host.substr(colon + 1) : secure ? "443" : "80";
    return (secure ? "__Host-millrace_session_" : "millrace_session_") + std::string(port);
}

std::string_view find_session_cookie(std::string_view cookies, std::string_view host,
                                     CookieForm form) {
    const std::string name = session_cookie_name(host, form) + "=";
    std::string_view found;
    const auto look = [&](std::string_view one) {
        if (!one.starts_with(name)) return true;
        found = one.substr(name.size());
        return false;
    };
    core::each_listed(cookies, look, ';');
    return found;
}

std::string_view find_session(const io::Request& request, CookieForm form) {
    for (const io::HeaderField& header : request.headers) {
        if (header.name.size() != 6 || !io::equals_ignore_case(header.name, "Cookie")) continue;
        if (const auto found = find_session_cookie(header.value, request.host, form);
            !found.empty())
            return found;
    }
    return {};
}

}  // namespace millrace::runtime::identity
