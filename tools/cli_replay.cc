// The verbs of replays: start, status, cancel.
#include "tools/cli.h"
#include "tools/cli_json.h"
#include "tools/cli_progress.h"

#include <chrono>
#include <memory>
#include <thread>

namespace millrace::tools {

namespace {

constexpr std::chrono::milliseconds kPollEvery{100};

struct StartOptions {
    std::string from, to, pattern, pattern_prefix, filter, pace;
    std::vector<std::string> subscription_ids;
    bool dry_run = false, wait = false;
};

std::string start_body(const StartOptions& o) {
    const std::int64_t now_us = wall_clock_us();
    JsonObject body;
    body.text_if("from", time_argument(o.from, now_us)).text_if("to", time_argument(o.to, now_us));
    body.text_if("pattern", o.pattern).text_if("patternPrefix", o.pattern_prefix);
    body.text_if("filter", o.filter);
    if (!o.subscription_ids.empty()) {
        std::string list;
        for (const std::string& id : o.subscription_ids) {
            list += (list.empty() ? "" : ",") + json_quoted(id);
        }
        body.raw("subscriptionIds", "[" + list + "]");
    }
    body.text_if("pace", o.pace);
    if (o.dry_run) body.flag("dryRun", true);
    return body.str();
}

bool ended(const std::string& status) {
    return status == "completed" || status == "done" || status == "failed" || status == "cancelled";
}

void print_status(CliContext& context, const Document& reply, const std::string& id) {
    if (context.json()) return context.print_json(reply);
    const std::string status = text_at(reply.root, "status");
    Table table({"REPLAY", "STATUS", "SCANNED", "MATCHED", "DELIVERED", "FAILED"});
    table.add({id, Cell(status, status_style(status)), text_at(reply.root, "scanned"),
               text_at(reply.root, "matched"), text_at(reply.root, "delivered"),
               text_at(reply.root, "failed")});
    context.print_table(table, "");
}

// Follows a replay to its end. The exit code says whether all of it was delivered.
int follow(CliContext& context, const std::string& id) {
    Progress progress(
        context.err(),
        {.label = "replaying", .unit = "delivered", .enabled = context.progress_enabled()});
    for (;;) {
        const auto reply = context.get("/v2/replays/" + url_escaped(id));
        if (reply == nullptr) return kExitFailed;
        const auto delivered = static_cast<std::uint64_t>(number_at(reply->root, "delivered"));
        progress.update(delivered, delivered);
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

int start_replay(CliContext& context, const StartOptions& o) {
    HttpRequest request{.method = "POST", .path = "/v2/replays"};
    request.body = start_body(o);
    const auto reply = context.call(request);
    if (reply == nullptr) return kExitFailed;
    const std::string id = text_at(reply->root, "id");
    if (o.wait) return follow(context, id);
    if (context.json()) {
        context.print_json(*reply);
    } else {
        context.out() << "started " << printable(id) << "; millrace replay status " << printable(id)
                      << '\n';
    }
    return kExitOk;
}

int replay_status(CliContext& context, const std::string& id, bool wait) {
    if (wait) return follow(context, id);
    const auto reply = context.get("/v2/replays/" + url_escaped(id));
    if (reply == nullptr) return kExitFailed;
    print_status(context, *reply, id);
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
    start->add_option("--from", o->from, "RFC 3339, or 15m, 2h, 7d ago");
    start->add_option("--to", o->to, "RFC 3339, or 15m, 2h, 7d ago");
    start->add_option("--pattern", o->pattern);
    start->add_option("--pattern-prefix", o->pattern_prefix);
    start->add_option("--filter", o->filter, "only events for which this is true");
    start->add_option("--handler", o->subscription_ids, "deliver to this one; may be repeated");
    start->add_option("--pace", o->pace, "instant, original, or events per second");
    start->add_flag("--dry-run", o->dry_run, "count, deliver nothing");
    start->add_flag("--wait", o->wait, "follow it to its end");
    start->callback(
        [&context, o] { context.action = [&context, o] { return start_replay(context, *o); }; });

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
