// What: what browsers have traded their keys for: a session is a text that nobody can guess and
//       stands for one key, so that the key itself is in no page, cookie or storage of a browser.
//       The key is asked anew at each request: one that is revoked, expired or rotated out takes
//       its sessions with it.
// Threads: any; a mutex, held for one look-up of a map.
// Lifetime: of the process: after a start people show their keys again.
// Limits: kSessionsMax sessions, as many invitations; beyond it the one that ends first makes room.
// Failure: none; a session that is over or unknown is none.
#pragma once

#include "io/http_types.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime::identity {

// Over TLS a cookie says that it is for nothing else, and that this host alone has set it.
enum class CookieForm : std::uint8_t { kPlain, kSecure };

class SessionTable {
public:
    static constexpr std::size_t kSessionsMax = 4096;

    // Before the threads start: what browsers speak here.
    void use(CookieForm form) { form_ = form; }
    CookieForm form() const { return form_; }

    // The new session's text.
    std::string open(std::string_view key_text, std::int64_t now_us, std::int64_t ttl_us);
    // The key's text.
    std::optional<std::string> find(std::string_view session, std::int64_t now_us) const;
    void close(std::string_view session);
    std::size_t size() const;

    // A text that opens one session, once: for an address that is given to somebody.
    std::string invite(std::string_view key_text, std::int64_t now_us, std::int64_t ttl_us,
                       std::int64_t session_until_us);
    struct Admitted {
        std::string session;
        std::int64_t until_us = 0;
    };
    std::optional<Admitted> admit(std::string_view invitation, std::int64_t now_us);

private:
    struct Session {
        std::string key_text;
        std::int64_t until_us = 0;
    };
    struct Invitation {
        std::string key_text;
        std::int64_t until_us = 0;
        std::int64_t session_until_us = 0;
    };
    template <typename Entries>
    static void make_room(Entries& entries, std::int64_t now_us);

    CookieForm form_ = CookieForm::kPlain;
    mutable std::mutex mutex_;
    std::map<std::string, Session, std::less<>> sessions_;  // by the digest of their texts
    std::map<std::string, Invitation, std::less<>> invitations_;
};

// Browsers send the cookies of a host to all of its ports: the name says which one it is for, as
// the browser sees it.
std::string session_cookie_name(std::string_view host, CookieForm form = CookieForm::kPlain);
// Empty: the request brings none. `host`: its Host header.
std::string_view find_session_cookie(std::string_view cookies, std::string_view host,
                                     CookieForm form = CookieForm::kPlain);
std::string_view find_session(const io::Request& request, CookieForm form);

}  // namespace millrace::runtime::identity
