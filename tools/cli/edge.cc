// The verbs of edges, at their hub: enroll (the token is shown once), list, show, rotate,
// backfill, remove.
#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/remove.h"
#include "tools/cli/resolve.h"
#include "tools/cli/shown.h"

#include <memory>
#include <string>

namespace millrace::tools {

namespace {

constexpr ResourceKind kEdges{"/v2/edges", "edge"};

// The token is seen here and nowhere again.
int show_token(CliContext& context, const Document& reply) {
    if (context.json()) {
        context.print_json(reply);
        return kExitOk;
    }
    context.out() << text_at(reply.root, "token") << '\n';
    context.note("token of edge " + text_at(reply.root, "node") +
                 "; this is the one time that it is shown. There: hub.url, hub.node and hub.token");
    return kExitOk;
}

int enroll_edge(CliContext& context, const std::string& node, const std::string& name) {
    JsonObject body;
    body.text("node", node).text_if("name", name);
    const auto reply =
        context.call({.method = "POST", .path = std::string(kEdges.path), .body = body.str()});
    if (reply == nullptr) return kExitFailed;
    return show_token(context, *reply);
}

int rotate_token(CliContext& context, const std::string& node, const std::string& overlap) {
    JsonObject body;
    body.text_if("overlap", overlap);
    const auto reply =
        context.call({.method = "POST",
                      .path = std::string(kEdges.path) + "/" + url_escaped(node) + "/rotate",
                      .body = body.str()});
    return reply == nullptr ? kExitFailed : show_token(context, *reply);
}

int list_edges(CliContext& context, std::int64_t limit, const std::string& cursor) {
    const auto reply = context.get(std::string(kEdges.path) +
                                   Query().add("limit", limit).add("cursor", cursor).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"EDGE", "LAST SEEN", "WAITING", "TAKEN", "SKIPPED", "REJECTED", "LAST ERROR"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        const std::string lag = text_at(item, "status.lag");
        table.add({text_at(item, "node"), text_at(item, "status.lastSeenAt"),
                   lag.empty() ? "?" : lag, text_at(item, "status.taken"),
                   text_at(item, "status.skipped"), text_at(item, "status.rejected"),
                   text_at(item, "status.lastError.message")});
    }
    context.print_table(table, "no edges");
    context.print_next(*reply);
    return kExitOk;
}

int backfill_edge(CliContext& context, const std::string& node) {
    const auto reply =
        context.call({.method = "POST",
                      .path = std::string(kEdges.path) + "/" + url_escaped(node) + "/backfill"});
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"FOLDER", "SHARD", "FROM", "TO"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "backfills", found))
        table.add({text_at(item, "incarnation"), text_at(item, "shard"), text_at(item, "run.from"),
                   text_at(item, "run.to")});
    context.print_table(table, "nothing was left out that is not asked for already");
    return kExitOk;
}

int show_edge(CliContext& context, const std::string& text) {
    const std::string id = resolve(context, kEdges, text);
    if (id.empty()) return kExitFailed;
    const auto reply = context.get(std::string(kEdges.path) + "/" + url_escaped(id));
    if (reply == nullptr) return kExitFailed;
    if (context.json())
        context.print_json(*reply);
    else
        context.out() << json_pretty(reply->root) << '\n';
    return kExitOk;
}

}  // namespace

void add_edge_commands(CLI::App& app, CliContext& context) {
    CLI::App* edge = app.add_subcommand("edge", "Edges: servers that send their events to this one")
                         ->alias("edges");
    edge->require_subcommand(1);

    auto node = std::make_shared<std::string>();
    auto name = std::make_shared<std::string>();
    CLI::App* enroll = edge->add_subcommand("enroll", "Let an edge in: prints its token, once");
    enroll->add_option("node", *node, "what it is called; hub.node there")->required();
    enroll->add_option("--name", *name, "for people");
    enroll->callback([&context, node, name] {
        context.action = [&context, node, name] { return enroll_edge(context, *node, *name); };
    });

    auto limit = std::make_shared<std::int64_t>(100);
    auto cursor = std::make_shared<std::string>();
    CLI::App* list = edge->add_subcommand("list", "List edges, and what each is at");
    list->add_option("--limit", *limit)->check(CLI::Range(1, 1000))->capture_default_str();
    list->add_option("--cursor", *cursor);
    list->callback([&context, limit, cursor] {
        context.action = [&context, limit, cursor] { return list_edges(context, *limit, *cursor); };
    });

    auto id = std::make_shared<std::string>();
    CLI::App* show = edge->add_subcommand("show", "One edge, and what it is at")->alias("status");
    show->add_option("edge", *id, "its node's name")->required();
    show->callback(
        [&context, id] { context.action = [&context, id] { return show_edge(context, *id); }; });

    CLI::App* backfill =
        edge->add_subcommand("backfill", "Ask an edge for what filters have left out");
    backfill->add_option("edge", *id, "its node's name")->required();
    backfill->callback([&context, id] {
        context.action = [&context, id] { return backfill_edge(context, *id); };
    });

    auto overlap = std::make_shared<std::string>();
    CLI::App* rotate = edge->add_subcommand("rotate", "Give an edge a new token: printed once");
    rotate->add_option("edge", *id, "its node's name")->required();
    rotate->add_option("--overlap", *overlap, "how long the old one counts: 24h, 0");
    rotate->callback([&context, id, overlap] {
        context.action = [&context, id, overlap] { return rotate_token(context, *id, *overlap); };
    });

    add_remove(*edge, context, kEdges, "Take no more from edges, and forget how far they were");
}

}  // namespace millrace::tools
