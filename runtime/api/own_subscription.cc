#include "runtime/api/own_subscription.h"

#include "runtime/api/handlers.h"

#include <utility>

namespace millrace::runtime::api {

core::Status put_own_subscription(Call& call, const std::string& id, std::string_view body) {
    auto& table = call.services.registry().table<Subscription>();
    const bool there = table.find(call.tenant(), id) != nullptr;
    ChangeContext context = change_context(call);
    context.if_match = {};
    auto made = there ? table.patch(context, id, body) : table.create(context, body);
    if (!made) return core::fail(made.error());
    if (auto applied = call.services.registry_changed(*made); !applied) {
        if (auto undone = table.undo(*made)) call.services.registry_undone(*undone);
        return applied;
    }
    return {};
}

void remove_own_subscription(Call& call, const std::string& id, const Respond& respond) {
    const auto subscription =
        call.services.registry().table<Subscription>().find(call.tenant(), id);
    if (!subscription) return respond(json_response(200, R"({"success":true})"));
    call.services.registry().act_as(identity::actor_of(call.request.principal));
    ChangeContext context = change_context(call);
    context.if_match = {};  // it is the document's
    close_subscription(call, context, subscription, Closing::kDeadLetter,
                       [respond](core::Result<std::uint64_t>&& count) {
                           respond(count ? json_response(200, R"({"success":true})")
                                         : error_response(count.error()));
                       });
}

}  // namespace millrace::runtime::api
