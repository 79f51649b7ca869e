// The verbs of endpoints.
#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/remove.h"
#include "tools/cli/resolve.h"
#include "tools/cli/show.h"

#include <vector>

namespace millrace::tools {

namespace {

constexpr ResourceKind kEndpoints{"/v2/endpoints", "endpoint"};

struct EndpointOptions {
    std::string code, name, method, route, script, auth;
    double rate = 0;
    std::int64_t timeout_ms = 0;
    bool cors = false;
};

int create(CliContext& context, const EndpointOptions& o) {
    const std::string script = resolve(context, kScripts, o.script);
    if (script.empty()) return kExitFailed;
    JsonObject body;
    body.text_if("code", o.code).text_if("name", o.name).text("method", o.method);
    body.text("route", o.route).text("scriptId", script).text_if("auth", o.auth);
    if (o.rate > 0) body.real("rate", o.rate);
    if (o.timeout_ms > 0) body.number("timeoutMs", o.timeout_ms);
    if (o.cors) body.flag("cors", true);
    const auto reply =
        context.call({.method = "POST", .path = "/v2/endpoints", .body = body.str()});
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    context.out() << "created " << printable(text_at(reply->root, "id")) << "  "
                  << printable(text_at(reply->root, "method")) << " /v2/endpoint/"
                  << printable(text_at(reply->root, "method")) << '/'
                  << printable(text_at(reply->root, "route")) << '\n';
    return kExitOk;
}

int list(CliContext& context, std::int64_t limit, const std::string& cursor) {
    const auto reply =
        context.get("/v2/endpoints" + Query().add("limit", limit).add("cursor", cursor).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"ENDPOINT", "METHOD", "ROUTE", "SCRIPT", "AUTH", "NAME"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        table.add({text_at(item, "id"), text_at(item, "method"), text_at(item, "route"),
                   text_at(item, "scriptId"), text_at(item, "auth"), text_at(item, "name")});
    }
    context.print_table(table, "no endpoints");
    context.print_next(*reply);
    return kExitOk;
}

}  // namespace

void add_endpoint_commands(CLI::App& app, CliContext& context) {
    CLI::App* endpoint =
        app.add_subcommand("endpoint", "Scripts that answer HTTP calls")->alias("endpoints");
    endpoint->require_subcommand(1);
    auto o = std::make_shared<EndpointOptions>();
    CLI::App* makes = endpoint->add_subcommand("create", "Create an endpoint");
    makes->add_option("method", o->method, "GET, POST, PUT, PATCH or DELETE")->required();
    makes->add_option("route", o->route, "such as orders/:id")->required();
    makes->add_option("--script", o->script, "its id or name")->required();
    makes->add_option("--code", o->code);
    makes->add_option("--name", o->name);
    makes->add_option("--auth", o->auth)->check(CLI::IsMember({"required", "optional", "none"}));
    makes->add_option("--rate", o->rate, "calls a second")->check(CLI::PositiveNumber);
    makes->add_option("--timeout-ms", o->timeout_ms)->check(CLI::PositiveNumber);
    makes->add_flag("--cors", o->cors, "pages of every origin may call it");
    makes->callback(
        [&context, o] { context.action = [&context, o] { return create(context, *o); }; });

    auto limit = std::make_shared<std::int64_t>(100);
    auto cursor = std::make_shared<std::string>();
    CLI::App* lists = endpoint->add_subcommand("list", "List endpoints");
    lists->add_option("--limit", *limit)->check(CLI::Range(1, 1000))->capture_default_str();
    lists->add_option("--cursor", *cursor);
    lists->callback([&context, limit, cursor] {
        context.action = [&context, limit, cursor] { return list(context, *limit, *cursor); };
    });

    add_show(*endpoint, context, kEndpoints, "Show one");
    add_remove(*endpoint, context, kEndpoints, "Remove endpoints");
}

}  // namespace millrace::tools
