// The verbs of webhook sources: add, list, rotate, test, deliveries, remove.
#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/remove.h"
#include "tools/cli/show.h"
#include "tools/cli/shown.h"

#include <memory>
#include <string>
#include <vector>

namespace millrace::tools {

namespace {

constexpr const char* kPath = "/v2/sources";

struct SourceAdd {
    std::string id, scheme, tolerance, pattern, transform, hmac, id_from, kind_from;
    std::vector<std::string> secrets;
};

std::string path_of(const std::string& id, const char* verb = "") {
    return std::string(kPath) + "/" + url_escaped(id) + verb;
}

// The one moment at which a secret that the server made is shown.
void tell_secret(CliContext& context, const Document& reply) {
    const std::string secret = text_at(reply.root, "secret");
    if (secret.empty()) return;
    context.out() << "secret: " << printable(secret) << '\n';
    context.note("it is not shown again: give it to the sender now");
}

int add_source(CliContext& context, const SourceAdd& o) {
    JsonObject body;
    body.text("id", o.id).text("scheme", o.scheme);
    std::string list;
    for (const std::string& secret : o.secrets) {
        const auto read = read_argument(secret);
        if (!read) return context.usage(read.error().message);
        list += (list.empty() ? "[" : ",") + json_quoted(*read);
    }
    body.raw_if("secrets", list.empty() ? list : list + "]");
    body.text_if("tolerance", o.tolerance).text_if("pattern", o.pattern);
    body.text_if("transformScriptId", o.transform);
    if (!o.hmac.empty()) {
        const auto read = read_json_argument(o.hmac, "--hmac");
        if (!read) return context.usage(read.error().message);
        body.raw("hmac", *read);
    }
    body.text_if("idFrom", o.id_from).text_if("kindFrom", o.kind_from);
    const auto reply = context.call({.method = "POST", .path = kPath, .body = body.str()});
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    context.out() << "added " << printable(text_at(reply->root, "id")) << ": senders post to "
                  << context.server << printable(text_at(reply->root, "url")) << '\n';
    tell_secret(context, *reply);
    return kExitOk;
}

int list_sources(CliContext& context, std::int64_t limit, const std::string& cursor) {
    const auto reply = context.get(kPath + Query().add("limit", limit).add("cursor", cursor).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"SOURCE", "SCHEME", "SECRETS", "PATTERN", "TRANSFORM", "ACTIVE"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        bool any = false;
        const std::string pattern = text_at(item, "pattern");
        table.add({text_at(item, "id"), text_at(item, "scheme"),
                   std::to_string(array_at(item, "secrets", any).size()),
                   pattern.empty() ? "webhook." + text_at(item, "id") + ".*" : pattern,
                   text_at(item, "transformScriptId"), flag_at(item, "active") ? "yes" : "no"});
    }
    context.print_table(table, "no sources");
    context.print_next(*reply);
    return kExitOk;
}

int rotate_source(CliContext& context, const std::string& id, const std::string& overlap,
                  const std::string& secret) {
    JsonObject body;
    body.text_if("overlap", overlap).text_if("secret", secret);
    const auto reply =
        context.call({.method = "POST", .path = path_of(id, "/rotate"), .body = body.str()});
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    context.out() << "rotated " << printable(id) << '\n';
    tell_secret(context, *reply);
    return kExitOk;
}

int test_source(CliContext& context, const std::string& id, const std::string& text) {
    const auto payload = read_argument(text);
    if (!payload) return context.usage(payload.error().message);
    JsonObject body;
    body.text("body", *payload).flag("sign", true);
    const auto reply =
        context.call({.method = "POST", .path = path_of(id, "/test"), .body = body.str()});
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
    } else {
        const std::string reason = text_at(reply->root, "reason");
        context.out() << (flag_at(reply->root, "verified") ? "verified" : "refused")
                      << (reason.empty() ? "" : ": " + printable(reason)) << '\n'
                      << json_pretty(reply->root) << '\n';
    }
    return flag_at(reply->root, "verified") ? kExitOk : kExitFailed;
}

int list_deliveries(CliContext& context, const std::string& id) {
    const auto reply = context.get(path_of(id, "/deliveries"));
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"AT", "OUTCOME", "STATUS", "KIND", "DELIVERY", "REASON"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found))
        table.add({time_cell(context, text_at(item, "at")), text_at(item, "outcome"),
                   text_at(item, "status"), text_at(item, "kind"), text_at(item, "deliveryId"),
                   text_at(item, "reason")});
    context.print_table(table, "nothing has come since the server began");
    return kExitOk;
}

void add_add(CLI::App& source, CliContext& context) {
    auto o = std::make_shared<SourceAdd>();
    CLI::App* add = source.add_subcommand("add", "Add a source that signs what it sends");
    add->add_option("id", o->id, "its name in /v2/webhooks/NAME")->required();
    add->add_option("--scheme", o->scheme,
                    "github, stripe, standard-webhooks, slack, shopify, hmac or none")
        ->required();
    add->add_option("--secret", o->secrets,
                    "what it signs with: text, @file or -; the server makes one without");
    add->add_option("--tolerance", o->tolerance, "how far its clock may be from ours: 5m");
    add->add_option("--pattern", o->pattern, "of its events, with {kind} in it");
    add->add_option("--transform", o->transform, "the script that reshapes its events");
    add->add_option("--hmac", o->hmac, "the form of the scheme hmac: JSON, @file or -");
    add->add_option("--id-from", o->id_from, "where its delivery's id is: header:NAME or $.path");
    add->add_option("--kind-from", o->kind_from, "where the kind is: header:NAME or $.path");
    add->callback(
        [&context, o] { context.action = [&context, o] { return add_source(context, *o); }; });
}

}  // namespace

void add_source_commands(CLI::App& app, CliContext& context) {
    CLI::App* source = app.add_subcommand("source", "Senders of webhooks")->alias("sources");
    source->require_subcommand(1);
    add_add(*source, context);

    auto limit = std::make_shared<std::int64_t>(100);
    auto cursor = std::make_shared<std::string>();
    CLI::App* list = source->add_subcommand("list", "List sources");
    list->add_option("--limit", *limit)->check(CLI::Range(1, 1000))->capture_default_str();
    list->add_option("--cursor", *cursor);
    list->callback([&context, limit, cursor] {
        context.action = [&context, limit, cursor] {
            return list_sources(context, *limit, *cursor);
        };
    });

    auto id = std::make_shared<std::string>();
    auto overlap = std::make_shared<std::string>();
    auto secret = std::make_shared<std::string>();
    CLI::App* rotate = source->add_subcommand("rotate", "Give a source a new secret");
    rotate->add_option("source", *id)->required();
    rotate->add_option("--overlap", *overlap, "how long the old ones live on: 24h, 0");
    rotate->add_option("--secret", *secret, "the new one; the server makes one without");
    rotate->callback([&context, id, overlap, secret] {
        context.action = [&context, id, overlap, secret] {
            return rotate_source(context, *id, *overlap, *secret);
        };
    });

    auto body = std::make_shared<std::string>("{}");
    CLI::App* test = source->add_subcommand(
        "test", "What would become of a body that the source signed; nothing is taken");
    test->add_option("source", *id)->required();
    test->add_option("--body", *body, "text, @file or -")->capture_default_str();
    test->callback([&context, id, body] {
        context.action = [&context, id, body] { return test_source(context, *id, *body); };
    });

    CLI::App* deliveries =
        source->add_subcommand("deliveries", "What came last, and why some was refused");
    deliveries->add_option("source", *id)->required();
    deliveries->callback([&context, id] {
        context.action = [&context, id] { return list_deliveries(context, *id); };
    });

    add_show(*source, context, ResourceKind{"/v2/sources", "source"},
             "Show one, without its secrets");
    add_remove(*source, context, ResourceKind{"/v2/sources", "source"}, "Remove sources");
}

}  // namespace millrace::tools
