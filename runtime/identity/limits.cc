#include "runtime/identity/limits.h"

#include "runtime/identity/holder.h"

#include <array>
#include <string>

namespace millrace::runtime::identity {
namespace {

constexpr std::int64_t kCountedRetrySeconds = 60;  // somebody has to remove something first

struct Spending {
    TokenBucket* bucket;
    std::int64_t units;
    Quota quota;
    std::string_view whose;
};

core::Error too_fast(const Spending& of, std::int64_t wait_ns) {
    const std::int64_t rate = of.bucket->rate();
    std::string text = "the " + std::string(of.whose) + " may send " + std::to_string(rate) +
                       (of.quota == Quota::kEvents ? " events" : " bytes") + " a second (" +
                       std::string(quota_name(of.quota)) + ")";
    if (of.units > rate) text += "; this request holds " + std::to_string(of.units);
    const std::int64_t seconds = (wait_ns + TokenBucket::kSecondNs - 1) / TokenBucket::kSecondNs;
    return core::Error(core::ErrorCode::kRateLimited, std::move(text))
        .in(std::string(quota_name(of.quota)))
        .bound(rate)
        .retry_after(seconds);
}

}  // namespace

core::Status take_quota(const Principal& principal, std::int64_t events, std::int64_t bytes,
                        std::int64_t now_ns) {
    if (!principal.key || !principal.key->holder) return {};
    Meter& key = principal.key->holder->meter;
    Meter& tenant = principal.key->tenant->meter;
    const std::array<Spending, 4> all = {{{&key.events, events, Quota::kEvents, "key"},
                                          {&key.bytes, bytes, Quota::kBytes, "key"},
                                          {&tenant.events, events, Quota::kEvents, "tenant"},
                                          {&tenant.bytes, bytes, Quota::kBytes, "tenant"}}};
    for (std::size_t i = 0; i < all.size(); ++i) {
        const std::int64_t wait_ns = all[i].bucket->take(now_ns, all[i].units);
        if (wait_ns == 0) continue;
        for (std::size_t taken = 0; taken < i; ++taken)
            all[taken].bucket->give_back(all[taken].units);
        return core::fail(too_fast(all[i], wait_ns));
    }
    return {};
}

core::Status within_quota(Quota quota, std::int64_t held, std::int64_t most) {
    if (most == 0 || held < most) return {};
    return core::fail(
        core::Error(core::ErrorCode::kRateLimited, "the tenant has " + std::to_string(held) +
                                                       " of " + std::to_string(most) + " (" +
                                                       std::string(quota_name(quota)) + ")")
            .in(std::string(quota_name(quota)))
            .bound(most)
            .retry_after(kCountedRetrySeconds));
}

}  // namespace millrace::runtime::identity
