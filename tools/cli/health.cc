// `health`: is the server there and ready; `console`: where to look at it; `openapi`: its calls.
#include "tools/cli/cli.h"
#include "tools/cli/json.h"

#include <memory>

namespace millrace::tools {

namespace {

constexpr long kHealthMs = 5'000;

// Needs no key. Exit code 0: ready; 1: it is not there, or says why it is not ready.
int health(CliContext& context, bool alive_only, double seconds) {
    context.reply_timeout_ms = static_cast<long>(seconds * 1000);
    const auto reply = context.send({.path = alive_only ? "/healthz" : "/readyz"});
    if (reply == nullptr) return kExitFailed;
    if (!reply->ok()) return context.failed(*reply);
    if (context.json())
        context.out() << reply->body << '\n';
    else
        context.out() << (alive_only ? "alive\n" : "ready\n");
    return kExitOk;
}

std::string address_of(const CliContext& context) {
    std::string server = context.server;
    if (server.find("://") == std::string::npos) server = "http://" + server;
    while (server.ends_with('/')) server.pop_back();
    return server;
}

// A browser that comes by the address is let in without a key of its own, once.
int console(CliContext& context, const std::string& tenant, const std::vector<std::string>& scopes,
            const std::string& ttl) {
    std::string url = address_of(context) + "/";
    if (!scopes.empty()) {
        std::string list;
        for (const std::string& scope : scopes)
            list += (list.empty() ? "" : ",") + json_quoted(scope);
        JsonObject body;
        body.text("tenantId", tenant).raw("scopes", "[" + list + "]").text_if("ttl", ttl);
        const auto reply =
            context.call({.method = "POST", .path = "/v2/portal", .body = body.str()});
        if (reply == nullptr) return kExitFailed;
        url = address_of(context) + text_at(reply->root, "url");
    } else if (context.send({.path = "/healthz"}) == nullptr) {
        return kExitFailed;
    }
    if (context.json())
        context.out() << JsonObject().text("url", url).str() << '\n';
    else
        context.out() << printable(url) << '\n';
    return kExitOk;
}

int openapi(CliContext& context) {
    const auto reply = context.send({.path = "/openapi.json"});
    if (reply == nullptr) return kExitFailed;
    if (!reply->ok()) return context.failed(*reply);
    context.out() << reply->body << '\n';
    return kExitOk;
}

}  // namespace

void add_health_commands(CLI::App& app, CliContext& context) {
    auto alive = std::make_shared<bool>(false);
    auto seconds = std::make_shared<double>(kHealthMs / 1000.0);
    CLI::App* asks =
        app.add_subcommand("health", "Is the server ready? Exit code 1 when it is not");
    asks->add_flag("--alive", *alive, "only whether the process lives");
    asks->add_option("--seconds", *seconds, "how long to wait for its answer")
        ->check(CLI::Range(0.1, 600.0))
        ->capture_default_str();
    asks->callback([&context, alive, seconds] {
        context.action = [&context, alive, seconds] { return health(context, *alive, *seconds); };
    });

    auto tenant = std::make_shared<std::string>("default");
    auto scopes = std::make_shared<std::vector<std::string>>();
    auto ttl = std::make_shared<std::string>();
    CLI::App* where = app.add_subcommand(
        "console", "Where the console is; with --scope an address that lets somebody in once");
    CLI::Option* scope = where->add_option("--scope", *scopes, "what they may: events:read, ...");
    where->add_option("--tenant", *tenant, "whose")->capture_default_str()->needs(scope);
    where->add_option("--ttl", *ttl, "for how long: 1h")->needs(scope);
    where->callback([&context, tenant, scopes, ttl] {
        context.action = [&context, tenant, scopes, ttl] {
            return console(context, *tenant, *scopes, *ttl);
        };
    });

    app.add_subcommand("openapi", "Every call of the server, as OpenAPI 3.1")->callback([&context] {
        context.action = [&context] { return openapi(context); };
    });
}

}  // namespace millrace::tools
