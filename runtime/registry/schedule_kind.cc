// Schedules as documents: their body, their row.
#include "core/duration.h"
#include "core/json_reader.h"
#include "core/timestamp.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/schedule_event.h"
#include "runtime/registry/schedule_row.h"
#include "runtime/registry/schedule_timing.h"
#include "runtime/registry/schedule_words.h"

#include <array>
#include <utility>

namespace millrace::runtime {
namespace {

using core::JsonObject;

// Data, in which null is a value.
constexpr std::array<std::string_view, 1> kScheduleReplacedWhole = {"event"};

core::Status invalid(std::string_view member, std::string_view what) {
    return core::fail(
        core::Error(core::ErrorCode::kValidation, std::string(member) + " " + std::string(what))
            .in(std::string(member)));
}

void read_when(JsonObject& in, Schedule& out) {
    const bool typed = in.choice("type", out.type, kTimingTypeWords);
    const bool by_cron =
        in.text("cron", out.cron, {.bytes_min = 1, .bytes_max = kCronTextBytesMax});
    const bool by_interval =
        in.integer("intervalMs", out.interval_ms, kIntervalUsMin / 1000, kIntervalUsMax / 1000);
    const bool by_time = in.timestamp("at", out.at_us);
    if (!typed && by_cron + by_interval + by_time == 1) {
        out.type = by_cron       ? TimingType::kCron
                   : by_interval ? TimingType::kInterval
                                 : TimingType::kOnce;
    }
    const auto of_other = [&](std::string_view name, bool given, TimingType type) {
        if (given && out.type != type)
            in.refuse(name, "belongs to type \"" + std::string(word_of(kTimingTypeWords, type)) +
                                "\", and this one is \"" +
                                std::string(word_of(kTimingTypeWords, out.type)) + "\"");
    };
    of_other("cron", by_cron, TimingType::kCron);
    of_other("intervalMs", by_interval, TimingType::kInterval);
    of_other("at", by_time, TimingType::kOnce);
    if (out.type != TimingType::kCron) out.cron.clear();
    if (out.type != TimingType::kInterval) out.interval_ms = 0;
    if (out.type != TimingType::kOnce) out.at_us = 0;
    if (out.type == TimingType::kCron && out.cron.empty()) in.refuse("cron", "is required");
    if (out.type == TimingType::kInterval && out.interval_ms == 0)
        in.refuse("intervalMs", "is required");
    if (out.type == TimingType::kOnce && out.at_us == 0) in.refuse("at", "is required");
    in.text("timezone", out.timezone, {.bytes_min = 1, .bytes_max = kZoneNameBytesMax});
    in.timestamp("startAt", out.start_at_us);
    in.timestamp("endAt", out.end_at_us);
    in.timestamp("nextRunAt", out.not_before_us);
    in.integer("jitterMs", out.jitter_ms, 0, kJitterMsMax);
    in.integer("maxRuns", out.runs_max, 0, INT64_MAX);
}

void read_rules(JsonObject& in, Schedule& out) {
    in.choice("overlap", out.overlap, kOverlapWords);
    if (auto inner = in.object("catchUp")) {
        inner->choice("mode", out.catch_up.mode, kCatchUpWords);
        inner->integer("windowMs", out.catch_up.window_ms, 0, kCatchUpWindowMsMax);
        inner->integer("max", out.catch_up.runs_max, 1, kCatchUpRunsMax);
        (void)inner->finish();
        in.join(*inner);
    }
    if (auto inner = in.object("dst")) {
        inner->choice("gap", out.gap, kGapWords);
        inner->choice("overlap", out.overlap_hour, kOverlapHourWords);
        (void)inner->finish();
        in.join(*inner);
    }
    in.boolean("pauseOnFailure", out.pause_on_failure);
    in.boolean("active", out.active);
}

// `event`, or its pattern and payload by themselves; or `executor`.
void read_target(JsonObject& in, Schedule& out) {
    std::string event = in.object("event") ? member_text(in, "event") : std::string();
    const std::string executor = in.object("executor") ? member_text(in, "executor") : "";
    const std::string pattern = member_text(in, "pattern");
    const std::string payload = member_text(in, "payload");
    if (!event.empty() && !pattern.empty())
        return in.refuse("event", "stands beside a pattern; give one of them");
    if (!pattern.empty()) {
        core::JsonWriter json(event);
        json.begin_object().raw_field("pattern", pattern);
        if (!payload.empty()) json.raw_field("payload", payload);
        json.end_object();
    }
    // The text of an event that its pattern begins; nobody else would get it.
    if (!payload.empty() && pattern.empty())
        return in.refuse("payload", executor.empty()
                                        ? "stands without a pattern; it belongs into event"
                                        : "stands beside an executor, which gets the time that it "
                                          "runs for; what a schedule is to say is an event's");
    if (!event.empty() && !executor.empty())
        return in.refuse("executor", "stands beside an event; a schedule has one of them");
    if (!event.empty()) {
        out.event = std::move(event);
        out.executor.clear();
    } else if (!executor.empty()) {
        out.executor = executor;
        out.event.clear();
    }
    if (out.event.empty() && out.executor.empty())
        return in.refuse("event", "or executor is required");
    out.script_id.clear();
    out.script = {};
    out.workflow_id.clear();
    out.workflow = {};
    if (auto inner = in.object("executor")) {
        std::string type;
        inner->text("type", type);
        if (type == "script")
            inner->text("scriptId", out.script_id, {.bytes_max = kResourceIdBytesMax});
        for (const char* name : {"workflowId", "workflow_id"}) {
            if (type == "workflow")
                inner->text(name, out.workflow_id, {.bytes_max = kResourceIdBytesMax});
        }
    }
}

// What the server adds when it shows one.
void read_over_live_members(JsonObject& in) {
    for (const char* name : {"lastRunAt", "runs", "skipped", "pauseReason", "ended"})
        (void)in.any(name);
}

core::Status read(std::string_view body, Schedule& out) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    read_document_names(*in, out.id, out.name);
    read_when(*in, out);
    read_rules(*in, out);
    read_target(*in, out);
    read_over_live_members(*in);
    read_over_server_members(*in);
    if (auto status = in->finish(); !status) return status;
    if (out.end_at_us != 0 && out.end_at_us <= out.start_at_us)
        return invalid("endAt", "is not behind startAt");
    if (auto status = make_schedule_timing(out); !status) return status;
    return {};
}

core::Status settle(const Schedule* old, const ChangeContext&, Schedule& next) {
    if (old) {
        next.paused = old->paused;
        next.pause_reason = old->pause_reason;
    }
    const CronSpec& cron = next.timing.cron;
    Timing bare = next.timing;
    bare.from_us = 0;
    bare.to_us = std::numeric_limits<std::int64_t>::max();
    if (next.type == TimingType::kCron && !cron.at_start && !next_due(bare, next.updated_at_us)) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "cron: \"" + next.cron + "\" names no time up to the year " +
                                          std::to_string(kCronYearMax))
                              .in("cron"));
    }
    return {};
}

// With its number and id: they are in the event.
core::Status seal(std::string_view, Schedule& out) {
    if (auto status = make_schedule_timing(out); !status) return status;
    out.from_row = false;  // what is changed of it from here on is checked in full
    out.first_due_us = first_due(out, 0).value_or(0);
    return check_schedule_event(out);
}

void time_or_nothing(core::JsonWriter& json, std::string_view name, std::int64_t us) {
    if (us != 0) json.field(name, core::format_timestamp(us));
}

std::string show(const Schedule& schedule) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", schedule.id).field("name", schedule.name);
    json.field("type", word_of(kTimingTypeWords, schedule.type));
    if (!schedule.cron.empty()) json.field("cron", schedule.cron);
    if (schedule.interval_ms != 0) json.field("intervalMs", schedule.interval_ms);
    time_or_nothing(json, "at", schedule.at_us);
    json.field("timezone", schedule.timezone);
    if (!schedule.event.empty()) json.raw_field("event", schedule.event);
    if (!schedule.executor.empty()) json.raw_field("executor", schedule.executor);
    json.field("overlap", overlap_text(schedule.overlap)).key("catchUp").begin_object();
    json.field("mode", catch_up_text(schedule.catch_up.mode));
    json.field("windowMs", schedule.catch_up.window_ms);
    json.field("max", schedule.catch_up.runs_max).end_object();
    json.field("jitterMs", schedule.jitter_ms).key("dst").begin_object();
    json.field("gap", word_of(kGapWords, schedule.gap));
    json.field("overlap", word_of(kOverlapHourWords, schedule.overlap_hour)).end_object();
    time_or_nothing(json, "startAt", schedule.start_at_us);
    time_or_nothing(json, "endAt", schedule.end_at_us);
    if (schedule.runs_max != 0) json.field("maxRuns", schedule.runs_max);
    json.field("pauseOnFailure", schedule.pause_on_failure);
    json.field("active", schedule.active).field("paused", schedule.paused);
    append_document_times(json, schedule.version, schedule.created_at_us, schedule.updated_at_us);
    json.end_object();
    return out;
}

void write_row(core::JsonWriter& json, const Schedule& schedule) {
    json.field("paused", schedule.paused).field("pauseReason", schedule.pause_reason);
    json.field("notBeforeUs", schedule.not_before_us);
    json.field("sourceType", schedule.source_type).field("sourceId", schedule.source_id);
    json.field("firstDueUs", schedule.first_due_us);
}

void read_row(JsonObject& row, Schedule& out) {
    row.boolean("paused", out.paused);
    row.text("pauseReason", out.pause_reason);
    row.integer("notBeforeUs", out.not_before_us, INT64_MIN, INT64_MAX);
    // They follow from the rest.
    for (const char* name : {"sourceType", "sourceId", "firstDueUs"}) (void)row.any(name);
    out.from_row = true;
}

void references(const Schedule& schedule, const VisitReference& visit) {
    if (!schedule.script_id.empty())
        visit({"script", schedule.script_id, "executor.scriptId", schedule.script.value});
    if (!schedule.workflow_id.empty())
        visit(workflow_reference(schedule.workflow_id, schedule.workflow, schedule.script));
}

constexpr DocumentKind<Schedule> kScheduleKind = {
    .name = "schedule",
    .id_prefix = "sch_",
    .documents_max = kSchedulesMax,
    .quota = identity::Quota::kSchedules,
    .replaced_whole = kScheduleReplacedWhole,
    .read = read,
    .show = show,
    .carry = [](const Schedule& old, Schedule& next) { next.not_before_us = old.not_before_us; },
    .settle = settle,
    .seal = seal,
    .write_row = write_row,
    .read_row = read_row,
    .read_own_row = read_schedule_row,
    .references = references,
    .link =
        [](const DocumentReference& found, Schedule& next) {
            if (found.kind == document_kind<Workflow>().name)
                next.workflow = WorkflowNumber(found.number);
            else
                next.script = ScriptNumber(found.number);
        },
};

}  // namespace

std::string_view overlap_text(Overlap overlap) { return word_of(kOverlapWords, overlap); }

bool parse_overlap(std::string_view text, Overlap& out) {
    return read_word(kOverlapWords, text, out);
}

std::string_view catch_up_text(CatchUpMode mode) { return word_of(kCatchUpWords, mode); }

std::string periodicity_of(const Schedule& schedule) {
    switch (schedule.type) {
        case TimingType::kCron: return schedule.cron;
        case TimingType::kInterval:
            return "every " + core::format_duration(schedule.interval_ms * 1000);
        case TimingType::kOnce: break;
    }
    return "once";
}

std::string schedule_pattern(const Schedule& schedule) { return "schedule." + schedule.id; }

std::string schedule_subscription_id(std::string_view schedule_id) {
    return "schedule:" + std::string(schedule_id);
}

std::string schedule_subscription_body(const Schedule& schedule) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("id", schedule_subscription_id(schedule.id));
    json.field("name", "schedule " + schedule.name.substr(0, kResourceNameBytesMax - 16));
    json.key("pattern").begin_object().field("type", "exact");
    json.field("value", schedule_pattern(schedule)).end_object();
    json.raw_field("executor", schedule.executor).field("ordering", "none").end_object();
    return body;
}

template <>
const DocumentKind<Schedule>& document_kind<Schedule>() {
    return kScheduleKind;
}

}  // namespace millrace::runtime
