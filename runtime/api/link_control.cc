// What one does with a link that is there: pause, resume, reset and test.
#include "runtime/api/documents.h"
#include "runtime/api/handlers.h"
#include "runtime/api/link_view.h"

#include <string>
#include <utility>

namespace millrace::runtime::api {
namespace {

core::Result<LinkRef> find_link(Call& call) {
    const std::string_view id = call.request.param("id");
    auto link = call.services.registry().table<Link>().find(call.tenant(), id);
    if (!link) return not_found("link", id);
    return link;
}

Answer amend_link(Call& call, const LinkRef& link, std::string_view action,
                  const std::function<core::Status(Link&)>& edit) {
    auto made =
        call.services.registry().table<Link>().amend(change_context(call), link->id, action, edit);
    const LinkRef now = made ? made->after : link;
    if (auto applied = changed<Link>(call, std::move(made), 200); !applied) return applied;
    return link_response(call.services, 200, *now);
}

Answer set_link_paused(Call& call, bool paused) {
    const auto link = find_link(call);
    if (!link) return core::fail(link.error());
    if (auto empty = check_no_members(call); !empty) return core::fail(empty.error());
    // One that was stopped goes on from where it was; other partitions that run it hear of it by
    // the document.
    LinkAgent* const links = call.services.links();
    const bool told = !paused && links && links->partition();
    if (!paused && links) links->resume((*link)->number);
    if ((*link)->paused == paused && !told) return link_response(call.services, 200, **link);
    return amend_link(call, *link, paused ? "pause" : "resume", [paused, told](Link& next) {
        next.paused = paused;
        next.resumes += told ? 1 : 0;
        return core::Status{};
    });
}

}  // namespace

Answer pause_link(Call& call) { return set_link_paused(call, true); }

Answer resume_link(Call& call) { return set_link_paused(call, false); }

// Where to has no default: what lies between is read again, or never.
Answer reset_link(Call& call) {
    const auto link = find_link(call);
    if (!link) return core::fail(link.error());
    core::JsonDocument document;
    auto in = document.parse_object(call.request.body_view());
    if (!in) return core::fail(std::move(in.error()));
    std::string to;
    in->text("to", to, {.presence = core::Presence::kRequired, .bytes_max = kLinkPositionBytesMax});
    if (auto status = in->finish(); !status) return core::fail(status.error());
    if ((*link)->direction == LinkDirection::kOut && !is_stream(**link))
        return core::fail(
            core::ErrorCode::kConflict,
            "link \"" + (*link)->id + "\" is a sink of subscriptions: it has no position");
    if (auto known = check_link_place(**link, to); !known)
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "to: " + known.error().message).in("to"));
    const LogEnds ends = change_context(call).log_ends;
    return amend_link(call, *link, "reset", [&to, &ends](Link& next) {
        ++next.resets;
        next.reset_to = to;
        if (is_stream(next)) next.begin = to == "end" ? ends : LogEnds{};
        return core::Status{};
    });
}

void test_link(Call& call, const Respond& respond) {
    if (auto empty = check_no_members(call); !empty) return respond(error_response(empty.error()));
    const auto link = find_link(call);
    if (!link) return respond(error_response(link.error()));
    Services& services = call.services;
    if (!services.links())
        return respond(error_response(
            core::Error(core::ErrorCode::kNotSupported, "this server has no links")));
    services.links()->test(*link, [&services, respond, id = (*link)->id](LinkTest&& test) {
        services.run_later([respond, id, test = std::move(test)] {
            std::string body;
            core::JsonWriter json(body);
            json.begin_object().field("success", test.error.empty()).field("linkId", id);
            json.field_or_null("error", test.error).field("durationUs", test.duration_us);
            json.end_object();
            respond(json_response(200, std::move(body)));
        });
    });
}

}  // namespace millrace::runtime::api
