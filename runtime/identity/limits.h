// What: what a principal's key and tenant may send a second, held against what came.
// Threads: any. Lifetime: none. Limits: none.
// Failure: kRateLimited with the quota's name as field, its size and how long to wait: the edge
//       makes RateLimit headers and details.violatedPolicies of it (io/error_headers.h).
#pragma once

#include "core/result.h"
#include "runtime/identity/principal.h"
#include "runtime/identity/quotas.h"

#include <cstdint>
#include <memory>
#include <string_view>

namespace millrace::runtime::identity {

class TenantHolder;

// Whether so many bytes of events find room in what the tenant may have in the log.
core::Status may_store(const TenantHolder& tenant, std::int64_t bytes);
// All of it or nothing is taken; what is to be stored has to find room first.
core::Status take_quota(const Principal& principal, std::int64_t events, std::int64_t bytes,
                        std::int64_t now_ns);
// Of what comes without a key, in the tenant's name.
core::Status take_quota(TenantHolder& tenant, std::int64_t events, std::int64_t bytes,
                        std::int64_t now_ns);

// Of something that is counted: `held` of it are there. `whose`: "tenant" or "key".
core::Status within_quota(Quota quota, std::int64_t held, std::int64_t most,
                          std::string_view whose = "tenant");

// A connection that counts for a key and its tenant as long as this lives. By which of the two it
// was refused, the error says.
class HeldConnection {
public:
    HeldConnection() = default;
    HeldConnection(HeldConnection&& other) noexcept = default;
    HeldConnection& operator=(HeldConnection&& other) noexcept;
    ~HeldConnection();

    static core::Result<HeldConnection> take(const Principal& principal);
    bool is_of(const Principal& principal) const;

private:
    std::shared_ptr<KeyHolder> key_;
    std::shared_ptr<TenantHolder> tenant_;
};

}  // namespace millrace::runtime::identity
