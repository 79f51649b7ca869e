// The verbs that look back: `kv list` (as it is, or as it was) and `audit list`.
#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/shown.h"

#include <memory>
#include <utility>
#include <vector>

namespace millrace::tools {

namespace {

struct KvOptions {
    std::string prefix, space, room, at, cursor;
    std::int64_t limit = 100;
};

struct AuditOptions {
    std::string kind, id, from, to, cursor;
    std::int64_t limit = 50;
};

int list_kv(CliContext& context, const KvOptions& o) {
    Query query;
    query.add("prefix", o.prefix).add("space", o.space).add("namespace", o.room);
    query.add("at", time_argument(o.at, wall_clock_us())).add("cursor", o.cursor);
    query.add("limit", std::to_string(o.limit));
    const auto reply = context.get("/v2/kv" + query.str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    bool found = false;
    const auto items = array_at(reply->root, "items", found);
    // Where events live by their keys several partitions may have a key.
    bool spread = false;
    for (const auto item : items) spread = spread || !text_at(item, "partition").empty();
    std::vector<std::string> titles = {"KEY", "EXPIRES", "VALUE"};
    if (spread) titles.emplace(titles.begin() + 1, "PARTITION");
    Table table(std::move(titles));
    for (const auto item : items) {
        std::vector<Cell> row = {text_at(item, "key"), text_at(item, "expiresAt"),
                                 text_at(item, "value")};
        if (spread) row.emplace(row.begin() + 1, text_at(item, "partition"));
        table.add(std::move(row));
    }
    context.print_table(table, "no keys");
    context.print_next(*reply);
    return kExitOk;
}

int list_audit(CliContext& context, const AuditOptions& o) {
    const std::int64_t now_us = wall_clock_us();
    Query query;
    query.add("kind", o.kind).add("id", o.id).add("cursor", o.cursor);
    query.add("from", time_argument(o.from, now_us)).add("to", time_argument(o.to, now_us));
    query.add("limit", std::to_string(o.limit));
    const auto reply = context.get("/v2/audit" + query.str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"AT", "BY", "ACTION", "KIND", "ID", "VERSION"});
    bool found = false;
    for (const auto item : array_at(reply->root, "items", found)) {
        table.add({time_cell(context, text_at(item, "at")), text_at(item, "entry.by"),
                   text_at(item, "entry.action"), text_at(item, "entry.kind"),
                   text_at(item, "entry.id"), text_at(item, "entry.version")});
    }
    context.print_table(table, "no changes");
    context.print_next(*reply);
    return kExitOk;
}

int verify_audit(CliContext& context) {
    const auto reply = context.get("/v2/audit/verify");
    if (reply == nullptr) return kExitFailed;
    const bool valid = flag_at(reply->root, "valid");
    if (context.json())
        context.print_json(*reply);
    else if (valid)
        context.out() << "whole: " << text_at(reply->root, "checked") << " rows\n";
    else
        context.out() << "broken: " << printable(text_at(reply->root, "broken.reason")) << " ("
                      << text_at(reply->root, "broken.at") << ")\n";
    return valid ? kExitOk : kExitFailed;
}

}  // namespace

void add_past_commands(CLI::App& app, CliContext& context) {
    auto k = std::make_shared<KvOptions>();
    CLI::App* kv = app.add_subcommand("kv", "The state that handlers keep");
    kv->require_subcommand(1);
    CLI::App* list = kv->add_subcommand("list", "Keys and values, as they are or as they were");
    list->add_option("prefix", k->prefix, "only keys that begin with this");
    list->add_option("--at", k->at, "RFC 3339, 15m, 2h ago, or positions: 0:120,1:88");
    list->add_option("--space", k->space, "kv (unless given) or cache");
    list->add_option("--namespace", k->room, "a room that scripts made");
    list->add_option("--limit", k->limit);
    list->add_option("--cursor", k->cursor);
    list->callback(
        [&context, k] { context.action = [&context, k] { return list_kv(context, *k); }; });

    auto a = std::make_shared<AuditOptions>();
    CLI::App* audit = app.add_subcommand("audit", "Who changed what, when");
    audit->require_subcommand(1);
    audit->add_subcommand("verify", "Whether the audit log is whole")->callback([&context] {
        context.action = [&context] { return verify_audit(context); };
    });
    CLI::App* entries = audit->add_subcommand("list", "Changes, newest first");
    entries->add_option("--kind", a->kind, "script, subscription, dead_letter, replay, backup");
    entries->add_option("--id", a->id);
    entries->add_option("--from", a->from, "RFC 3339, or 15m, 2h, 7d ago");
    entries->add_option("--to", a->to, "RFC 3339, or 15m, 2h, 7d ago");
    entries->add_option("--limit", a->limit);
    entries->add_option("--cursor", a->cursor);
    entries->callback(
        [&context, a] { context.action = [&context, a] { return list_audit(context, *a); }; });
}

}  // namespace millrace::tools
