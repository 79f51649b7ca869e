// The verbs of replays: list, status, cancel; start and diff are files of their own.
#include "tools/cli/cli.h"
#include "tools/cli/progress.h"
#include "tools/cli/replay_verbs.h"
#include "tools/cli/shown.h"

#include <memory>
#include <thread>

namespace millrace::tools {

bool replay_ended(const std::string& status) {
    return status == "completed" || status == "done" || status == "failed" || status == "cancelled";
}

void tell_not_due(CliContext& context, const Document& reply) {
    if (number_at(reply.root, "notDue") == 0) return;
    context.err() << text_at(reply.root, "notDue")
                  << " left out: their scheduledAt has not come yet\n";
}

namespace {

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

}  // namespace

int follow_replay(CliContext& context, const std::string& id, std::int64_t events) {
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
        if (replay_ended(status)) {
            progress.finish();
            print_status(context, *reply, id);
            const bool good = status == "completed" || status == "done";
            return good && number_at(reply->root, "failed") == 0 ? kExitOk : kExitFailed;
        }
        std::this_thread::sleep_for(kReplayPollEvery);
    }
}

namespace {

int replay_status(CliContext& context, const std::string& id, bool wait) {
    if (wait) return follow_replay(context, id, 0);
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

    add_replay_start(*replay, context);
    add_replay_diff(*replay, context);

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
