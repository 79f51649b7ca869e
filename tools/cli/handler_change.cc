// The verbs that look at one handler or change it: show, update, enable, disable, deploy.
#include "tools/cli/handler.h"
#include "tools/cli/json.h"
#include "tools/cli/resolve.h"

#include <filesystem>
#include <memory>
#include <vector>

namespace millrace::tools {

namespace {

std::string path_of(const std::string& id) { return "/v2/subscriptions/" + url_escaped(id); }

int show_handler(CliContext& context, const std::string& text) {
    const std::string id = resolve(context, kHandlers, text);
    if (id.empty()) return kExitFailed;
    const auto reply = context.get(path_of(id));
    if (reply == nullptr) return kExitFailed;
    context.print_pretty(*reply);
    return kExitOk;
}

int print_changed(CliContext& context, const HttpRequest& request, std::string_view what) {
    const auto reply = context.call(request);
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
    } else {
        context.out() << what << " " << printable(text_at(reply->root, "id")) << "  "
                      << printable(pattern_text(reply->root)) << " -> "
                      << printable(executor_text(reply->root)) << '\n';
    }
    return kExitOk;
}

int set_active(CliContext& context, const std::vector<std::string>& texts, bool active) {
    for (const std::string& text : texts) {
        const std::string id = resolve(context, kHandlers, text);
        if (id.empty()) return kExitFailed;
        const int code = print_changed(context,
                                       {.method = "PATCH",
                                        .path = path_of(id),
                                        .body = JsonObject().flag("active", active).str()},
                                       active ? "enabled" : "disabled");
        if (code != kExitOk) return code;
    }
    return kExitOk;
}

int pause(CliContext& context, const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
        const std::string id = resolve(context, kHandlers, text);
        if (id.empty()) return kExitFailed;
        const int code =
            print_changed(context, {.method = "POST", .path = path_of(id) + "/pause"}, "paused");
        if (code != kExitOk) return code;
    }
    return kExitOk;
}

// The secret alone, so that it can go into a file.
int rotate_secret(CliContext& context, const std::string& text, bool force) {
    const std::string id = resolve(context, kHandlers, text);
    if (id.empty()) return kExitFailed;
    const auto reply = context.call({.method = "POST",
                                     .path = path_of(id) + "/rotate-secret",
                                     .body = JsonObject().flag("force", force).str()});
    if (reply == nullptr) return kExitFailed;
    if (context.json())
        context.print_json(*reply);
    else
        context.out() << printable(text_at(reply->root, "secret")) << '\n';
    return kExitOk;
}

int resume(CliContext& context, const std::string& text, const std::string& from) {
    const std::string id = resolve(context, kHandlers, text);
    if (id.empty()) return kExitFailed;
    return print_changed(context,
                         {.method = "POST",
                          .path = path_of(id) + "/resume",
                          .body = JsonObject().text("from", from).str()},
                         "resumed");
}

int change(CliContext& context, const std::string& id, const HandlerOptions& o,
           std::string_view what) {
    std::string script_id, filters;
    if (const int code = read_handler_options(context, o, script_id, filters); code != kExitOk)
        return code;
    HttpRequest request{.method = "PATCH", .path = path_of(id)};
    request.body = subscription_of(o, script_id, filters);
    if (request.body == "{}") return context.usage("nothing to change was told; try --help");
    return print_changed(context, request, what);
}

int update_handler(CliContext& context, const std::string& text, const HandlerOptions& o) {
    const std::string id = resolve(context, kHandlers, text);
    return id.empty() ? kExitFailed : change(context, id, o, "updated");
}

// The handler of this name as told: made when there is none, changed when there is one.
int deploy_handler(CliContext& context, const HandlerOptions& told) {
    HandlerOptions o = told;
    if (o.name.empty()) o.name = std::filesystem::path(o.lua_file).stem().string();
    if (o.name.empty() || o.name == "-")
        return context.usage("handler deploy needs --name, or a file that has one");
    std::vector<std::string> ids;
    if (!find_by_name(context, kHandlers, o.name, ids)) return kExitFailed;
    if (ids.size() > 1) {
        return context.failed(core::Error(
            core::ErrorCode::kConflict,
            "several handlers are called '" + o.name + "'; change one with: handler update ID"));
    }
    if (ids.size() == 1) return change(context, ids.front(), o, "updated");
    if (o.pattern.empty()) return context.usage("no handler is called so yet: tell its --pattern");
    if (o.script_id.empty() && o.lua_file.empty() && o.executor.empty()) {
        return context.usage(
            "no handler is called so yet: tell what it runs, --lua FILE, --script ID or "
            "--executor JSON");
    }
    std::string script_id, filters;
    if (const int code = read_handler_options(context, o, script_id, filters); code != kExitOk)
        return code;
    HttpRequest request{.method = "POST", .path = "/v2/subscriptions"};
    request.body = subscription_of(o, script_id, filters);
    return print_changed(context, request, "registered");
}

void add_pause(CLI::App& handler, CliContext& context) {
    auto paused = std::make_shared<std::vector<std::string>>();
    CLI::App* pausing =
        handler.add_subcommand("pause", "Let handlers rest; what comes meanwhile waits for them");
    pausing->add_option("id", *paused, "ids or names")->required();
    pausing->callback([&context, paused] {
        context.action = [&context, paused] { return pause(context, *paused); };
    });

    auto resumed = std::make_shared<std::string>();
    auto from = std::make_shared<std::string>("here");
    CLI::App* resuming = handler.add_subcommand("resume", "Let a paused handler go on");
    resuming->add_option("id", *resumed, "its id, its name or the beginning of its id")->required();
    resuming
        ->add_option("--from", *from,
                     "here, skip (leave out what came meanwhile), a position of the log, or a "
                     "moment such as 1h")
        ->capture_default_str();
    resuming->callback([&context, resumed, from] {
        context.action = [&context, resumed, from] { return resume(context, *resumed, *from); };
    });
}

void add_rotate_secret(CLI::App& handler, CliContext& context) {
    auto rotated = std::make_shared<std::string>();
    auto force = std::make_shared<bool>(false);
    CLI::App* rotating = handler.add_subcommand(
        "rotate-secret", "A new secret for a webhook; the old one signs beside it for a day");
    rotating->add_option("id", *rotated, "its id, its name or the beginning of its id")->required();
    rotating->add_flag("--force", *force, "also while an older one still signs: that one ends now");
    rotating->callback([&context, rotated, force] {
        context.action = [&context, rotated, force] {
            return rotate_secret(context, *rotated, *force);
        };
    });
}

}  // namespace

void add_handler_changes(CLI::App& handler, CliContext& context) {
    auto shown = std::make_shared<std::string>();
    CLI::App* show = handler.add_subcommand("show", "Show one handler")->alias("info");
    show->add_option("id", *shown, "its id, its name or the beginning of its id")->required();
    show->callback([&context, shown] {
        context.action = [&context, shown] { return show_handler(context, *shown); };
    });

    for (const bool active : {true, false}) {
        auto ids = std::make_shared<std::vector<std::string>>();
        CLI::App* verb =
            handler.add_subcommand(active ? "enable" : "disable",
                                   active ? "Let handlers run again: what waited for them goes on"
                                          : "Let handlers rest: what is meant for them waits");
        verb->add_option("id", *ids, "ids or names")->required();
        verb->callback([&context, ids, active] {
            context.action = [&context, ids, active] { return set_active(context, *ids, active); };
        });
    }

    add_pause(handler, context);
    add_rotate_secret(handler, context);

    auto id = std::make_shared<std::string>();
    auto changed = std::make_shared<HandlerOptions>();
    CLI::App* update = handler.add_subcommand("update", "Change what is told, keep the rest");
    update->add_option("id", *id, "its id, its name or the beginning of its id")->required();
    add_handler_options(*update, *changed);
    update->callback([&context, id, changed] {
        context.action = [&context, id, changed] { return update_handler(context, *id, *changed); };
    });

    auto deployed = std::make_shared<HandlerOptions>();
    CLI::App* deploy = handler.add_subcommand(
        "deploy", "Make the handler of this name, or change it: FILE --name N --pattern P");
    add_handler_options(*deploy, *deployed);
    deploy->add_option("file", deployed->lua_file,
                       "the Lua file, as --lua; its name without the "
                       "ending is the handler's, unless given");
    deploy->callback([&context, deployed] {
        context.action = [&context, deployed] { return deploy_handler(context, *deployed); };
    });
}

}  // namespace millrace::tools
