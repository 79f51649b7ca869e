#include "runtime/api/own_subscription.h"

#include "runtime/api/handlers.h"

#include <utility>

namespace millrace::runtime::api {

core::Result<OwnChange> change_own(Call& call, const std::string& id, std::string_view body) {
    auto& table = call.services.registry().table<Subscription>();
    const bool there = table.find(call.tenant(), id) != nullptr;
    ChangeContext context = change_context(call);
    context.if_match = {};  // it is the document's
    if (body.empty() && !there) return OwnChange();
    auto made = body.empty() ? begin_closing(call, context, id, Closing::kDeadLetter)
                : there      ? table.patch(context, id, body)
                             : table.create(context, body);
    if (!made) return core::fail(std::move(made.error()));
    return OwnChange(std::move(*made));
}

void undo_own(Call& call, const OwnChange& own) {
    if (!own) return;
    if (auto undone = call.services.registry().table<Subscription>().undo(*own))
        call.services.registry_undone(*undone);
}

core::Status apply_own(Call& call, const OwnChange& own) {
    if (!own || own->after->closing != Closing::kNo) return {};
    return call.services.registry_changed(*own);
}

void close_own(Call& call, OwnChange&& own, const Respond& respond) {
    if (!own || own->after->closing == Closing::kNo)
        return respond(json_response(200, R"({"success":true})"));
    finish_closing(call, std::move(*own), [respond](core::Result<std::uint64_t>&& count) {
        respond(count ? json_response(200, R"({"success":true})") : error_response(count.error()));
    });
}

}  // namespace millrace::runtime::api
