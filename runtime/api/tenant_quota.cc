#include "runtime/api/tenant_quota.h"

#include <algorithm>

namespace millrace::runtime::api {

using identity::Quota;

// They are among the newest: there are few of them.
core::Result<std::int64_t> replays_under_way(Services& services, core::TenantId tenant) {
    const auto page = services.replays(tenant, "", kListLimitDefault);
    if (!page) return core::fail(page.error());
    const auto runs = [](const ReplayProgress& replay) { return replay.status == "running"; };
    return std::count_if(page->replays.begin(), page->replays.end(), runs);
}

core::Status may_start_replay(Call& call) {
    const std::int64_t most = call.services.registry().quotas_of(call.tenant()).of(Quota::kReplays);
    if (most == 0) return {};
    const auto held = replays_under_way(call.services, call.tenant());
    if (!held) return core::fail(held.error());
    return identity::within_quota(Quota::kReplays, *held, most);
}

}  // namespace millrace::runtime::api
