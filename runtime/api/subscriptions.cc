// /v2/subscriptions: create, list, read, change, remove.
#include "runtime/api/handlers.h"

namespace millrace::runtime::api {

Answer create_subscription(Call& call) {
    Registry& registry = call.services.registry();
    auto created = registry.create_subscription(call.tenant(), call.request.body_view(),
                                                call.services.log_ends());
    if (!created) return core::fail(std::move(created.error()));
    if (auto applied = call.services.registry_changed({.subscription_put = *created}); !applied) {
        // What the matcher can not take must not stay registered.
        (void)registry.remove_subscription(call.tenant(), (*created)->id);
        return core::fail(applied.error());
    }
    ApiResponse response = json_response(201, std::string((*created)->document));
    response.headers.emplace_back("Location", "/v2/subscriptions/" + (*created)->id);
    return response;
}

Answer list_subscriptions(Call& call) {
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    const std::string script_id = call.text("scriptId");
    const bool by_activity = call.request.query_value("active").has_value();
    const auto active = call.flag("active");
    if (!active) return core::fail(active.error());
    ListBody body;
    std::size_t count = 0;
    std::string last, next;
    call.services.registry().list_subscriptions(
        call.tenant(), call.text("cursor"), [&](const SubscriptionRef& subscription) {
            if (!script_id.empty() && subscription->executor.script_id != script_id) return true;
            if (by_activity && subscription->active != *active) return true;
            if (count++ == *limit) {
                next = last;
                return false;
            }
            body.json().raw(subscription->document);
            last = subscription->id;
            return true;
        });
    return body.finish(next);
}

Answer get_subscription(Call& call) {
    const std::string_view id = call.request.param("id");
    const SubscriptionRef subscription =
        call.services.registry().find_subscription(call.tenant(), id);
    if (!subscription) return not_found("subscription", id);
    return json_response(200, std::string(subscription->document));
}

Answer patch_subscription(Call& call) {
    Registry& registry = call.services.registry();
    const std::string_view id = call.request.param("id");
    const SubscriptionRef old = registry.find_subscription(call.tenant(), id);
    auto patched = registry.patch_subscription(call.tenant(), id, call.request.body_view(),
                                               call.services.log_ends());
    if (!patched) return core::fail(std::move(patched.error()));
    if (auto applied = call.services.registry_changed({.subscription_put = *patched}); !applied) {
        // Back to what the matcher still has.
        (void)registry.restore_subscription(old);
        return core::fail(applied.error());
    }
    return json_response(200, std::string((*patched)->document));
}

Answer delete_subscription(Call& call) {
    auto removed =
        call.services.registry().remove_subscription(call.tenant(), call.request.param("id"));
    if (!removed) return core::fail(std::move(removed.error()));
    if (auto applied = call.services.registry_changed({.subscription_removed = *removed}); !applied)
        return core::fail(applied.error());
    return json_response(200, R"({"success":true})");
}

}  // namespace millrace::runtime::api
