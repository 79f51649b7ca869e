#include "runtime/identity/limits.h"

#include "runtime/identity/holder.h"

#include <array>
#include <span>
#include <string>
#include <tuple>
#include <utility>

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
    if (of.units > rate) {
        text += "; this request holds " + std::to_string(of.units) +
                ", which never fit at once: send fewer in one";
    }
    const std::int64_t seconds = (wait_ns + TokenBucket::kSecondNs - 1) / TokenBucket::kSecondNs;
    return core::Error(core::ErrorCode::kRateLimited, std::move(text))
        .in(std::string(quota_name(of.quota)))
        .bound(rate)
        .retry_after(seconds);
}

core::Status spend(std::span<const Spending> all, std::int64_t now_ns) {
    for (std::size_t i = 0; i < all.size(); ++i) {
        const std::int64_t wait_ns = all[i].bucket->take(now_ns, all[i].units);
        if (wait_ns == 0) continue;
        for (std::size_t taken = 0; taken < i; ++taken)
            all[taken].bucket->give_back(all[taken].units);
        return core::fail(too_fast(all[i], wait_ns));
    }
    return {};
}

}  // namespace

// What is on its way to the log counts when its block is sealed: a few requests at once may go
// beyond, each by its own bytes.
core::Status may_store(const TenantHolder& tenant, std::int64_t bytes) {
    const std::int64_t most = tenant.stored_most.load(std::memory_order_relaxed);
    if (most == 0) return {};
    const auto* stored = tenant.stored.load(std::memory_order_relaxed);
    const std::int64_t held = stored ? stored->load(std::memory_order_relaxed) : 0;
    if (held + bytes <= most) return {};
    return core::fail(core::Error(core::ErrorCode::kRateLimited,
                                  "the tenant has " + std::to_string(held) + " of " +
                                      std::to_string(most) + " bytes of events (" +
                                      std::string(quota_name(Quota::kStored)) + "), and " +
                                      std::to_string(bytes) +
                                      " more do not fit; they leave as retention takes them")
                          .in(std::string(quota_name(Quota::kStored)))
                          .bound(most)
                          .retry_after(kCountedRetrySeconds));
}

core::Status take_quota(const Principal& principal, std::int64_t events, std::int64_t bytes,
                        std::int64_t now_ns) {
    if (!principal.key && principal.local_tenant)
        return take_quota(*principal.local_tenant, events, bytes, now_ns);
    if (!principal.key || !principal.key->holder) return {};
    if (auto may = may_store(*principal.key->tenant, bytes); !may) return may;
    Meter& key = principal.key->holder->meter;
    Meter& tenant = principal.key->tenant->meter;
    const std::array<Spending, 4> all = {{{&key.events, events, Quota::kEvents, "key"},
                                          {&key.bytes, bytes, Quota::kBytes, "key"},
                                          {&tenant.events, events, Quota::kEvents, "tenant"},
                                          {&tenant.bytes, bytes, Quota::kBytes, "tenant"}}};
    return spend(all, now_ns);
}

core::Status take_quota(TenantHolder& tenant, std::int64_t events, std::int64_t bytes,
                        std::int64_t now_ns) {
    if (auto may = may_store(tenant, bytes); !may) return may;
    const std::array<Spending, 2> all = {{{&tenant.meter.events, events, Quota::kEvents, "tenant"},
                                          {&tenant.meter.bytes, bytes, Quota::kBytes, "tenant"}}};
    return spend(all, now_ns);
}

core::Status within_quota(Quota quota, std::int64_t held, std::int64_t most,
                          std::string_view whose) {
    if (most == 0 || held < most) return {};
    return core::fail(core::Error(core::ErrorCode::kRateLimited,
                                  "the " + std::string(whose) + " has " + std::to_string(held) +
                                      " of " + std::to_string(most) + " (" +
                                      std::string(quota_name(quota)) + ")")
                          .in(std::string(quota_name(quota)))
                          .bound(most)
                          .retry_after(kCountedRetrySeconds));
}

HeldConnection& HeldConnection::operator=(HeldConnection&& other) noexcept {
    key_.swap(other.key_);
    tenant_.swap(other.tenant_);
    return *this;
}

HeldConnection::~HeldConnection() {
    if (key_) key_->connections.held.fetch_sub(1, std::memory_order_relaxed);
    if (tenant_) tenant_->connections.held.fetch_sub(1, std::memory_order_relaxed);
}

// Counted first and looked at then: two that come at once may both be refused, never both let in.
core::Result<HeldConnection> HeldConnection::take(const Principal& principal) {
    HeldConnection out;
    if (!principal.key || !principal.key->holder) return out;
    out.key_ = principal.key->holder;
    out.tenant_ = principal.key->tenant;
    const auto held_before = [](Count& count) {
        return count.held.fetch_add(1, std::memory_order_relaxed);
    };
    const std::int64_t of_key = held_before(out.key_->connections);
    const std::int64_t of_tenant = held_before(out.tenant_->connections);
    for (const auto& [held, count, whose] :
         {std::tuple(of_key, &out.key_->connections, "key"),
          std::tuple(of_tenant, &out.tenant_->connections, "tenant")}) {
        auto within = within_quota(Quota::kConnections, held,
                                   count->most.load(std::memory_order_relaxed), whose);
        if (!within) return core::fail(std::move(within.error()).retry_after(1));
    }
    return out;
}

bool HeldConnection::is_of(const Principal& principal) const {
    return key_ == (principal.key ? principal.key->holder : nullptr);
}

}  // namespace millrace::runtime::identity
