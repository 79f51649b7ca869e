// /v2/links: the documents, each with what its link is at under "status".
#include "runtime/api/documents.h"
#include "runtime/api/handlers.h"
#include "runtime/api/link_view.h"

#include <string>
#include <utility>

namespace millrace::runtime::api {
namespace {

void append_link_status(core::JsonWriter& json, const LinkStatus& status, const Link& link) {
    json.begin_object().field("state", status.state).field_or_null("reason", status.reason);
    time_field_or_null(json, "since", status.since_us);
    const bool reads = link.direction == LinkDirection::kIn;
    if (reads || is_stream(link)) {
        json.raw_field("position", status.position.empty() ? "null" : status.position);
        json.key("lag");
        status.lag ? json.value(*status.lag) : json.value(nullptr);
        json.field_or_null("lagUnit", status.lag_unit);
        json.field("missed", status.missed).field("gaps", status.gaps);
    }
    if (reads) {
        json.field("taken", status.taken).field("duplicates", status.duplicates);
        json.field("rejected", status.rejected).field("leftOut", status.left_out);
    } else {
        json.field("sent", status.sent).field("failed", status.failed);
        json.field("pending", status.pending);
    }
    json.key("lastError");
    if (status.last_error_at_us == 0) {
        json.value(nullptr);
    } else {
        json.begin_object().field("message", status.last_error);
        time_field(json, "at", status.last_error_at_us).end_object();
    }
    if (status.logs) json.raw_field("logs", *status.logs);
    json.end_object();
}

// A change's answer, with what the link is at.
Answer with_link_status(Call& call, Answer&& answer, std::string_view id) {
    if (!answer) return std::move(answer);
    const auto link = call.services.registry().table<Link>().find(call.tenant(), id);
    if (link) answer->body = link_view(call.services, *link);
    return std::move(answer);
}

}  // namespace

std::string link_view(Services& services, const Link& link, LinkLogsShown logs) {
    std::string out = document_kind<Link>().show(link);
    out.pop_back();
    out += ",\"status\":";
    // The agent has not come to it yet.
    LinkStatus status;
    if (LinkAgent* const links = services.links()) {
        if (auto seen = links->look(link.number)) status = std::move(*seen);
    }
    // What the agent has shown last may be older than the document.
    const std::string_view seen = status.state;
    if (link.paused)
        status.state = "paused";
    else if (status.state == "paused" && status.reason.empty())
        status.state = "connecting";
    if (status.state != seen) status.since_us = link.updated_at_us;
    if (logs == LinkLogsShown::kNo) status.logs = nullptr;
    core::JsonWriter json(out);
    append_link_status(json, status, link);
    return out + "}";
}

ApiResponse link_response(Services& services, int status, const Link& link) {
    ApiResponse response = document_response(status, link);
    response.body = link_view(services, link);
    return response;
}

Answer create_link(Call& call) {
    auto made = call.services.registry().table<Link>().create(
        change_context(call), call.request.body_view(), bounds_of<Link>(call));
    const std::string id = made ? made->after->id : "";
    return with_link_status(call, changed<Link>(call, std::move(made), 201), id);
}

Answer put_link(Call& call) {
    return with_link_status(call, change_document<Link, &DocumentTable<Link>::put>(call),
                            call.request.param("id"));
}

Answer patch_link(Call& call) {
    return with_link_status(call, change_document<Link, &DocumentTable<Link>::patch>(call),
                            call.request.param("id"));
}

Answer get_link(Call& call) {
    const std::string_view id = call.request.param("id");
    const auto link = call.services.registry().table<Link>().find(call.tenant(), id);
    if (!link) return not_found("link", id);
    return link_response(call.services, 200, *link);
}

Answer list_links(Call& call) {
    const std::string direction = call.text("direction");
    const std::string type = call.text("type");
    return list_chosen<Link>(
        call,
        [&](const Link& link) {
            return (direction.empty() || link_direction_text(link.direction) == direction) &&
                   (type.empty() || link_type_text(link.type) == type);
        },
        [&call](const Link& link) { return link_view(call.services, link, LinkLogsShown::kNo); });
}

}  // namespace millrace::runtime::api
