#include "tools/offline/bootstrap_command.h"

#include "core/clock.h"
#include "core/json_dom.h"
#include "core/log.h"
#include "core/random.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/node/forward_head.h"
#include "runtime/registry/registry.h"
#include "runtime/registry/registry_rows.h"
#include "runtime/registry/set_aside.h"
#include "runtime/server/data_folder.h"
#include "runtime/server/part_options.h"
#include "store/database.h"
#include "tools/cli/cli.h"
#include "tools/cli/http.h"
#include "tools/cli/json.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

namespace millrace::tools {
namespace {

struct Options {
    std::string folder = "./data";
    std::string name = "bootstrap";
    std::string server = "http://127.0.0.1:7070";
    std::string node;  // IP:PORT, cluster.advertise of one
    std::string output = "table";
};

int failed(const core::Error& error) {
    std::fprintf(stderr, "error: %s\n", printable(error.message).c_str());
    return kExitFailed;
}

std::string body_of(const Options& o) {
    return JsonObject().text("name", o.name).text("role", "admin").raw("scopes", "[\"*\"]").str();
}

int print_key(const Options& o, std::string_view document, std::string_view text) {
    if (o.output == "json") {
        std::printf("%.*s\n", static_cast<int>(document.size()), document.data());
        return kExitOk;
    }
    std::printf("%.*s\n", static_cast<int>(text.size()), text.data());
    std::fprintf(stderr,
                 "an admin of tenant default that may make tenants; this is the one time that it "
                 "is shown. From now on every request needs a key: --api-key, or "
                 "MILLRACE_API_KEY\n");
    return kExitOk;
}

core::Result<std::unique_ptr<store::Database>> open_folder(const Options& o,
                                                           const core::Clock& clock) {
    store::Database::Options options;
    options.path = o.folder;
    options.clock = &clock;
    options.shards = runtime::count_or_cores(0, core::kShardsMax);  // of a folder that is new
    options.shards_are = store::Database::Options::Shards::kSuggested;
    return store::Database::open(options);
}

int make_in(store::Database& database, const core::Clock& clock, const Options& o) {
    core::Log log(clock, core::LogLevel::kError);
    runtime::SetAside aside(log);
    runtime::StoreRegistryRows rows(database, aside);
    core::Random random(static_cast<std::uint64_t>(clock.wall_us()));
    auto registry = runtime::Registry::open(rows, clock, random, {});
    if (!registry) return failed(registry.error());
    (*registry)->act_as("operator", R"("actor":{"type":"operator","id":null},"via":"cli")");
    auto& tenants = (*registry)->table<runtime::Tenant>();
    if (!tenants.find(runtime::kPlatform, "default")) {
        auto made = tenants.create({.tenant = runtime::kPlatform}, R"({"id":"default"})");
        if (!made) return failed(made.error());
    }
    const std::string text = runtime::new_key_text();
    auto made = (*registry)->table<runtime::ApiKey>().create({.tenant = runtime::kPlatform},
                                                             body_of(o), [&](runtime::ApiKey& key) {
                                                                 runtime::take_key_text(key, text);
                                                                 return core::Status{};
                                                             });
    if (!made) return failed(made.error());
    std::string document = runtime::document_kind<runtime::ApiKey>().show(*made->after);
    document.insert(1, "\"key\":\"" + text + "\",");
    if (auto closed = database.close(); !closed) return failed(closed.error());
    return print_key(o, document, text);
}

// By a server, which lets this machine in while there is no key: why not in the folder itself?
int make_through(const Options& o, const core::Error& why) {
    HttpClient::Options options;
    options.server = o.server;
    auto client = HttpClient::create(std::move(options));
    if (!client) return failed(why);
    auto reply = (*client)->send({.method = "POST", .path = "/v2/keys", .body = body_of(o)});
    if (!reply || reply->status != 201) {
        const bool heard = reply.has_value();
        std::fprintf(stderr, "error: %s\nand the server at %s %s\n", printable(why.message).c_str(),
                     printable(o.server).c_str(),
                     heard ? "makes none without a key: stop it and name its folder with --data"
                           : "can't be reached: give its address with --server");
        return kExitFailed;
    }
    core::JsonDom parser;
    const auto root = parser.parse(reply->body);
    if (!root) return failed(why);
    return print_key(o, reply->body, text_at(*root, "key"));
}

// By a node of a cluster, which believes whoever has the cluster's token; wherever partition 0 is,
// in which the keys are.
int make_in_cluster(const Options& o) {
    const char* token = std::getenv("MILLRACE_CLUSTER_TOKEN");
    if (token == nullptr || *token == '\0') {
        return failed(core::Error(core::ErrorCode::kValidation,
                                  "--node: set MILLRACE_CLUSTER_TOKEN to the cluster's token"));
    }
    auto key = std::make_shared<runtime::identity::KeyIdentity>();
    key->id = "cluster.token";
    key->name = "cluster.token";
    key->role = runtime::identity::Role::kAdmin;
    runtime::identity::Principal principal;
    principal.scopes = runtime::identity::ScopeSet::all();
    principal.key = std::move(key);
    using runtime::node::kPartitionHeader;
    using runtime::node::kRelayHeader;
    const auto line = [](std::string_view name, std::string_view value) {
        return std::string(name) + ": " + std::string(value);
    };
    HttpRequest request{.method = "POST", .path = "/v2/keys", .body = body_of(o)};
    request.headers = {line(runtime::identity::kFrontTokenHeader, token),
                       line(runtime::identity::kFrontPrincipalHeader,
                            runtime::identity::principal_text(principal, "default")),
                       line(kPartitionHeader, "0"), line(kRelayHeader, "1")};
    HttpClient::Options options;
    options.server = o.node;
    auto client = HttpClient::create(std::move(options));
    if (!client) return failed(client.error());
    auto reply = (*client)->send(request);
    if (!reply) {
        std::fprintf(stderr,
                     "error: %s\n--node is where nodes reach each other: its "
                     "cluster.advertise\n",
                     printable(reply.error().message).c_str());
        return kExitFailed;
    }
    core::JsonDom parser;
    const auto root = parser.parse(reply->body);
    if (reply->status == 201 && root) return print_key(o, reply->body, text_at(*root, "key"));
    core::JsonElement error;
    const bool told = root && root->find("error", error);
    std::fprintf(stderr, "error: no key was made: the node answered %ld%s%s\n", reply->status,
                 told ? ", " : "", told ? printable(text_at(error, "message")).c_str() : "");
    return kExitFailed;
}

}  // namespace

bool is_bootstrap_command(const std::vector<std::string>& arguments) {
    const auto has = [&](std::string_view word) {
        return std::find(arguments.begin(), arguments.end(), word) != arguments.end();
    };
    return has("--bootstrap") && ((has("key") && has("create")) || has("key:create"));
}

int bootstrap_command(std::vector<std::string> arguments) {
    arguments = split_colon_command(std::move(arguments));
    Options o;
    CLI::App app("The first key of a data folder", "millrace");
    if (const char* url = std::getenv("MILLRACE_URL"); url != nullptr && *url != '\0')
        o.server = url;
    app.require_subcommand(1);
    app.fallthrough();  // before its subcommands, which take it over
    CLI::App* create = app.add_subcommand("key")->add_subcommand("create");
    bool bootstrap = false;
    const CLI::Option* data =
        app.add_option("--data", o.folder, "the data folder")->envname("MILLRACE_DATA_DIR");
    const CLI::Option* server =
        app.add_option("--server", o.server, "where a server has the folder open")
            ->envname("MILLRACE_SERVER");
    app.add_option("--node", o.node,
                   "of a cluster: cluster.advertise of a node; with MILLRACE_CLUSTER_TOKEN");
    app.add_option("-o,--output", o.output)->check(CLI::IsMember({"table", "json"}));
    create->add_flag("--bootstrap", bootstrap);
    create->add_option("--name", o.name);
    try {
        std::reverse(arguments.begin(), arguments.end());
        app.parse(std::move(arguments));
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kExitOk : kExitUsage;
    }
    if (!o.node.empty()) return make_in_cluster(o);
    // Who names a server and no folder means the server: no folder is made beside it.
    if (server->count() > 0 && data->count() == 0)
        return make_through(o, core::Error(core::ErrorCode::kValidation, "no key was made"));
    if (auto own = runtime::check_own_folder(o.folder); !own) return failed(own.error());
    if (auto good = runtime::check_data_folder(o.folder); !good) return failed(good.error());
    const core::RealClock clock;
    auto database = open_folder(o, clock);
    if (!database) return make_through(o, database.error());
    return make_in(**database, clock, o);
}

}  // namespace millrace::tools
