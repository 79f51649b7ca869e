// /v2/schedules: list, one, and what is shown of one. A schedule that names an executor has a
// subscription of its own, which takes its events there (own_subscription.h).
#include "runtime/api/documents.h"
#include "runtime/api/handlers.h"
#include "runtime/api/schedule_view.h"

#include <utility>

namespace millrace::runtime::api {
namespace {

DocumentTable<Schedule>& table_of(Call& call) { return call.services.registry().table<Schedule>(); }

}  // namespace

std::string schedule_view(Services& services, const Schedule& schedule) {
    std::string out = document_kind<Schedule>().show(schedule);
    out.pop_back();
    out += ',';
    std::string live;
    core::JsonWriter json(live);
    const auto look = services.scheduler().look(schedule.number);
    std::int64_t due_us = look ? look->due_us : 0;
    // The scheduler has not come to it yet.
    if (!look) due_us = next_due(schedule.timing, schedule.updated_at_us).value_or(0);
    json.begin_object();
    time_field_or_null(json, "nextRunAt", due_us);
    time_field_or_null(json, "lastRunAt", look ? look->last_run_us : 0);
    json.field("runs", look ? look->fired : 0).field("skipped", look ? look->skipped : 0);
    json.field_or_null("pauseReason", schedule.pause_reason);
    json.field("ended", due_us == 0 && !schedule.timing.cron.at_start).end_object();
    return out + live.substr(1);
}

Answer get_schedule(Call& call) {
    const std::string_view id = call.request.param("id");
    const auto schedule = table_of(call).find(call.tenant(), id);
    if (!schedule) return not_found("schedule", id);
    ApiResponse response = document_response(200, *schedule);
    response.body = schedule_view(call.services, *schedule);
    return response;
}

Answer list_schedules(Call& call) {
    const bool chosen = call.request.query_value("active").has_value();
    const auto active = call.flag("active");
    if (!active) return core::fail(active.error());
    return list_chosen<Schedule>(
        call,
        [&](const Schedule& schedule) {
            return !chosen || (schedule.active && !schedule.paused) == *active;
        },
        [&call](const Schedule& schedule) { return schedule_view(call.services, schedule); });
}

}  // namespace millrace::runtime::api
