#include "runtime/api/tenant_quota.h"

#include "runtime/event/snake_names.h"

#include <algorithm>

namespace millrace::runtime::api {
namespace {

using identity::Quota;

// Which script a subscription that is to be made would run; "" when the body does not say.
std::string script_of(std::string_view sent) {
    const std::string body = with_camel_case_names(sent);
    core::JsonDocument document;
    auto in = document.parse_object(body);
    std::string id;
    if (!in) return id;
    if (auto executor = in->object("executor")) executor->text("scriptId", id);
    return id;
}

std::int64_t subscriptions_of(const Registry& registry, core::TenantId tenant,
                              std::string_view script) {
    std::int64_t count = 0;
    registry.list_subscriptions(tenant, "", [&](const SubscriptionRef& one) {
        count += one->executor.script_id == script;
        return true;
    });
    return count;
}

}  // namespace

TenantRef tenant_document(const Registry& registry, core::TenantId tenant) {
    if (tenant.value == 0) return registry.table<Tenant>().find(kPlatform, "default");
    return registry.snapshot()->tenants.share(tenant.value);
}

identity::Quotas quotas_of(Services& services, core::TenantId tenant) {
    const TenantRef document = tenant_document(services.registry(), tenant);
    const identity::Quotas defaults = services.quota_defaults();
    return document ? document->quotas.over(defaults) : defaults;
}

core::Status may_start_replay(Call& call) {
    const std::int64_t most = quotas_of(call.services, call.tenant()).of(Quota::kReplays);
    if (most == 0) return {};
    // Those that run are among the newest: there are few of them.
    const auto page = call.services.replays(call.tenant(), "", kListLimitDefault);
    if (!page) return core::fail(page.error());
    const auto runs = [](const ReplayProgress& replay) { return replay.status == "running"; };
    return identity::within_quota(
        Quota::kReplays, std::count_if(page->replays.begin(), page->replays.end(), runs), most);
}

template <>
core::Status may_create<Script>(Call& call) {
    const Registry& registry = call.services.registry();
    return identity::within_quota(
        Quota::kScripts, static_cast<std::int64_t>(registry.table<Script>().size(call.tenant())),
        quotas_of(call.services, call.tenant()).of(Quota::kScripts));
}

template <>
core::Status may_create<Subscription>(Call& call) {
    const Registry& registry = call.services.registry();
    const identity::Quotas quotas = quotas_of(call.services, call.tenant());
    const std::size_t held = registry.table<Subscription>().size(call.tenant());
    if (auto status = identity::within_quota(Quota::kSubscriptions, static_cast<std::int64_t>(held),
                                             quotas.of(Quota::kSubscriptions));
        !status)
        return status;
    const std::int64_t most = quotas.of(Quota::kScriptSubscriptions);
    if (most == 0) return {};
    const std::string script = script_of(call.request.body_view());
    return identity::within_quota(Quota::kScriptSubscriptions,
                                  subscriptions_of(registry, call.tenant(), script), most);
}

}  // namespace millrace::runtime::api
