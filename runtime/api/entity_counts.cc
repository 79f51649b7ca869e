#include "runtime/api/entity_counts.h"

#include "runtime/identity/limits.h"

#include <utility>

namespace millrace::runtime::api {

std::optional<std::int64_t> EntityCounts::held(core::TenantId tenant) const {
    const auto at = held_.find(tenant.value);
    return at == held_.end() ? std::nullopt : std::optional(at->second);
}

core::Result<bool> EntityCounts::wait(core::TenantId tenant, GoOn go_on) {
    if (waiting_count_ >= kWaitingMax) {
        return core::fail(core::Error(core::ErrorCode::kRateLimited,
                                      "too many changes wait until the entities are counted")
                              .bound(kWaitingMax)
                              .retry_after(1));
    }
    const auto [at, first] = waiting_.try_emplace(tenant.value);
    at->second.push_back(std::move(go_on));
    ++waiting_count_;
    return first;
}

void EntityCounts::learned(core::TenantId tenant, core::Result<std::int64_t>&& count) {
    core::Status status;
    if (count)
        held_[tenant.value] = *count;
    else
        status = core::fail(std::move(count.error()));
    const auto at = waiting_.find(tenant.value);
    if (at == waiting_.end()) return;
    const std::vector<GoOn> waited = std::move(at->second);
    waiting_.erase(at);
    waiting_count_ -= waited.size();
    for (const GoOn& go_on : waited) go_on(status);
}

core::Status EntityCounts::take(core::TenantId tenant, std::int64_t most) {
    const auto at = held_.find(tenant.value);
    if (at == held_.end()) return {};
    if (most != 0) {
        if (auto may = identity::within_quota(identity::Quota::kEntities, at->second, most); !may)
            return may;
    }
    ++at->second;
    return {};
}

void EntityCounts::add(core::TenantId tenant, std::int64_t change) {
    const auto at = held_.find(tenant.value);
    if (at != held_.end()) at->second += change;
}

}  // namespace millrace::runtime::api
