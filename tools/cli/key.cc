// The verbs of keys: create (shown once), list, show, rotate, revoke. `key create --bootstrap`
// works on the data folder (tools/offline/bootstrap_command).
#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/shown.h"

#include <memory>
#include <vector>

namespace millrace::tools {

namespace {

struct KeyOptions {
    std::string id, name, tenant, role, user, expires, overlap, cursor;
    std::vector<std::string> scopes, patterns, ips, client_cert_sans;
    std::int64_t limit = 100;
};

std::string list_text(const std::vector<std::string>& texts) {
    if (texts.empty()) return {};
    std::string list;
    for (const std::string& text : texts) list += (list.empty() ? "[" : ",") + json_quoted(text);
    return list + "]";
}

std::string joined(core::JsonElement item, std::string_view path) {
    std::string text;
    bool found = false;
    for (const auto one : array_at(item, path, found)) {
        std::string_view name;
        if (one.get(name)) text += (text.empty() ? "" : " ") + std::string(name);
    }
    return text;
}

// The text of a key is seen here and nowhere again.
int print_new(CliContext& context, const Document& reply) {
    if (context.json()) {
        context.print_json(reply);
        return kExitOk;
    }
    context.out() << text_at(reply.root, "key") << '\n';
    context.note("key " + text_at(reply.root, "id") + " (" + text_at(reply.root, "role") + " of " +
                 text_at(reply.root, "tenantId") + "); this is the one time that it is shown");
    return kExitOk;
}

int create_key(CliContext& context, const KeyOptions& o) {
    JsonObject body;
    body.text_if("id", o.id).text_if("name", o.name).text_if("tenantId", o.tenant);
    body.text_if("role", o.role).text_if("user", o.user).text_if("expiresAt", o.expires);
    body.raw_if("scopes", list_text(o.scopes)).raw_if("patterns", list_text(o.patterns));
    body.raw_if("ips", list_text(o.ips));
    body.raw_if("clientCertSans", list_text(o.client_cert_sans));
    const auto reply = context.call({.method = "POST", .path = "/v2/keys", .body = body.str()});
    return reply == nullptr ? kExitFailed : print_new(context, *reply);
}

int rotate_key(CliContext& context, const KeyOptions& o) {
    JsonObject body;
    body.text_if("overlap", o.overlap);
    const auto reply = context.call({.method = "POST",
                                     .path = "/v2/keys/" + url_escaped(o.id) + "/rotate",
                                     .body = body.str()});
    return reply == nullptr ? kExitFailed : print_new(context, *reply);
}

int revoke_key(CliContext& context, const KeyOptions& o) {
    const auto reply = context.call({.method = "DELETE", .path = "/v2/keys/" + url_escaped(o.id)});
    if (reply == nullptr) return kExitFailed;
    if (context.json())
        context.print_json(*reply);
    else
        context.out() << "revoked " << printable(o.id) << '\n';
    return kExitOk;
}

int show_key(CliContext& context, const KeyOptions& o) {
    const auto reply = context.get("/v2/keys/" + url_escaped(o.id));
    if (reply == nullptr) return kExitFailed;
    context.json() ? context.print_json(*reply) : context.print_pretty(*reply);
    return kExitOk;
}

int list_keys(CliContext& context, const KeyOptions& o) {
    Query query;
    query.add("tenantId", o.tenant).add("limit", o.limit).add("cursor", o.cursor);
    const auto reply = context.get("/v2/keys" + query.str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"KEY", "NAME", "BEGINS", "ENDS", "ROLE", "EXPIRES", "LAST USED", "PATTERNS"});
    bool found = false;
    for (const auto item : array_at(reply->root, "items", found)) {
        table.add({text_at(item, "id"), text_at(item, "name"), text_at(item, "prefix"),
                   text_at(item, "last4"), text_at(item, "role"),
                   time_cell(context, text_at(item, "expiresAt")),
                   time_cell(context, text_at(item, "lastUsedAt")), joined(item, "patterns")});
    }
    context.print_table(table, "no keys");
    context.print_next(*reply);
    return kExitOk;
}

}  // namespace

void add_key_commands(CLI::App& app, CliContext& context) {
    auto o = std::make_shared<KeyOptions>();
    CLI::App* key = app.add_subcommand("key", "API keys");
    key->require_subcommand(1);
    const auto runs = [&context, o](CLI::App* verb, int (*run)(CliContext&, const KeyOptions&)) {
        verb->callback([&context, o, run] {
            context.action = [&context, o, run] { return run(context, *o); };
        });
    };
    CLI::App* create = key->add_subcommand("create", "Makes a key, and shows it once");
    create->add_option("--id", o->id);
    create->add_option("name,--name", o->name);
    create->add_option("--tenant", o->tenant, "whose key it is; unless given, one's own");
    create->add_option("--role", o->role, "viewer, publisher, developer, operator, admin");
    create->add_option("--scope", o->scopes, "instead of the role's: events:write, scripts:*");
    create->add_option("--pattern", o->patterns, "of events that it may send and see");
    create->add_option("--ip", o->ips, "addresses or blocks that it may come from");
    create->add_option("--client-cert-san", o->client_cert_sans,
                       "names in certificates that stand for it: DNS:a.example");
    create->add_option("--user", o->user, "whose it is, for ctx.requestUser");
    create->add_option("--expires", o->expires, "RFC 3339");
    create->footer(
        "The first one: millrace key create --bootstrap --data DIR; in a cluster where all are "
        "lost: --bootstrap --node IP:PORT");
    runs(create, create_key);
    CLI::App* list = key->add_subcommand("list", "Keys, without their texts");
    list->add_option("--tenant", o->tenant);
    list->add_option("--limit", o->limit);
    list->add_option("--cursor", o->cursor);
    runs(list, list_keys);
    CLI::App* show = key->add_subcommand("show", "One key");
    show->add_option("id", o->id)->required();
    runs(show, show_key);
    CLI::App* rotate = key->add_subcommand("rotate", "A new text; the old one counts for a while");
    rotate->add_option("id", o->id)->required();
    rotate->add_option("--overlap", o->overlap, "how long the old one counts: 24h, 0");
    runs(rotate, rotate_key);
    CLI::App* revoke = key->add_subcommand("revoke", "Ends a key at once");
    revoke->add_option("id", o->id)->required();
    runs(revoke, revoke_key);
}

}  // namespace millrace::tools
