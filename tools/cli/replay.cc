// The verbs of replays: start, diff, list, status, cancel.
#include "tools/cli/cli.h"
#include "tools/cli/confirm.h"
#include "tools/cli/json.h"
#include "tools/cli/pattern_hint.h"
#include "tools/cli/progress.h"
#include "tools/cli/resolve.h"
#include "tools/cli/shown.h"

#include <chrono>
#include <memory>
#include <thread>

namespace millrace::tools {

namespace {

constexpr std::chrono::milliseconds kPollEvery{100};

struct StartOptions {
    std::string from, to, pattern, pattern_prefix, filter, pace;
    std::string source_type, source_id, correlation_id, causation_id, context_id;
    std::string event_time_from, event_time_to;
    std::vector<std::string> subscription_ids;
    std::string script_id, against, kv;
    int version = 0;
    bool all_handlers = false, dry_run = false, wait = false;
};

// Which events: as a list of events is asked for them.
struct Criterion {
    const char* option;
    const char* name;
    std::string StartOptions::*text;
    const char* help;
};
constexpr Criterion kCriteria[] = {
    {"--pattern", "pattern", &StartOptions::pattern, "stars are wildcards"},
    {"--pattern-prefix", "patternPrefix", &StartOptions::pattern_prefix, ""},
    {"--source-type", "sourceType", &StartOptions::source_type, ""},
    {"--source-id", "sourceId", &StartOptions::source_id, ""},
    {"--correlation-id", "correlationId", &StartOptions::correlation_id, ""},
    {"--causation-id", "causationId", &StartOptions::causation_id, ""},
    {"--context-id", "contextId", &StartOptions::context_id, ""},
    {"--event-time-from", "eventTimeFrom", &StartOptions::event_time_from,
     "of the event's own timestamp"},
    {"--event-time-to", "eventTimeTo", &StartOptions::event_time_to,
     "of the event's own timestamp"},
    {"--filter", "filter", &StartOptions::filter, "only events for which this is true"}};

std::string start_body(const StartOptions& o) {
    const std::int64_t now_us = wall_clock_us();
    JsonObject body;
    body.text_if("from", time_argument(o.from, now_us)).text_if("to", time_argument(o.to, now_us));
    for (const Criterion& one : kCriteria) body.text_if(one.name, o.*one.text);
    if (o.all_handlers) body.text("subscriptionIds", "all");
    if (!o.subscription_ids.empty()) {
        std::string list;
        for (const std::string& id : o.subscription_ids) {
            list += (list.empty() ? "" : ",") + json_quoted(id);
        }
        body.raw("subscriptionIds", "[" + list + "]");
    }
    body.text_if("pace", o.pace);
    if (o.dry_run) body.flag("dryRun", true);
    body.text_if("scriptId", o.script_id).text_if("kv", o.kv);
    if (o.version != 0) body.number("scriptVersion", o.version);
    if (o.against == "recorded") body.text("against", o.against);
    if (!o.against.empty() && o.against != "recorded") body.raw("against", o.against);
    return body.str();
}

bool ended(const std::string& status) {
    return status == "completed" || status == "done" || status == "failed" || status == "cancelled";
}

void tell_not_due(CliContext& context, const Document& reply) {
    if (number_at(reply.root, "notDue") == 0) return;
    context.err() << text_at(reply.root, "notDue")
                  << " left out: their scheduledAt has not come yet\n";
}

void print_status(CliContext& context, const Document& reply, const std::string& id) {
    if (context.json()) return context.print_json(reply);
    const std::string status = text_at(reply.root, "status");
    Table table({"REPLAY", "STATUS", "SCANNED", "MATCHED", "DELIVERED", "FAILED"});
    table.add({id, Cell(status, status_style(status)), text_at(reply.root, "scanned"),
               text_at(reply.root, "matched"), text_at(reply.root, "delivered"),
               text_at(reply.root, "failed")});
    context.print_table(table, "");
    tell_not_due(context, reply);
}

// Follows a replay to its end, of so many events (0: not known). The exit code says whether all of
// it was delivered.
int follow(CliContext& context, const std::string& id, std::int64_t events) {
    Progress progress(context.err(), {.label = "replaying",
                                      .unit = "delivered",
                                      .total = static_cast<std::uint64_t>(events),
                                      .enabled = context.progress_enabled()});
    for (;;) {
        const auto reply = context.get("/v2/replays/" + url_escaped(id));
        if (reply == nullptr) return kExitFailed;
        const auto delivered = static_cast<std::uint64_t>(number_at(reply->root, "delivered"));
        const auto matched = static_cast<std::uint64_t>(number_at(reply->root, "matched"));
        progress.update(events > 0 ? matched : delivered, delivered);
        const std::string status = text_at(reply->root, "status");
        if (ended(status)) {
            progress.finish();
            print_status(context, *reply, id);
            const bool good = status == "completed" || status == "done";
            return good && number_at(reply->root, "failed") == 0 ? kExitOk : kExitFailed;
        }
        std::this_thread::sleep_for(kPollEvery);
    }
}

int start_replay(CliContext& context, const StartOptions& o, std::int64_t events) {
    HttpRequest request{.method = "POST", .path = "/v2/replays"};
    request.body = start_body(o);
    const auto reply = context.call(request);
    if (reply == nullptr) return kExitFailed;
    const std::string id = text_at(reply->root, "id");
    if (o.wait) return follow(context, id, events);
    if (context.json()) {
        context.print_json(*reply);
    } else {
        context.out() << "started " << printable(id) << "; millrace replay status " << printable(id)
                      << '\n';
    }
    return kExitOk;
}

// What one handler adds to the selection, where that can be asked for: its pattern and its filter.
// False: it may match fewer than are counted then.
bool narrow(CliContext& context, const StartOptions& o, Query& selection) {
    const auto handler =
        context.get("/v2/subscriptions/" + url_escaped(o.subscription_ids.front()));
    if (handler == nullptr) return false;
    const std::string type = text_at(handler->root, "pattern.type");
    const std::string pattern = text_at(handler->root, type.empty() ? "pattern" : "pattern.value");
    const std::string filter = text_at(handler->root, "filter");
    const bool star = pattern.find('*') != std::string::npos;
    bool exact = text_at(handler->root, "filters").empty();
    if (!o.pattern.empty() || !o.pattern_prefix.empty() ||
        (!type.empty() && type != "wildcard" && (type != "exact" || star)))
        exact = false;
    else
        selection.add("pattern", pattern);
    if (!filter.empty() && !o.filter.empty())
        exact = false;
    else
        selection.add("filter", filter);
    return exact;
}

std::string events_text(std::int64_t count, bool exact) {
    return (exact ? "" : "up to ") + std::to_string(count) + (count == 1 ? " event" : " events");
}

// How many events it is comes first: a replay that is bigger than was thought is not taken back.
int ask_for_replay(CliContext& context, const StartOptions& o, const std::string& named, bool yes,
                   std::int64_t& count) {
    const std::int64_t now_us = wall_clock_us();
    Query selection;
    selection.add("from", time_argument(o.from, now_us)).add("to", time_argument(o.to, now_us));
    for (const Criterion& one : kCriteria) selection.add(one.name, o.*one.text);
    const std::size_t handlers = o.subscription_ids.size();
    const bool exact = handlers == 1 && narrow(context, o, selection);
    if (!count_selected(context, selection, count)) return kExitFailed;
    const std::string to = handlers == 0   ? "every handler that matches (--all-handlers)"
                           : handlers == 1 ? "handler " + named
                                           : std::to_string(handlers) + " handlers";
    return confirm(context, "deliver " + events_text(count, exact) + " again to " + to, yes,
                   handlers == 0 ? Unasked::kNeedsYes : Unasked::kGoesOn);
}

// Names become ids. False after an error has been printed.
bool find_handlers(CliContext& context, StartOptions& o) {
    for (std::string& id : o.subscription_ids) {
        id = resolve(context, kHandlers, id);
        if (id.empty()) return false;
    }
    return resolve_filter(context, kScripts, o.script_id);
}

int start_when_asked(CliContext& context, StartOptions o, bool yes) {
    if (o.subscription_ids.empty() == !o.all_handlers) {
        return context.usage(
            "replay start needs --handler ID (once or more), or --all-handlers: every handler that "
            "matches gets the events again");
    }
    const std::string named = o.subscription_ids.empty() ? "" : o.subscription_ids.front();
    if (!find_handlers(context, o)) return kExitFailed;
    note_pattern(context, o.pattern);
    std::int64_t events = 0;
    if (!o.dry_run) {
        if (const int code = ask_for_replay(context, o, named, yes, events); code != kExitOk)
            return code;
    }
    return start_replay(context, o, events);
}

// Waits for a replay without printing its figures. Null after an error has been printed.
std::unique_ptr<Document> await_end(CliContext& context, const std::string& id) {
    for (;;) {
        auto reply = context.get("/v2/replays/" + url_escaped(id));
        if (reply == nullptr || ended(text_at(reply->root, "status"))) return reply;
        std::this_thread::sleep_for(kPollEvery);
    }
}

void print_differences(CliContext& context, const Document& reply) {
    bool found = false;
    Table table({"EVENT", "HANDLER", "DIFFERS", "NOW", "AGAINST"});
    const auto side = [](core::JsonElement item, const std::string& name) {
        const std::string status = text_at(item, name + ".status");
        const std::string what = text_at(item, name + ".error");
        return status.empty()
                   ? std::string("-")
                   : status + " " + (what.empty() ? text_at(item, name + ".result") : what);
    };
    for (const auto item : array_at(reply.root, "items", found)) {
        std::string differs;
        bool listed = false;
        for (const auto name : array_at(item, "differs", listed)) {
            std::string_view text;
            if (name.get(text)) differs += (differs.empty() ? "" : ",") + std::string(text);
        }
        table.add({text_at(item, "eventId"), text_at(item, "subscriptionId"), differs,
                   side(item, "now"), side(item, "against")});
    }
    context.print_table(table, "no differences");
}

struct DiffOptions {
    StartOptions start;
    std::string id;
    int limit = 50;
};

// Exit code 0: compared, and nothing differs; 1: something does, or it failed.
int diff_replay(CliContext& context, DiffOptions o) {
    std::string id = o.id;
    if (id.empty()) {
        if (!find_handlers(context, o.start)) return kExitFailed;
        note_pattern(context, o.start.pattern);
        const auto started =
            context.call({.method = "POST", .path = "/v2/replays", .body = start_body(o.start)});
        if (started == nullptr) return kExitFailed;
        id = text_at(started->root, "id");
    }
    const auto end = await_end(context, id);
    if (end == nullptr) return kExitFailed;
    const auto page =
        context.get("/v2/replays/" + url_escaped(id) + "/diff?limit=" + std::to_string(o.limit));
    if (page == nullptr) return kExitFailed;
    if (context.json()) {
        context.out() << JsonObject()
                             .raw("replay", json_compact(end->root))
                             .raw("diff", json_compact(page->root))
                             .str()
                      << '\n';
    } else {
        print_differences(context, *page);
        context.out() << printable(id) << ": " << text_at(end->root, "status") << ", compared "
                      << text_at(end->root, "diff.compared") << ", different "
                      << text_at(end->root, "diff.different") << " (status "
                      << text_at(end->root, "diff.status") << ", error "
                      << text_at(end->root, "diff.error") << ", result "
                      << text_at(end->root, "diff.result") << ", emitted "
                      << text_at(end->root, "diff.emitted") << ", kv "
                      << text_at(end->root, "diff.kv") << ", missing "
                      << text_at(end->root, "diff.missing") << ")\n";
        if (const std::string error = text_at(end->root, "error"); !error.empty())
            context.out() << printable(error) << '\n';
        context.print_next(*page);
        tell_not_due(context, *end);
    }
    const bool good = text_at(end->root, "status") == "completed";
    return good && number_at(end->root, "diff.different") == 0 ? kExitOk : kExitFailed;
}

// CLI11 wants the complaint; empty: it is well.
std::string version_or_recorded(const std::string& text) {
    const bool number = !text.empty() && text.size() < 10 &&
                        text.find_first_not_of("0123456789") == std::string::npos;
    return number || text == "recorded" ? ""
                                        : "\"" + text + "\" is no version; a number or recorded";
}

void add_selection(CLI::App* verb, StartOptions& o) {
    verb->add_option("--from", o.from, "RFC 3339, or 15m, 2h, 7d ago");
    verb->add_option("--to", o.to, "RFC 3339, or 15m, 2h, 7d ago");
    for (const Criterion& one : kCriteria) verb->add_option(one.option, o.*one.text, one.help);
    verb->add_option("--handler", o.subscription_ids,
                     "deliver to this one, id or name; may be repeated");
}

int replay_status(CliContext& context, const std::string& id, bool wait) {
    if (wait) return follow(context, id, 0);
    const auto reply = context.get("/v2/replays/" + url_escaped(id));
    if (reply == nullptr) return kExitFailed;
    print_status(context, *reply, id);
    return kExitOk;
}

int list_replays(CliContext& context, std::int64_t limit, const std::string& cursor) {
    const auto reply =
        context.get("/v2/replays" + Query().add("limit", limit).add("cursor", cursor).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"REPLAY", "STATUS", "BEGUN", "SCANNED", "MATCHED", "DELIVERED", "FAILED"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        const std::string status = text_at(item, "status");
        table.add(
            {text_at(item, "id"),
             Cell(status + (flag_at(item, "dryRun") ? " (dry run)" : ""), status_style(status)),
             time_cell(context, text_at(item, "createdAt")), text_at(item, "scanned"),
             text_at(item, "matched"), text_at(item, "delivered"), text_at(item, "failed")});
    }
    context.print_table(table, "no replays");
    context.print_next(*reply);
    return kExitOk;
}

int cancel_replay(CliContext& context, const std::string& id) {
    const auto reply = context.call({.method = "DELETE", .path = "/v2/replays/" + url_escaped(id)});
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.out() << JsonObject().text("id", id).flag("cancelled", true).str() << '\n';
    } else {
        context.out() << "cancelled " << printable(id) << '\n';
    }
    return kExitOk;
}

}  // namespace

void add_replay_commands(CLI::App& app, CliContext& context) {
    CLI::App* replay = app.add_subcommand("replay", "Deliver past events again to chosen handlers")
                           ->alias("replays");
    replay->require_subcommand(1);

    auto o = std::make_shared<StartOptions>();
    CLI::App* start = replay->add_subcommand("start", "Start a replay");
    add_selection(start, *o);
    start->add_flag("--all-handlers", o->all_handlers, "to every handler that matches");
    start->add_option("--pace", o->pace,
                      "instant, original, 10x (times as fast), or events per second");
    start->add_flag("--dry-run", o->dry_run, "run in shadow, change nothing");
    start->add_flag("--wait", o->wait, "follow it to its end");
    auto yes = std::make_shared<bool>(false);
    add_yes(*start, *yes);
    start->callback([&context, o, yes] {
        context.action = [&context, o, yes] { return start_when_asked(context, *o, *yes); };
    });

    auto d = std::make_shared<DiffOptions>();
    d->start.dry_run = true;
    CLI::App* diff = replay->add_subcommand(
        "diff", "Run past events through a handler in shadow and show what would be different");
    CLI::Option* started =
        diff->add_option("id", d->id, "of a dry run that was started before, as it was asked for");
    add_selection(diff, d->start);
    diff->add_option("--script", d->start.script_id, "the handlers that use this script");
    diff->add_option("--version", d->start.version, "of the script; the current one unless given");
    diff->add_option("--against", d->start.against, "a version, or recorded (the default)")
        ->check(version_or_recorded);
    diff->add_option("--kv", d->start.kv, "what handlers find in kv: now, then or empty");
    for (CLI::Option* option : diff->get_options()) {
        // What a run was started with can't be changed when it is looked at.
        if (option != started && option->get_name() != "--help") option->excludes(started);
    }
    diff->add_option("--limit", d->limit, "differences shown")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    diff->callback(
        [&context, d] { context.action = [&context, d] { return diff_replay(context, *d); }; });

    auto limit = std::make_shared<std::int64_t>(50);
    auto cursor = std::make_shared<std::string>();
    CLI::App* lists = replay->add_subcommand("list", "Replays and dry runs, newest first");
    lists->add_option("--limit", *limit)->check(CLI::Range(1, 1000))->capture_default_str();
    lists->add_option("--cursor", *cursor);
    lists->callback([&context, limit, cursor] {
        context.action = [&context, limit, cursor] {
            return list_replays(context, *limit, *cursor);
        };
    });

    auto id = std::make_shared<std::string>();
    auto wait = std::make_shared<bool>(false);
    CLI::App* status = replay->add_subcommand("status", "How far a replay is");
    status->add_option("id", *id)->required();
    status->add_flag("--wait", *wait, "follow it to its end");
    status->callback([&context, id, wait] {
        context.action = [&context, id, wait] { return replay_status(context, *id, *wait); };
    });

    auto cancelled = std::make_shared<std::string>();
    CLI::App* cancel = replay->add_subcommand("cancel", "Stop a replay");
    cancel->add_option("id", *cancelled)->required();
    cancel->callback([&context, cancelled] {
        context.action = [&context, cancelled] { return cancel_replay(context, *cancelled); };
    });
}

}  // namespace millrace::tools
