// The verbs of entities and of their hooks.
#include "core/json_reader.h"
#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/remove.h"
#include "tools/cli/resolve.h"
#include "tools/cli/show.h"

#include <memory>
#include <string>
#include <vector>

namespace millrace::tools {

namespace {

constexpr ResourceKind kHooks{"/v2/hooks", "hook"};

struct EntityOptions {
    std::string type, id, body, if_match, filter, as_of, cursor;
    std::int64_t limit = 100;
    bool wait = false;
};

std::string path_of(const EntityOptions& o) {
    std::string path = "/v2/entities/" + url_escaped(o.type);
    if (!o.id.empty()) path += "/" + url_escaped(o.id);
    return path;
}

int show(CliContext& context, const HttpRequest& request, std::string_view done) {
    const auto reply = context.call(request);
    if (reply == nullptr) return kExitFailed;
    if (context.json() || done.empty()) {
        context.json() ? context.print_json(*reply) : context.print_pretty(*reply);
        return kExitOk;
    }
    const std::string id = text_at(reply->root, "id");
    context.out() << done << (id.empty() ? "" : " ") << printable(id);
    const std::string version = text_at(reply->root, "version");
    if (!version.empty()) context.out() << "  version " << printable(version);
    context.out() << '\n';
    return kExitOk;
}

int write(CliContext& context, const EntityOptions& o, const char* method, const char* done) {
    HttpRequest request{.method = method, .path = path_of(o)};
    if (o.wait) request.path += "?wait=hooks";
    if (!o.body.empty()) {
        auto body = read_json_argument(o.body, "--body");
        if (!body) return context.usage(body.error().message);
        request.body = std::move(*body);
    }
    if (!o.if_match.empty()) request.headers.push_back("If-Match: \"" + o.if_match + "\"");
    const bool gone = std::string_view(method) == "DELETE";
    return show(context, request,
                o.wait ? "" : std::string(done) + (gone ? " " + printable(o.id) : ""));
}

int list(CliContext& context, const EntityOptions& o) {
    Query query;
    query.add("filter", o.filter).add("asOf", time_argument(o.as_of, wall_clock_us()));
    query.add("limit", o.limit).add("cursor", o.cursor);
    const auto reply = context.get(path_of(o) + query.str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"ENTITY", "VERSION", "UPDATED"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found))
        table.add({text_at(item, "id"), text_at(item, "version"), text_at(item, "updatedAt")});
    context.print_table(table, "no entities");
    context.print_next(*reply);
    return kExitOk;
}

void add_write(CLI::App& entity, CliContext& context, const char* verb, const char* what,
               const char* method, const char* done) {
    auto o = std::make_shared<EntityOptions>();
    CLI::App* makes = entity.add_subcommand(verb, what);
    const bool creates = std::string_view(verb) == "create";
    makes->add_option("type", o->type)->required();
    if (creates)
        makes->add_option("--id", o->id, "made by the server, unless given");
    else
        makes->add_option("id", o->id)->required();
    if (std::string_view(verb) != "remove")
        makes->add_option("--body", o->body, "JSON, @file or -")->required();
    if (!creates) makes->add_option("--if-version", o->if_match, "only if that is its version");
    makes->add_flag("--wait", o->wait, "until the hooks after it have been tried (5 s)");
    makes->callback([&context, o, method, done, creates] {
        context.action = [&context, o, method, done, creates] {
            // With an id of its own it must not be there yet: the body says it.
            if (!creates || o->id.empty()) return write(context, *o, method, done);
            auto body = read_json_argument(o->body, "--body");
            if (!body) return context.usage(body.error().message);
            auto merged = core::json_merge_patch(*body, JsonObject().text("id", o->id).str());
            if (!merged) return context.usage(merged.error().message);
            EntityOptions named = *o;
            named.body = std::move(*merged);
            named.id.clear();
            return write(context, named, method, done);
        };
    });
}

struct HookOptions {
    std::string id, name, entity, on, script;
    std::int64_t order = 0;
    bool inactive = false;
};

int create_hook(CliContext& context, const HookOptions& o) {
    const std::string script = resolve(context, kScripts, o.script);
    if (script.empty()) return kExitFailed;
    JsonObject body;
    body.text_if("id", o.id).text_if("name", o.name).text("entity", o.entity).text("on", o.on);
    body.text("scriptId", script).number("order", o.order);
    if (o.inactive) body.flag("active", false);
    return show(context, {.method = "POST", .path = "/v2/hooks", .body = body.str()}, "created");
}

int list_hooks(CliContext& context, const std::string& entity, std::int64_t limit) {
    const auto reply =
        context.get("/v2/hooks" + Query().add("entity", entity).add("limit", limit).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"HOOK", "ENTITY", "ON", "ORDER", "SCRIPT", "ACTIVE"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        table.add({text_at(item, "id"), text_at(item, "entity"), text_at(item, "on"),
                   text_at(item, "order"), text_at(item, "scriptId"), text_at(item, "active")});
    }
    context.print_table(table, "no hooks");
    context.print_next(*reply);
    return kExitOk;
}

int run_hooks(CliContext& context, const std::string& text, bool wait) {
    auto body = read_json_argument(text, "--body");
    if (!body) return context.usage(body.error().message);
    return show(context,
                {.method = "POST",
                 .path = wait ? "/v2/hooks/run?wait=hooks" : "/v2/hooks/run",
                 .body = std::move(*body)},
                "");
}

}  // namespace

void add_entity_commands(CLI::App& app, CliContext& context) {
    CLI::App* entity = app.add_subcommand("entity", "Documents with a version")->alias("entities");
    entity->require_subcommand(1);
    add_write(*entity, context, "create", "Create an entity", "POST", "created");
    add_write(*entity, context, "put", "Replace an entity, or create it", "PUT", "put");
    add_write(*entity, context, "patch", "Change an entity by JSON merge patch", "PATCH",
              "patched");
    add_write(*entity, context, "remove", "Remove an entity", "DELETE", "removed");

    auto one = std::make_shared<EntityOptions>();
    CLI::App* gets = entity->add_subcommand("get", "One entity");
    gets->add_option("type", one->type)->required();
    gets->add_option("id", one->id)->required();
    gets->add_option("--as-of", one->as_of, "as it was: RFC 3339, or how long ago: 2h");
    gets->callback([&context, one] {
        context.action = [&context, one] {
            const std::string at = time_argument(one->as_of, wall_clock_us());
            return show(context, {.path = path_of(*one) + Query().add("asOf", at).str()}, "");
        };
    });

    auto o = std::make_shared<EntityOptions>();
    CLI::App* lists = entity->add_subcommand("list", "List entities of a type");
    lists->add_option("type", o->type)->required();
    lists->add_option("--filter", o->filter, "any filter form: $.total > 100");
    lists->add_option("--as-of", o->as_of, "as they were: RFC 3339, or how long ago: 2h");
    lists->add_option("--limit", o->limit)->check(CLI::Range(1, 1000))->capture_default_str();
    lists->add_option("--cursor", o->cursor);
    lists->callback(
        [&context, o] { context.action = [&context, o] { return list(context, *o); }; });
}

void add_hook_commands(CLI::App& app, CliContext& context) {
    CLI::App* hook =
        app.add_subcommand("hook", "Scripts before and after changes of entities")->alias("hooks");
    hook->require_subcommand(1);
    auto o = std::make_shared<HookOptions>();
    CLI::App* makes = hook->add_subcommand("create", "Create a hook");
    makes->add_option("entity", o->entity, "a type of entities")->required();
    makes->add_option("on", o->on)
        ->required()
        ->check(CLI::IsMember({"beforeCreate", "afterCreate", "beforeUpdate", "afterUpdate",
                               "beforeDelete", "afterDelete"}));
    makes->add_option("--script", o->script, "its id or name")->required();
    makes->add_option("--order", o->order, "lower ones first")->capture_default_str();
    makes->add_option("--id", o->id);
    makes->add_option("--name", o->name);
    makes->add_flag("--inactive", o->inactive);
    makes->callback(
        [&context, o] { context.action = [&context, o] { return create_hook(context, *o); }; });

    auto entity = std::make_shared<std::string>();
    auto limit = std::make_shared<std::int64_t>(100);
    CLI::App* lists = hook->add_subcommand("list", "List hooks");
    lists->add_option("--entity", *entity);
    lists->add_option("--limit", *limit)->check(CLI::Range(1, 1000))->capture_default_str();
    lists->callback([&context, entity, limit] {
        context.action = [&context, entity, limit] { return list_hooks(context, *entity, *limit); };
    });

    auto body = std::make_shared<std::string>();
    auto wait = std::make_shared<bool>(false);
    CLI::App* runs = hook->add_subcommand("run", "Ask or tell the hooks of a document of yours");
    runs->add_option("--body", *body, "{entity, on, doc, ...}: JSON, @file or -")->required();
    runs->add_flag("--wait", *wait, "until those after it have been tried (5 s)");
    runs->callback([&context, body, wait] {
        context.action = [&context, body, wait] { return run_hooks(context, *body, *wait); };
    });

    add_show(*hook, context, kHooks, "Show one");
    add_remove(*hook, context, kHooks, "Remove hooks");
}

}  // namespace millrace::tools
