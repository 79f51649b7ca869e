// What: what the log of a tenant tells of who was refused and of what became of keys, as events
//       system.security.<kind>: noted where it happens, made into events by the server. What is
//       about keys only once there is one: before that there is nobody to tell apart.
// Threads: any. Lifetime: outlives those who note.
// Limits: kPerSecond events of a kind for a tenant, kWaitingMax wait (overflow policy: drop the
//         newest); the next event of its kind tells how many were left out (`leftOut`).
// Failure: none.
#pragma once

#include "core/ids.h"
#include "runtime/identity/token_bucket.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime::identity {

// enumerator, what the event's pattern ends with
#define MILLRACE_SECURITY_KINDS(X)  \
    X(kAuthFailed, "auth_failed")   \
    X(kForbidden, "forbidden")      \
    X(kKeyCreated, "key_created")   \
    X(kKeyRotated, "key_rotated")   \
    X(kKeyRevoked, "key_revoked")   \
    X(kRateLimited, "rate_limited") \
    X(kSignatureFailed, "signature_failed")

inline constexpr std::string_view kSecurityPrefix = "system.security.";

enum class SecurityKind : std::uint8_t {
#define X(enumerator, text) enumerator,
    MILLRACE_SECURITY_KINDS(X)
#undef X
};

struct SecurityEvent {
    core::TenantId tenant;
    std::string text;         // an envelope
    std::string audit_entry;  // of a refusal: its line of the audit log; empty: it has one already
};

class SecurityEvents {
public:
    static constexpr std::int64_t kPerSecond = 5;
    static constexpr std::size_t kWaitingMax = 256;
    static constexpr std::size_t kSpeakersMax = 4096;  // tenants and kinds that are told apart

    // `payload`: members of a JSON object, "" when there are none.
    void note(SecurityKind kind, core::TenantId tenant, std::string_view payload,
              std::int64_t now_ns);
    std::vector<SecurityEvent> take();

private:
    struct Speaker {
        TokenBucket bucket;
        std::uint64_t left_out = 0;
    };

    std::mutex mutex_;  // held for a few lines, and never where a request succeeds
    std::map<std::pair<std::uint32_t, SecurityKind>, Speaker> speakers_;
    std::vector<SecurityEvent> waiting_;
};

}  // namespace millrace::runtime::identity
