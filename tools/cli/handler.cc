// The verbs of handlers. A handler is a subscription: a pattern, a filter and what is run.
#include "tools/cli/handler.h"

#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/pattern_hint.h"
#include "tools/cli/remove.h"
#include "tools/cli/resolve.h"
#include "tools/cli/script.h"
#include "tools/cli/shown.h"

#include <memory>

namespace millrace::tools {

namespace {

std::string retry_of(const HandlerOptions& o) {
    JsonObject retry;
    if (o.max_retries >= 0) retry.number("maxRetries", o.max_retries);
    if (o.initial_delay_ms >= 0) retry.number("initialDelayMs", o.initial_delay_ms);
    if (o.max_delay_ms >= 0) retry.number("maxDelayMs", o.max_delay_ms);
    if (o.backoff_factor > 0) retry.real("backoffFactor", o.backoff_factor);
    if (o.no_jitter) retry.flag("jitter", false);
    return retry.empty() ? std::string() : retry.str();
}

std::string executor_of(const HandlerOptions& o, const std::string& script_id) {
    if (!o.executor.empty()) return o.executor;
    return JsonObject().text("type", "script").text("scriptId", script_id).str();
}

}  // namespace

std::string subscription_of(const HandlerOptions& o, const std::string& script_id,
                            const std::string& filters) {
    JsonObject body;
    body.text_if("name", o.name);
    if (!o.pattern.empty() && (o.pattern_type.empty() || o.pattern_type == "exact")) {
        body.text("pattern", o.pattern);
    } else if (!o.pattern.empty()) {
        body.raw("pattern",
                 JsonObject().text("type", o.pattern_type).text("value", o.pattern).str());
    }
    body.raw_if("filters", filters).text_if("filter", o.filter);
    if (!o.executor.empty() || !script_id.empty()) body.raw("executor", executor_of(o, script_id));
    if (o.priority != 0) body.number("priority", o.priority);
    body.raw_if("retry", retry_of(o));
    if (o.of_edges) body.text("edges", "*");
    if (o.inactive) body.flag("active", false);
    return body.str();
}

int read_handler_options(CliContext& context, const HandlerOptions& o, std::string& script_id,
                         std::string& filters) {
    if (o.pattern_type.empty() || o.pattern_type == "wildcard") note_pattern(context, o.pattern);
    if (!o.filters.empty()) {
        auto text = read_json_argument(o.filters, "--filters");
        if (!text) return context.usage(text.error().message);
        filters = std::move(*text);
    }
    if (!o.script_id.empty()) {
        script_id = resolve(context, kScripts, o.script_id);
        if (script_id.empty()) return kExitFailed;
    }
    if (!o.lua_file.empty()) {
        const auto pushed = push_script(context, {.file = o.lua_file, .name = o.name});
        if (pushed == nullptr) return kExitFailed;
        script_id = text_at(pushed->root, "id");
    }
    return kExitOk;
}

std::string pattern_text(core::JsonElement subscription) {
    const std::string type = text_at(subscription, "pattern.type");
    if (type.empty()) return text_at(subscription, "pattern");
    const std::string value = text_at(subscription, "pattern.value");
    return type == "exact" ? value : type + ":" + value;
}

std::string executor_text(core::JsonElement subscription) {
    for (const char* target : {"scriptId", "url", "workflowId", "command"}) {
        const std::string value = text_at(subscription, std::string("executor.") + target);
        if (!value.empty()) return text_at(subscription, "executor.type") + ":" + value;
    }
    return text_at(subscription, "executor.type");
}

namespace {

int print_registered(CliContext& context, const HttpRequest& request) {
    const auto reply = context.call(request);
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
    } else {
        context.out() << "registered " << printable(text_at(reply->root, "id")) << "  "
                      << printable(pattern_text(reply->root)) << " -> "
                      << printable(executor_text(reply->root)) << '\n';
    }
    return kExitOk;
}

int register_handler(CliContext& context, const HandlerOptions& o) {
    HttpRequest request{.method = "POST", .path = "/v2/subscriptions"};
    if (!o.file.empty()) {
        auto body = read_json_argument(o.file == "-" ? "-" : "@" + o.file, "--file");
        if (!body) return context.usage(body.error().message);
        request.body = std::move(*body);
        return print_registered(context, request);
    }
    if (o.pattern.empty()) return context.usage("handler register needs --pattern (or --file)");
    const int ways = !o.script_id.empty() + !o.lua_file.empty() + !o.executor.empty();
    if (ways != 1) {
        return context.usage(
            "handler register needs one of --script ID, --lua FILE, --executor JSON");
    }
    HandlerOptions named = o;
    if (named.name.empty()) named.name = o.pattern;
    std::string script_id, filters;
    // The script is called as the handler, or as its file.
    if (const int code = read_handler_options(context, o, script_id, filters); code != kExitOk)
        return code;
    std::string body = subscription_of(named, script_id, filters);
    if (!o.id.empty()) body.insert(1, "\"id\":" + json_quoted(o.id) + ",");
    request.body = std::move(body);
    return print_registered(context, request);
}

int list_handlers(CliContext& context, std::int64_t limit, const std::string& cursor) {
    const auto reply =
        context.get("/v2/subscriptions" + Query().add("limit", limit).add("cursor", cursor).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    const ShortIds short_id(context, ids_at(reply->root));
    Table table({"HANDLER", "NAME", "PATTERN", "RUNS", "PRIORITY", "ACTIVE", "FILTER"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        const bool active = flag_at(item, "active");
        std::string filter = text_at(item, "filter");
        if (filter.empty()) filter = text_at(item, "filters");
        const bool paused = flag_at(item, "paused");
        table.add({short_id(text_at(item, "id")), text_at(item, "name"), pattern_text(item),
                   executor_text(item), text_at(item, "priority"),
                   Cell(!active  ? "no"
                        : paused ? "paused"
                                 : "yes",
                        active && !paused ? Style::kGood : Style::kDim),
                   Cell(filter, Style::kDim)});
    }
    context.print_table(table, "no handlers");
    context.print_next(*reply);
    return kExitOk;
}

// Without a handler: which ones match. With one: each condition, the value seen and the verdict.
int test_handler(CliContext& context, const std::string& named, const std::string& event_argument) {
    const auto event = read_json_argument(event_argument, "--event");
    if (!event) return context.usage(event.error().message);
    const std::string id = named.empty() ? named : resolve(context, kHandlers, named);
    if (id.empty() != named.empty()) return kExitFailed;
    Query query;
    if (!id.empty()) query.add("explain", "1").add("subscriptionId", id);
    HttpRequest request{.method = "POST", .path = "/v2/subscriptions/match" + query.str()};
    request.body = JsonObject().raw("event", *event).str();
    const auto reply = context.call(request);
    if (reply == nullptr) return kExitFailed;
    bool found = false;
    bool matched = false;
    std::string names;
    for (const core::JsonElement item : array_at(reply->root, "matched", found)) {
        std::string_view text;
        if (!item.get(text)) continue;
        matched = matched || id.empty() || text == id;
        names += std::string(names.empty() ? "" : ", ") + std::string(text);
    }
    if (context.json()) {
        context.print_json(*reply);
    } else if (id.empty()) {
        context.out() << "matched: " << (names.empty() ? "none" : printable(names)) << '\n';
    } else {
        context.out() << printable(id) << ": " << (matched ? "matches" : "does not match") << '\n'
                      << json_pretty(reply->root) << '\n';
    }
    return matched ? kExitOk : kExitFailed;
}

// One delivery of a webhook or command, of an event that is in no log.
int deliver_once(CliContext& context, const std::string& named, const std::string& event_argument) {
    if (named.empty()) return context.usage("handler test --deliver needs the handler");
    const auto event = read_json_argument(event_argument, "--event");
    if (!event) return context.usage(event.error().message);
    const std::string id = resolve(context, kHandlers, named);
    if (id.empty()) return kExitFailed;
    const auto reply =
        context.call({.method = "POST",
                      .path = std::string(kHandlers.path) + "/" + url_escaped(id) + "/test",
                      .body = JsonObject().raw("event", *event).str()});
    if (reply == nullptr) return kExitFailed;
    context.print_pretty(*reply);
    return flag_at(reply->root, "success") ? kExitOk : kExitFailed;
}

void add_register(CLI::App& handler, CliContext& context) {
    auto o = std::make_shared<HandlerOptions>();
    CLI::App* verb = handler.add_subcommand("register", "Run something when events match");
    verb->add_option("--id", o->id);
    add_handler_options(*verb, *o);
    verb->add_option("--file", o->file, "the whole subscription as JSON; - for stdin");
    CLI::Option* file = verb->get_option("--file");
    for (CLI::Option* option : verb->get_options()) {
        // The file says all of it.
        if (option != file && option->get_name() != "--help") option->excludes(file);
    }
    verb->callback([&context, o] {
        context.action = [&context, o] { return register_handler(context, *o); };
    });
}

}  // namespace

void add_handler_options(CLI::App& verb, HandlerOptions& o) {
    verb.add_option("--name", o.name);
    verb.add_option("--pattern", o.pattern, "e.g. invoice.created or invoice.*");
    verb.add_option("--type", o.pattern_type, "how the pattern is read")
        ->check(CLI::IsMember({"exact", "prefix", "suffix", "wildcard", "regex"}));
    verb.add_option("--filter", o.filter, "expression, e.g. \"$.amount > 100\"");
    verb.add_option("--filters", o.filters, "map or list form: JSON or @file");
    verb.add_option("--script", o.script_id, "the script to run: id or name");
    verb.add_option("--lua", o.lua_file, "push this Lua file first, then run it");
    verb.add_option("--executor", o.executor, "the executor's JSON, for every other kind");
    verb.add_option("--priority", o.priority);
    verb.add_option("--max-retries", o.max_retries)->check(CLI::NonNegativeNumber);
    verb.add_option("--initial-delay-ms", o.initial_delay_ms)->check(CLI::NonNegativeNumber);
    verb.add_option("--max-delay-ms", o.max_delay_ms)->check(CLI::NonNegativeNumber);
    verb.add_option("--backoff-factor", o.backoff_factor)->check(CLI::PositiveNumber);
    verb.add_flag("--no-jitter", o.no_jitter);
    verb.add_flag("--edges", o.of_edges, "edges send what it wants (millrace help edges)");
    verb.add_flag("--inactive", o.inactive);
}

void add_handler_commands(CLI::App& app, CliContext& context) {
    CLI::App* handler =
        app.add_subcommand("handler", "What runs when events match: a subscription of the API")
            ->alias("handlers")
            ->alias("subscription");
    handler->require_subcommand(1);
    add_register(*handler, context);
    add_handler_changes(*handler, context);

    auto limit = std::make_shared<std::int64_t>(100);
    auto cursor = std::make_shared<std::string>();
    CLI::App* list = handler->add_subcommand("list", "List handlers");
    list->add_option("--limit", *limit)->check(CLI::Range(1, 1000))->capture_default_str();
    list->add_option("--cursor", *cursor);
    list->callback([&context, limit, cursor] {
        context.action = [&context, limit, cursor] {
            return list_handlers(context, *limit, *cursor);
        };
    });

    add_remove(*handler, context, kHandlers, "Remove handlers");
    add_handler_preview(*handler, context);

    auto id = std::make_shared<std::string>();
    auto event = std::make_shared<std::string>();
    CLI::App* test = handler->add_subcommand(
        "test", "Would an event match? With a handler's id: why, or why not. Exit code 1 if not");
    test->add_option("id", *id, "one handler, id or name; left out: all");
    test->add_option("--event", *event, "the event: JSON, @file or -")->required();
    auto delivers = std::make_shared<bool>(false);
    test->add_flag("--deliver", *delivers,
                   "of a webhook or a command: call it, once; exit code 1 when it fails");
    test->callback([&context, id, event, delivers] {
        context.action = [&context, id, event, delivers] {
            return *delivers ? deliver_once(context, *id, *event)
                             : test_handler(context, *id, *event);
        };
    });
}

}  // namespace millrace::tools
