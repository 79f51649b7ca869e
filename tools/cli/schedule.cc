// The verbs of schedules.
#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/remove.h"
#include "tools/cli/resolve.h"
#include "tools/cli/show.h"
#include "tools/cli/shown.h"

#include <vector>

namespace millrace::tools {

namespace {

constexpr ResourceKind kSchedules{"/v2/schedules", "schedule"};

struct ScheduleOptions {
    std::string id, name, cron, every, at, timezone, pattern, payload, script, overlap, body;
};

std::string path_of(const std::string& id, std::string_view verb = {}) {
    return "/v2/schedules/" + url_escaped(id) + (verb.empty() ? "" : "/" + std::string(verb));
}

int show(CliContext& context, const HttpRequest& request, std::string_view done) {
    const auto reply = context.call(request);
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    context.out() << done;
    for (const char* member : {"id", "scheduleId"}) {
        const std::string id = text_at(reply->root, member);
        if (!id.empty()) context.out() << ' ' << printable(id);
    }
    if (const std::string event = text_at(reply->root, "eventId"); !event.empty())
        context.out() << "  event " << printable(event);
    if (const std::string count = text_at(reply->root, "count"); !count.empty())
        context.out() << "  times " << printable(count);
    if (const std::string next = text_at(reply->root, "nextRunAt"); !next.empty())
        context.out() << "  next " << printable(next);
    context.out() << '\n';
    return kExitOk;
}

int create(CliContext& context, const ScheduleOptions& o) {
    HttpRequest request{.method = "POST", .path = "/v2/schedules"};
    if (!o.body.empty()) {
        auto body = read_json_argument(o.body, "--body");
        if (!body) return context.usage(body.error().message);
        request.body = std::move(*body);
        return show(context, request, "created");
    }
    if (!o.script.empty() && !(o.pattern.empty() && o.payload.empty()))
        return context.usage("--script runs without an event: --pattern and --payload are not its");
    JsonObject body;
    body.text_if("id", o.id).text_if("name", o.name).text_if("cron", o.cron);
    body.text_if("at", o.at).text_if("timezone", o.timezone).text_if("overlap", o.overlap);
    if (!o.every.empty()) body.text("interval_ms", o.every);
    if (!o.script.empty()) {
        const std::string script = resolve(context, kScripts, o.script);
        if (script.empty()) return kExitFailed;
        body.raw("executor", JsonObject().text("type", "script").text("scriptId", script).str());
    } else {
        JsonObject event;
        event.text_if("pattern", o.pattern);
        if (!o.payload.empty()) {
            const auto payload = read_json_argument(o.payload, "--payload");
            if (!payload) return context.usage(payload.error().message);
            event.raw("payload", *payload);
        }
        body.raw("event", event.str());
    }
    request.body = body.str();
    return show(context, request, "created");
}

int list(CliContext& context, std::int64_t limit, const std::string& cursor) {
    const auto reply =
        context.get("/v2/schedules" + Query().add("limit", limit).add("cursor", cursor).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"SCHEDULE", "NAME", "WHEN", "ZONE", "STATE", "NEXT", "RUNS"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        std::string when = text_at(item, "cron");
        if (when.empty()) when = text_at(item, "at");
        if (when.empty()) when = "every " + text_at(item, "intervalMs") + " ms";
        const bool runs = flag_at(item, "active") && !flag_at(item, "paused");
        table.add({text_at(item, "id"), text_at(item, "name"), when, text_at(item, "timezone"),
                   Cell(runs ? "runs" : "held", runs ? Style::kGood : Style::kDim),
                   time_cell(context, text_at(item, "nextRunAt")), text_at(item, "runs")});
    }
    context.print_table(table, "no schedules");
    context.print_next(*reply);
    return kExitOk;
}

int runs(CliContext& context, const std::string& text, std::int64_t limit) {
    const std::string id = resolve(context, kSchedules, text);
    if (id.empty()) return kExitFailed;
    const auto reply = context.get(path_of(id, "runs") + Query().add("limit", limit).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"DUE", "STATUS", "RULE", "LATE MS", "EVENT"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        const std::string status = text_at(item, "status");
        table.add({text_at(item, "dueAt"),
                   Cell(status, status == "fired" ? Style::kGood : Style::kWarn),
                   text_at(item, "rule"), text_at(item, "lateMs"), text_at(item, "eventId")});
    }
    context.print_table(table, "nothing was due yet");
    context.print_next(*reply);
    return kExitOk;
}

int preview(CliContext& context, const std::string& text, std::int64_t count) {
    const std::string id = resolve(context, kSchedules, text);
    if (id.empty()) return kExitFailed;
    const auto reply = context.get(path_of(id, "preview") + Query().add("n", count).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"LOCAL", "UTC"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found))
        table.add({text_at(item, "local"), text_at(item, "at")});
    context.print_table(table, "never");
    return kExitOk;
}

struct BackfillOptions {
    std::string id, from, to, overlap;
    bool dry_run = false;
};

int backfill(CliContext& context, const BackfillOptions& o) {
    const std::string id = resolve(context, kSchedules, o.id);
    if (id.empty()) return kExitFailed;
    const std::int64_t now_us = wall_clock_us();
    JsonObject body;
    body.text("from", time_argument(o.from, now_us)).text("to", time_argument(o.to, now_us));
    body.text_if("overlap", o.overlap);
    if (o.dry_run) body.flag("dryRun", true);
    return show(context, {.method = "POST", .path = path_of(id, "backfill"), .body = body.str()},
                o.dry_run ? "would backfill " + printable(id) : "backfills " + printable(id));
}

void add_create(CLI::App& schedule, CliContext& context) {
    auto o = std::make_shared<ScheduleOptions>();
    CLI::App* verb = schedule.add_subcommand("create", "Create a schedule");
    verb->add_option("--id", o->id);
    verb->add_option("--name", o->name);
    CLI::Option* cron = verb->add_option("--cron", o->cron, "an expression such as \"0 9 * * *\"");
    CLI::Option* every = verb->add_option("--every", o->every, "an interval: 30s, 5m, 2h");
    CLI::Option* at = verb->add_option("--at", o->at, "once, at an RFC 3339 time");
    cron->excludes(every)->excludes(at);
    every->excludes(at);
    verb->add_option("--timezone", o->timezone, "UTC, unless given");
    verb->add_option("--pattern", o->pattern, "of the event that it makes");
    verb->add_option("--payload", o->payload, "JSON, @file or -");
    verb->add_option("--script", o->script, "runs this script instead of making an event");
    verb->add_option("--overlap", o->overlap)
        ->check(CLI::IsMember({"skip", "queue1", "queueAll", "cancel", "allow"}));
    verb->add_option("--body", o->body, "the whole schedule: JSON, @file or -");
    verb->callback(
        [&context, o] { context.action = [&context, o] { return create(context, *o); }; });
}

// pause, resume, trigger: an id and nothing else.
void add_order(CLI::App& schedule, CliContext& context, const char* verb, const char* what,
               const char* done) {
    auto id = std::make_shared<std::string>();
    CLI::App* order = schedule.add_subcommand(verb, what);
    order->add_option("schedule", *id, "its id or name")->required();
    order->callback([&context, id, verb, done] {
        context.action = [&context, id, verb, done] {
            const std::string known = resolve(context, kSchedules, *id);
            if (known.empty()) return kExitFailed;
            return show(context, {.method = "POST", .path = path_of(known, verb)}, done);
        };
    });
}

void add_looks(CLI::App& schedule, CliContext& context) {
    auto limit = std::make_shared<std::int64_t>(100);
    auto cursor = std::make_shared<std::string>();
    CLI::App* lists = schedule.add_subcommand("list", "List schedules");
    lists->add_option("--limit", *limit)->check(CLI::Range(1, 1000))->capture_default_str();
    lists->add_option("--cursor", *cursor);
    lists->callback([&context, limit, cursor] {
        context.action = [&context, limit, cursor] { return list(context, *limit, *cursor); };
    });

    auto id = std::make_shared<std::string>();
    auto count = std::make_shared<std::int64_t>(10);
    CLI::App* times = schedule.add_subcommand("preview", "The next times of a schedule");
    times->add_option("schedule", *id, "its id or name")->required();
    times->add_option("-n,--count", *count)->check(CLI::Range(1, 1000))->capture_default_str();
    times->callback([&context, id, count] {
        context.action = [&context, id, count] { return preview(context, *id, *count); };
    });

    auto of = std::make_shared<std::string>();
    auto rows = std::make_shared<std::int64_t>(20);
    CLI::App* ledger = schedule.add_subcommand("runs", "What became of its times, newest first");
    ledger->add_option("schedule", *of, "its id or name")->required();
    ledger->add_option("--limit", *rows)->check(CLI::Range(1, 1000))->capture_default_str();
    ledger->callback([&context, of, rows] {
        context.action = [&context, of, rows] { return runs(context, *of, *rows); };
    });
}

}  // namespace

void add_schedule_commands(CLI::App& app, CliContext& context) {
    CLI::App* schedule =
        app.add_subcommand("schedule", "What happens at times")->alias("schedules");
    schedule->require_subcommand(1);
    add_create(*schedule, context);
    add_looks(*schedule, context);
    add_order(*schedule, context, "pause", "Pass over its times until it is resumed", "paused");
    add_order(*schedule, context, "resume", "Let a paused schedule go on", "resumed");
    add_order(*schedule, context, "trigger", "Fire now", "fired");

    auto o = std::make_shared<BackfillOptions>();
    CLI::App* again = schedule->add_subcommand("backfill", "Fire the times of a range once more");
    again->add_option("schedule", o->id, "its id or name")->required();
    again->add_option("--from", o->from, "RFC 3339, or how long ago: 2h")->required();
    again->add_option("--to", o->to, "exclusive")->required();
    again->add_option("--overlap", o->overlap)
        ->check(CLI::IsMember({"skip", "queue1", "queueAll", "cancel", "allow"}));
    again->add_flag("--dry-run", o->dry_run, "only count");
    again->callback(
        [&context, o] { context.action = [&context, o] { return backfill(context, *o); }; });

    add_show(*schedule, context, kSchedules, "Show one, and when it is due next");
    add_remove(*schedule, context, kSchedules, "Remove schedules and their ledgers");
}

}  // namespace millrace::tools
