// replay diff: past events through a handler in shadow, and what would be different.
#include "tools/cli/cli.h"
#include "tools/cli/pattern_hint.h"
#include "tools/cli/replay_verbs.h"
#include "tools/cli/shown.h"

#include <memory>
#include <thread>

namespace millrace::tools {

namespace {

// Waits for a replay without printing its figures. Null after an error has been printed.
std::unique_ptr<Document> await_end(CliContext& context, const std::string& id) {
    for (;;) {
        auto reply = context.get("/v2/replays/" + url_escaped(id));
        if (reply == nullptr || replay_ended(text_at(reply->root, "status"))) return reply;
        std::this_thread::sleep_for(kReplayPollEvery);
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
    ReplayChoice start;
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
            context.call({.method = "POST", .path = "/v2/replays", .body = replay_body(o.start)});
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

}  // namespace

void add_replay_diff(CLI::App& replay, CliContext& context) {
    auto d = std::make_shared<DiffOptions>();
    d->start.dry_run = true;
    CLI::App* diff = replay.add_subcommand(
        "diff", "Run past events through a handler in shadow and show what would be different");
    CLI::Option* started =
        diff->add_option("id", d->id, "of a dry run that was started before, as it was asked for");
    add_replay_selection(diff, d->start);
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
}

}  // namespace millrace::tools
