// The verbs of links to other systems: create, list, status, pause, resume, reset, test, remove.
#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/remove.h"
#include "tools/cli/resolve.h"
#include "tools/cli/shown.h"

#include <memory>
#include <string>

namespace millrace::tools {

namespace {

constexpr ResourceKind kLinks{"/v2/links", "link"};

struct LinkCreate {
    std::string id, name, direction, type, config, mode, transform;
};

std::string link_path(const std::string& id, const char* verb = "") {
    return std::string(kLinks.path) + "/" + url_escaped(id) + verb;
}

int create_link(CliContext& context, const LinkCreate& o) {
    const auto config = read_json_argument(o.config, "--config");
    if (!config) return context.usage(config.error().message);
    JsonObject body;
    body.text_if("id", o.id).text_if("name", o.name).text("direction", o.direction);
    body.text("type", o.type).raw("config", *config).text_if("mode", o.mode);
    body.text_if("transformScriptId", o.transform);
    const auto reply =
        context.call({.method = "POST", .path = std::string(kLinks.path), .body = body.str()});
    if (reply == nullptr) return kExitFailed;
    if (context.json())
        context.print_json(*reply);
    else
        context.out() << "created " << printable(text_at(reply->root, "id")) << '\n';
    return kExitOk;
}

Cell state_cell(const core::JsonElement& link) {
    const std::string state = text_at(link, "status.state");
    return {state, state == "running"   ? Style::kGood
                   : state == "stopped" ? Style::kBad
                                        : Style::kDim};
}

// What has gone through it, and what has not: of a sink or a source.
std::string through_of(const core::JsonElement& link) {
    return text_at(link, text_at(link, "direction") == "in" ? "status.taken" : "status.sent");
}
std::string waits_of(const core::JsonElement& link) {
    if (text_at(link, "direction") == "out" && text_at(link, "mode") != "stream")
        return text_at(link, "status.pending");
    const std::string lag = text_at(link, "status.lag");
    return lag.empty() ? "?" : lag + " " + text_at(link, "status.lagUnit");
}

int list_links(CliContext& context, std::int64_t limit, const std::string& cursor) {
    const auto reply = context.get(std::string(kLinks.path) +
                                   Query().add("limit", limit).add("cursor", cursor).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"LINK", "DIRECTION", "TYPE", "STATE", "THROUGH", "WAITING", "REASON"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found))
        table.add({text_at(item, "id"), text_at(item, "direction"), text_at(item, "type"),
                   state_cell(item), through_of(item), waits_of(item),
                   text_at(item, "status.reason")});
    context.print_table(table, "no links");
    context.print_next(*reply);
    return kExitOk;
}

int show_link(CliContext& context, HttpRequest&& request, const std::string& done) {
    const auto reply = context.call(std::move(request));
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
    } else if (done.empty()) {
        context.out() << json_pretty(reply->root) << '\n';
    } else {
        context.out() << done << ' ' << printable(text_at(reply->root, "id")) << ": "
                      << printable(text_at(reply->root, "status.state")) << '\n';
    }
    return kExitOk;
}

int test_link(CliContext& context, const std::string& text) {
    const std::string id = resolve(context, kLinks, text);
    if (id.empty()) return kExitFailed;
    const auto reply = context.call({.method = "POST", .path = link_path(id, "/test"), .body = ""});
    if (reply == nullptr) return kExitFailed;
    const bool good = flag_at(reply->root, "success");
    if (context.json())
        context.print_json(*reply);
    else if (good)
        context.out() << "its peer is there and lets us in\n";
    else
        context.out() << printable(text_at(reply->root, "error")) << '\n';
    return good ? kExitOk : kExitFailed;
}

void add_link_create(CLI::App& link, CliContext& context) {
    auto o = std::make_shared<LinkCreate>();
    CLI::App* create = link.add_subcommand("create", "Create a link");
    create->add_option("--id", o->id, "the server makes one without");
    create->add_option("--name", o->name);
    create->add_option("--direction", o->direction, "in: events come from it; out: they go to it")
        ->required()
        ->check(CLI::IsMember({"in", "out"}));
    create->add_option("--type", o->type, "file, redis, postgres-notify, nats, mqtt, kafka or amqp")
        ->required();
    create->add_option("--config", o->config, "JSON, @file or - (millrace help links)")->required();
    create
        ->add_option("--mode", o->mode,
                     "of a sink: executor (subscriptions name it) or stream (the log by itself)")
        ->check(CLI::IsMember({"executor", "stream"}));
    create->add_option("--transform", o->transform, "the script that reshapes what passes");
    create->callback(
        [&context, o] { context.action = [&context, o] { return create_link(context, *o); }; });
}

void add_link_order(CLI::App& link, CliContext& context, const char* verb, const char* what,
                    const char* done) {
    auto id = std::make_shared<std::string>();
    CLI::App* order = link.add_subcommand(verb, what);
    order->add_option("link", *id, "its id or name")->required();
    order->callback([&context, id, verb, done] {
        context.action = [&context, id, verb, done] {
            const std::string known = resolve(context, kLinks, *id);
            if (known.empty()) return kExitFailed;
            const std::string path = link_path(known, ("/" + std::string(verb)).c_str());
            return show_link(context, {.method = "POST", .path = path, .body = ""}, done);
        };
    });
}

void add_link_status(CLI::App& link, CliContext& context) {
    auto id = std::make_shared<std::string>();
    CLI::App* status = link.add_subcommand("status", "One link, and what it is at")->alias("show");
    status->add_option("link", *id, "its id or name")->required();
    status->callback([&context, id] {
        context.action = [&context, id] {
            const std::string known = resolve(context, kLinks, *id);
            if (known.empty()) return kExitFailed;
            return show_link(context, {.method = "GET", .path = link_path(known), .body = ""}, "");
        };
    });
}

void add_link_reset(CLI::App& link, CliContext& context) {
    auto id = std::make_shared<std::string>();
    auto to = std::make_shared<std::string>();
    CLI::App* reset = link.add_subcommand(
        "reset",
        "Let a source or a stream begin anew: what was read comes again, or what was not never "
        "comes");
    reset->add_option("link", *id, "its id or name")->required();
    reset->add_option("--to", *to, "start, end, the id of an entry (redis) or a number (nats)")
        ->required();
    reset->callback([&context, id, to] {
        context.action = [&context, id, to] {
            const std::string known = resolve(context, kLinks, *id);
            if (known.empty()) return kExitFailed;
            return show_link(context,
                             {.method = "POST",
                              .path = link_path(known, "/reset"),
                              .body = JsonObject().text("to", *to).str()},
                             "reset");
        };
    });
}

}  // namespace

void add_link_commands(CLI::App& app, CliContext& context) {
    CLI::App* link = app.add_subcommand("link", "Links to other systems")->alias("links");
    link->require_subcommand(1);
    add_link_create(*link, context);

    auto limit = std::make_shared<std::int64_t>(100);
    auto cursor = std::make_shared<std::string>();
    CLI::App* list = link->add_subcommand("list", "List links, and what each is at");
    list->add_option("--limit", *limit)->check(CLI::Range(1, 1000))->capture_default_str();
    list->add_option("--cursor", *cursor);
    list->callback([&context, limit, cursor] {
        context.action = [&context, limit, cursor] { return list_links(context, *limit, *cursor); };
    });
    add_link_status(*link, context);
    add_link_order(*link, context, "pause", "Let a link rest", "paused");
    add_link_order(*link, context, "resume", "Let a link go on that rests or was stopped",
                   "resumed");
    add_link_reset(*link, context);

    auto id = std::make_shared<std::string>();
    CLI::App* test = link->add_subcommand("test", "Whether its peer is there and lets us in");
    test->add_option("link", *id, "its id or name")->required();
    test->callback(
        [&context, id] { context.action = [&context, id] { return test_link(context, *id); }; });

    add_remove(*link, context, kLinks, "Remove links");
}

}  // namespace millrace::tools
