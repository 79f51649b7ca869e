// GET /v2/subscriptions: the list, chosen by script and activity. The rest of their calls is every
// document's (documents.h).
#include "runtime/api/documents.h"
#include "runtime/api/handlers.h"

namespace millrace::runtime::api {

Answer list_subscriptions(Call& call) {
    const std::string script_id = call.text("scriptId");
    const bool by_activity = call.request.query_value("active").has_value();
    const auto active = call.flag("active");
    if (!active) return core::fail(active.error());
    return list_chosen<Subscription>(call, [&](const Subscription& subscription) {
        return (script_id.empty() || subscription.executor.script_id == script_id) &&
               (!by_activity || subscription.active == *active);
    });
}

}  // namespace millrace::runtime::api
