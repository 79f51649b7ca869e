// The verbs of secrets: set, list, versions, remove. A value goes in and is never shown.
#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/remove.h"
#include "tools/cli/shown.h"

#include <memory>
#include <vector>

namespace millrace::tools {

namespace {

constexpr const char* kPath = "/v2/secrets";
constexpr long kNotFound = 404;

// A line's end is of the editor or of echo, not of the secret.
void drop_line_end(std::string& value) {
    if (value.ends_with('\n')) value.pop_back();
    if (value.ends_with('\r')) value.pop_back();
}

int set(CliContext& context, const std::string& name, const std::string& given) {
    auto value = read_argument(given);
    if (!value) return context.usage(value.error().message);
    if (given == "-" || given.starts_with('@')) drop_line_end(*value);
    if (value->empty()) return context.usage("secret set: the value is empty");
    const std::string one = std::string(kPath) + "/" + url_escaped(name);
    const auto known = context.send({.path = one});
    if (known == nullptr) return kExitFailed;
    if (!known->ok() && known->status != kNotFound) return context.failed(*known);
    HttpRequest request{.method = known->ok() ? "PUT" : "POST",
                        .path = known->ok() ? one : std::string(kPath)};
    JsonObject body;
    if (!known->ok()) body.text("id", name);
    request.body = body.text("name", name).text("value", *value).str();
    const auto reply = context.call(request);
    if (reply == nullptr) return kExitFailed;
    if (context.json())
        context.print_json(*reply);
    else
        context.out() << "set " << printable(text_at(reply->root, "id")) << "  version "
                      << printable(text_at(reply->root, "version")) << "  sdk.secrets.get('"
                      << printable(text_at(reply->root, "id")) << "')\n";
    return kExitOk;
}

int list(CliContext& context, const std::string& path, std::string_view when_empty) {
    const auto reply = context.get(path);
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"SECRET", "VERSION", "SET"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found))
        table.add({text_at(item, "id"), text_at(item, "version"),
                   time_cell(context, text_at(item, "updatedAt"))});
    context.print_table(table, when_empty);
    context.print_next(*reply);
    return kExitOk;
}

}  // namespace

void add_secret_commands(CLI::App& app, CliContext& context) {
    CLI::App* secret = app.add_subcommand("secret", "What scripts and webhooks may know, sealed")
                           ->alias("secrets");
    secret->require_subcommand(1);

    auto name = std::make_shared<std::string>();
    auto value = std::make_shared<std::string>("-");
    CLI::App* sets = secret->add_subcommand("set", "Give a secret a value, which is never shown");
    sets->add_option("name", *name)->required();
    sets->add_option("value", *value,
                     "text, @file, or - for stdin (unless given): a file or stdin is not seen by "
                     "others on this machine")
        ->capture_default_str();
    sets->callback([&context, name, value] {
        context.action = [&context, name, value] { return set(context, *name, *value); };
    });

    auto limit = std::make_shared<std::int64_t>(100);
    auto cursor = std::make_shared<std::string>();
    CLI::App* lists = secret->add_subcommand("list", "List secrets, without their values");
    lists->add_option("--limit", *limit)->check(CLI::Range(1, 1000))->capture_default_str();
    lists->add_option("--cursor", *cursor);
    lists->callback([&context, limit, cursor] {
        context.action = [&context, limit, cursor] {
            return list(context, kPath + Query().add("limit", *limit).add("cursor", *cursor).str(),
                        "no secrets");
        };
    });

    CLI::App* versions = secret->add_subcommand("versions", "When a secret was set, newest first");
    versions->add_option("name", *name)->required();
    versions->callback([&context, name] {
        context.action = [&context, name] {
            return list(context, std::string(kPath) + "/" + url_escaped(*name) + "/versions",
                        "no versions");
        };
    });

    add_remove(*secret, context, ResourceKind{kPath, "secret"},
               "Remove secrets and their versions");
}

}  // namespace millrace::tools
