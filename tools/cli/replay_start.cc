// replay start: how many events it is comes first, then it is begun, and followed where that is
// wanted.
#include "tools/cli/cli.h"
#include "tools/cli/confirm.h"
#include "tools/cli/pattern_hint.h"
#include "tools/cli/replay_verbs.h"

#include <memory>

namespace millrace::tools {

namespace {

int start_replay(CliContext& context, const ReplayChoice& o, std::int64_t events) {
    HttpRequest request{.method = "POST", .path = "/v2/replays"};
    request.body = replay_body(o);
    const auto reply = context.call(request);
    if (reply == nullptr) return kExitFailed;
    const std::string id = text_at(reply->root, "id");
    if (o.wait) return follow_replay(context, id, events);
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
bool narrow(CliContext& context, const ReplayChoice& o, Query& selection) {
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
int ask_for_replay(CliContext& context, const ReplayChoice& o, const std::string& named, bool yes,
                   std::int64_t& count) {
    const std::int64_t now_us = wall_clock_us();
    Query selection;
    selection.add("from", time_argument(o.from, now_us)).add("to", time_argument(o.to, now_us));
    add_criteria(selection, o);
    const std::size_t handlers = o.subscription_ids.size();
    const bool exact = handlers == 1 && narrow(context, o, selection);
    if (!count_selected(context, selection, count)) return kExitFailed;
    const std::string to = handlers == 0   ? "every handler that matches (--all-handlers)"
                           : handlers == 1 ? "handler " + named
                                           : std::to_string(handlers) + " handlers";
    return confirm(context, "deliver " + events_text(count, exact) + " again to " + to, yes,
                   handlers == 0 ? Unasked::kNeedsYes : Unasked::kGoesOn);
}

int start_when_asked(CliContext& context, ReplayChoice o, bool yes) {
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

}  // namespace

void add_replay_start(CLI::App& replay, CliContext& context) {
    auto o = std::make_shared<ReplayChoice>();
    CLI::App* start = replay.add_subcommand("start", "Start a replay");
    add_replay_selection(start, *o);
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
}

}  // namespace millrace::tools
