// The verbs of actions: create, list, call, remove.
#include "tools/cli/cli.h"
#include "tools/cli/http.h"
#include "tools/cli/json.h"
#include "tools/cli/remove.h"
#include "tools/cli/resolve.h"
#include "tools/cli/show.h"

#include <memory>
#include <string>
#include <vector>

namespace millrace::tools {

namespace {

constexpr ResourceKind kActions{"/v2/actions", "action"};

struct ActionOptions {
    std::string name, url, method, body, secret, command;
    std::vector<std::string> headers, args;
    std::int64_t timeout_ms = 0;
};

int create(CliContext& context, const ActionOptions& o) {
    if (o.url.empty() == o.command.empty())
        return context.usage("action create needs --url or --command");
    JsonObject executor;
    executor.text("type", o.url.empty() ? "command" : "webhook");
    executor.text_if("url", o.url).text_if("method", o.method).text_if("secret", o.secret);
    executor.text_if("command", o.command);
    if (!o.body.empty()) {
        const auto body = read_json_argument(o.body, "--body");
        if (!body) return context.usage(body.error().message);
        executor.raw("body", *body);
    }
    if (!o.headers.empty()) {
        JsonObject headers;
        for (const std::string& header : o.headers) {
            const std::size_t colon = header.find(':');
            if (colon == std::string::npos)
                return context.usage("--header: expected NAME:VALUE, not " + header);
            std::size_t value = colon + 1;
            while (value < header.size() && header[value] == ' ') ++value;
            headers.text(header.substr(0, colon), header.substr(value));
        }
        executor.raw("headers", headers.str());
    }
    if (!o.args.empty()) {
        std::string list;
        for (const std::string& arg : o.args) list += (list.empty() ? "" : ",") + json_quoted(arg);
        executor.raw("args", "[" + list + "]");
    }
    if (o.timeout_ms > 0) executor.number("timeoutMs", o.timeout_ms);
    const std::string body =
        JsonObject().text("name", o.name).raw("executor", executor.str()).str();
    const auto reply = context.call({.method = "POST", .path = "/v2/actions", .body = body});
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    context.out() << "created " << printable(text_at(reply->root, "id")) << "  sdk."
                  << printable(text_at(reply->root, "id")) << "{...}\n";
    return kExitOk;
}

int list(CliContext& context, std::int64_t limit, const std::string& cursor) {
    const auto reply =
        context.get("/v2/actions" + Query().add("limit", limit).add("cursor", cursor).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"ACTION", "TYPE", "CALLS"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        core::JsonElement executor;
        if (!item.find("executor", executor)) continue;
        const std::string url = text_at(executor, "url");
        table.add({text_at(item, "id"), text_at(executor, "type"),
                   url.empty() ? text_at(executor, "command") : url});
    }
    context.print_table(table, "no actions");
    context.print_next(*reply);
    return kExitOk;
}

int call(CliContext& context, const std::string& id, const std::string& given) {
    const auto input = read_json_argument(given.empty() ? "{}" : given, "--input");
    if (!input) return context.usage(input.error().message);
    const auto reply = context.call({.method = "POST",
                                     .path = "/v2/actions/" + url_escaped(id) + "/call",
                                     .body = JsonObject().raw("input", *input).str()});
    if (reply == nullptr) return kExitFailed;
    const bool good = flag_at(reply->root, "success");
    if (context.json())
        context.print_json(*reply);
    else
        context.print_pretty(*reply);
    return good ? kExitOk : kExitFailed;
}

void add_create(CLI::App& action, CliContext& context) {
    auto o = std::make_shared<ActionOptions>();
    CLI::App* makes = action.add_subcommand("create", "Create an action");
    makes->add_option("name", o->name, "what it is called by, such as sms.send")->required();
    makes->add_option("--url", o->url, "called; may hold {{input.NAME}} and {{secrets.NAME}}");
    makes->add_option("--method", o->method);
    makes->add_option("--header", o->headers, "NAME:VALUE; may be repeated");
    makes->add_option("--body", o->body, "JSON with templates, or @FILE; else the input is sent");
    makes->add_option("--secret", o->secret, "whsec_...: calls are signed with it");
    makes->add_option("--command", o->command, "the absolute path of a program, instead");
    makes->add_option("--arg", o->args, "of the command; may be repeated");
    makes->add_option("--timeout-ms", o->timeout_ms)->check(CLI::PositiveNumber);
    makes->callback(
        [&context, o] { context.action = [&context, o] { return create(context, *o); }; });
}

}  // namespace

void add_action_commands(CLI::App& app, CliContext& context) {
    CLI::App* action =
        app.add_subcommand("action", "What scripts and workflows call by a name")->alias("actions");
    action->require_subcommand(1);
    add_create(*action, context);

    auto limit = std::make_shared<std::int64_t>(100);
    auto cursor = std::make_shared<std::string>();
    CLI::App* lists = action->add_subcommand("list", "List actions");
    lists->add_option("--limit", *limit)->check(CLI::Range(1, 1000))->capture_default_str();
    lists->add_option("--cursor", *cursor);
    lists->callback([&context, limit, cursor] {
        context.action = [&context, limit, cursor] { return list(context, *limit, *cursor); };
    });

    auto called = std::make_shared<std::string>();
    auto input = std::make_shared<std::string>();
    CLI::App* calls = action->add_subcommand("call", "Call an action; exit code 1 when it fails");
    calls->add_option("name", *called)->required();
    calls->add_option("--input", *input, "JSON, or @FILE");
    calls->callback([&context, called, input] {
        context.action = [&context, called, input] { return call(context, *called, *input); };
    });

    add_show(*action, context, kActions, "Show one");
    add_remove(*action, context, kActions, "Remove actions");
}

}  // namespace millrace::tools
