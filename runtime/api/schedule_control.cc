// What one does with a schedule that is there: its ledger, its next times, pause, resume, trigger
// and backfill.
#include "core/moment.h"
#include "runtime/api/audit.h"
#include "runtime/api/documents.h"
#include "runtime/api/handlers.h"
#include "runtime/api/schedule_view.h"
#include "store/rows/registry_store.h"

#include <charconv>
#include <cstdio>
#include <functional>
#include <limits>
#include <memory>
#include <utility>

namespace millrace::runtime::api {
namespace {

constexpr std::int64_t kPreviewMax = 1000;
constexpr std::int64_t kBackfillTimesMax = 10'000;

core::Result<ScheduleRef> find_schedule(Call& call) {
    const std::string_view id = call.request.param("id");
    auto schedule = call.services.registry().table<Schedule>().find(call.tenant(), id);
    if (!schedule) return not_found("schedule", id);
    return schedule;
}

// As the clocks of the zone show it: 2026-03-08T03:00:00-04:00.
std::string local_text(const Zone& zone, std::int64_t us) {
    const std::int64_t offset_s = zone.at(us / 1'000'000).offset_s;
    std::string text = core::format_timestamp(us + offset_s * 1'000'000);
    text.pop_back();
    if (text.ends_with(".000")) text.resize(text.size() - 4);
    const std::int64_t minutes = (offset_s < 0 ? -offset_s : offset_s) / 60;
    char offset[16];
    std::snprintf(offset, sizeof offset, "%c%02d:%02d", offset_s < 0 ? '-' : '+',
                  static_cast<int>(minutes / 60 % 100), static_cast<int>(minutes % 60));
    return text + offset;
}

Answer set_paused(Call& call, bool paused) {
    if (auto empty = check_no_members(call); !empty) return core::fail(empty.error());
    const auto schedule = find_schedule(call);
    if (!schedule) return core::fail(schedule.error());
    ScheduleRef now = *schedule;
    if (now->paused != paused) {
        auto made = call.services.registry().table<Schedule>().amend(
            change_context(call), now->id, paused ? "pause" : "resume",
            [paused](Schedule& next) -> core::Status {
                if (!paused) {
                    // One that was paused because its zone is gone has not got it back.
                    auto zone = Zone::find(next.timezone);
                    if (!zone) return core::fail(std::move(zone.error()));
                }
                next.paused = paused;
                next.pause_reason.clear();
                return {};
            });
        if (made) now = made->after;
        if (auto applied = changed<Schedule>(call, std::move(made), 200); !applied) return applied;
    }
    ApiResponse response = document_response(200, *now);
    response.body = schedule_view(call.services, *now);
    return response;
}

struct BackfillBody {
    Backfill asked;
    bool dry_run = false;
    std::int64_t expect = -1;
};

core::Result<BackfillBody> read_backfill(Call& call) {
    core::JsonDocument document;
    auto in = document.parse_object(call.request.body_view());
    if (!in) return core::fail(std::move(in.error()));
    BackfillBody out;
    std::int64_t from_us = INT64_MIN, to_us = INT64_MIN;
    const std::int64_t now_us = call.services.clock().wall_us();
    read_moment(*in, "from", now_us, from_us);
    read_moment(*in, "to", now_us, to_us);
    std::string overlap;
    if (in->text("overlap", overlap) && !parse_overlap(overlap, out.asked.overlap))
        in->refuse("overlap", "is none of skip, queue1, queueAll, cancel, allow");
    in->boolean("dryRun", out.dry_run);
    in->integer("expect", out.expect, 0, kBackfillTimesMax);
    if (in->ok() && from_us == INT64_MIN) in->refuse("from", "is required");
    if (in->ok() && to_us == INT64_MIN) in->refuse("to", "is required");
    if (in->ok() && to_us <= from_us) in->refuse("to", "is not behind from");
    if (in->ok() && to_us > now_us) in->refuse("to", "lies in the future");
    if (auto status = in->finish(); !status) return core::fail(status.error());
    out.asked.after_us = from_us - 1;
    out.asked.to_us = to_us - 1;
    return out;
}

core::Result<std::int64_t> count_times(const Schedule& schedule, const Backfill& asked) {
    std::int64_t count = 0;
    for (auto at = next_due(schedule.timing, asked.after_us); at && *at <= asked.to_us;
         at = next_due(schedule.timing, *at)) {
        if (++count <= kBackfillTimesMax) continue;
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "to: the range holds more than " +
                                          std::to_string(kBackfillTimesMax) + " times")
                              .in("to")
                              .bound(kBackfillTimesMax));
    }
    return count;
}

// Who had it fire by hand: a line of the audit log, in the commit that takes it. The ledger says
// what came of it.
std::shared_ptr<const AuditPromise> promise_of(
    Call& call, const Schedule& schedule, std::string_view action,
    const std::function<void(core::JsonWriter&)>& more = {}) {
    return std::make_shared<const AuditPromise>(call, action, "schedule", schedule.id, more);
}

Scheduler::Beside beside_of(std::shared_ptr<const AuditPromise> promise) {
    return [promise = std::move(promise)](store::RowBatch& rows) { promise->put(rows); };
}

}  // namespace

Answer list_schedule_runs(Call& call) {
    const auto schedule = find_schedule(call);
    if (!schedule) return core::fail(schedule.error());
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    const auto after = call.key_cursor();
    if (!after) return core::fail(after.error());
    const std::string prefix = ledger_prefix((*schedule)->tenant, (*schedule)->number.value);
    const std::string behind = after->empty() ? std::string() : prefix + *after;
    auto rows =
        call.services.database().registry().list(kScheduleLedgerKind, prefix, behind, *limit + 1);
    if (!rows) return core::fail(std::move(rows.error()));
    ListBody body;
    std::string next;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        if (i == *limit) {
            next = encode_key_cursor((*rows)[i - 1].id.substr(prefix.size()));
            break;
        }
        body.json().raw((*rows)[i].json);
    }
    return body.finish(next);
}

Answer preview_schedule(Call& call) {
    const auto schedule = find_schedule(call);
    if (!schedule) return core::fail(schedule.error());
    std::int64_t count = 10;
    if (const auto n = call.request.query_value("n")) {
        const auto [end, error] = std::from_chars(n->data(), n->data() + n->size(), count);
        if (error != std::errc() || end != n->data() + n->size() || count < 1 ||
            count > kPreviewMax) {
            return core::fail(core::Error(core::ErrorCode::kValidation,
                                          "query parameter n is \"" + n->substr(0, 32) +
                                              "\"; expected 1 to " + std::to_string(kPreviewMax))
                                  .in("n")
                                  .bound(kPreviewMax));
        }
    }
    const auto from = call.time("from", call.services.clock().wall_us());
    if (!from) return core::fail(from.error());
    ListBody body;
    std::int64_t after_us = *from;
    for (std::int64_t i = 0; i < count; ++i) {
        const auto next = next_due((*schedule)->timing, after_us);
        if (!next) break;
        body.json().begin_object().field("at", core::format_timestamp(*next));
        body.json().field("local", local_text((*schedule)->timing.zone, *next)).end_object();
        after_us = *next;
    }
    return body.finish("");
}

Answer pause_schedule(Call& call) { return set_paused(call, true); }
Answer resume_schedule(Call& call) { return set_paused(call, false); }

void trigger_schedule(Call& call, const Respond& respond) {
    if (auto empty = check_no_members(call); !empty) return respond(error_response(empty.error()));
    const auto schedule = find_schedule(call);
    if (!schedule) return respond(error_response(schedule.error()));
    Services& services = call.services;
    const auto promise = promise_of(call, **schedule, "trigger");
    services.scheduler().trigger(
        *schedule, beside_of(promise),
        [&services, respond, id = (*schedule)->id, promise](core::Result<std::string>&& event) {
            services.run_later([respond, id, promise, event = std::move(event)] {
                if (!event) return respond(error_response(event.error()));
                promise->keep();
                std::string body;
                core::JsonWriter json(body);
                json.begin_object().field("success", true).field("scheduleId", id);
                json.field("eventId", *event).end_object();
                respond(json_response(202, std::move(body)));
            });
        });
}

void backfill_schedule(Call& call, const Respond& respond) {
    const auto schedule = find_schedule(call);
    if (!schedule) return respond(error_response(schedule.error()));
    const auto body = read_backfill(call);
    if (!body) return respond(error_response(body.error()));
    const auto count = count_times(**schedule, body->asked);
    if (!count) return respond(error_response(count.error()));
    if (body->expect >= 0 && body->expect != *count) {
        return respond(
            error_response(core::Error(core::ErrorCode::kConflict,
                                       "expect: there are " + std::to_string(*count) + " times")
                               .in("expect")));
    }
    const auto answer = [count = *count, dry_run = body->dry_run] {
        std::string text;
        core::JsonWriter json(text);
        json.begin_object().field("success", true).field("accepted", dry_run ? 0 : count);
        json.field("count", count).field("dryRun", dry_run).end_object();
        return json_response(dry_run ? 200 : 202, std::move(text));
    };
    if (body->dry_run) return respond(answer());
    Services& services = call.services;
    const auto promise =
        promise_of(call, **schedule, "backfill",
                   [count = *count](core::JsonWriter& json) { json.field("count", count); });
    services.scheduler().backfill(
        *schedule, body->asked, beside_of(promise),
        [&services, respond, answer, promise](core::Status&& taken) {
            services.run_later([respond, answer, promise, taken = std::move(taken)] {
                if (!taken) return respond(error_response(taken.error()));
                promise->keep();
                respond(answer());
            });
        });
}

}  // namespace millrace::runtime::api
