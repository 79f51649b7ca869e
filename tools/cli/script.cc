// The verbs of scripts: push, list, show, run, try, canary, rollback, logs, remove.
#include "tools/cli/script.h"

#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/remove.h"
#include "tools/cli/resolve.h"
#include "tools/cli/shown.h"

#include <filesystem>
#include <vector>

namespace millrace::tools {

namespace {

std::string name_of(const ScriptPush& push) {
    if (!push.name.empty()) return push.name;
    return push.file == "-" ? "stdin" : std::filesystem::path(push.file).stem().string();
}

// What is not told stays as `before` has it, the version before; a new script has none.
std::string script_body(const ScriptPush& push, std::string_view source,
                        const core::JsonElement* before) {
    const auto kept = [&](const char* member) {
        core::JsonElement value;
        return before != nullptr && before->find(member, value) ? json_compact(value)
                                                                : std::string();
    };
    JsonObject body;
    body.text_if("id", push.id).text("name", name_of(push));
    if (push.type.empty() && before != nullptr)
        body.raw_if("type", kept("type"));
    else
        body.text("type", push.type.empty() ? "event" : push.type);
    body.text("source", source);
    body.raw_if("timeoutMs",
                push.timeout_ms > 0 ? std::to_string(push.timeout_ms) : kept("timeoutMs"));
    body.raw_if("memoryBytes",
                push.memory_bytes > 0 ? std::to_string(push.memory_bytes) : kept("memoryBytes"));
    body.raw_if("enabled", push.disabled ? "false" : kept("enabled"));
    std::string list;
    for (const std::string& name : push.permissions)
        list += (list.empty() ? "[" : ",") + json_quoted(name);
    body.raw_if("permissions", list.empty() ? kept("permissions") : list + "]");
    body.raw_if("recordCalls", push.record_calls ? "true" : kept("recordCalls"));
    return body.str();
}

int list_scripts(CliContext& context, std::int64_t limit, const std::string& cursor) {
    const auto reply =
        context.get("/v2/scripts" + Query().add("limit", limit).add("cursor", cursor).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    const ShortIds short_id(context, ids_at(reply->root));
    Table table({"SCRIPT", "NAME", "TYPE", "VERSION", "ENABLED", "UPDATED"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        const bool enabled = flag_at(item, "enabled");
        table.add({short_id(text_at(item, "id")), text_at(item, "name"), text_at(item, "type"),
                   text_at(item, "version"),
                   Cell(enabled ? "yes" : "no", enabled ? Style::kGood : Style::kDim),
                   time_cell(context, text_at(item, "updatedAt"))});
    }
    context.print_table(table, "no scripts");
    context.print_next(*reply);
    return kExitOk;
}

struct RunOptions {
    std::string id, query = "{}", body = "{}";
    std::string event;  // instead of both
};

void print_logs(CliContext& context, core::JsonElement holder, std::string_view path) {
    bool found = false;
    for (const core::JsonElement line : array_at(holder, path, found)) {
        std::string_view plain;
        if (line.get(plain)) {
            context.out() << "  " << printable(plain) << '\n';
            continue;
        }
        const std::string level = text_at(line, "level");
        std::string text = text_at(line, "text");
        if (text.empty()) text = text_at(line, "message");
        const std::string fields = text_at(line, "fields");
        const Style style = level == "error"  ? Style::kBad
                            : level == "warn" ? Style::kWarn
                                              : Style::kPlain;
        context.out() << "  " << styled(printable(level), style, context.terminal())
                      << (level.empty() ? "" : ": ") << printable(text)
                      << (fields.empty() ? "" : " " + printable(fields)) << '\n';
    }
}

int run_script(CliContext& context, const RunOptions& o) {
    const auto query = read_json_argument(o.query, "--query");
    if (!query) return context.usage(query.error().message);
    const auto body = read_json_argument(o.body, "--body");
    if (!body) return context.usage(body.error().message);
    std::string event;
    if (!o.event.empty()) {
        const bool is_file = std::string_view("{@-").find(o.event.front()) == std::string::npos;
        auto read = read_json_argument((is_file ? "@" : "") + o.event, "--event");
        if (!read) return context.usage(read.error().message);
        event = std::move(*read);
    }
    const std::string id = resolve(context, kScripts, o.id);
    if (id.empty()) return kExitFailed;
    HttpRequest request{.method = "POST", .path = "/v2/script/run"};
    JsonObject run;
    run.text("scriptId", id);
    if (event.empty())
        run.raw("query", *query).raw("body", *body);
    else
        run.raw("event", event);
    request.body = run.str();
    const auto reply = context.call(request);
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    print_logs(context, reply->root, "logs");
    core::JsonElement result;
    if (reply->root.find("result", result)) {
        context.out() << json_pretty(result) << '\n';
    }
    context.note("took " + text_at(reply->root, "durationMs") + " ms, execution " +
                 text_at(reply->root, "executionId"));
    return kExitOk;
}

// The newest executions of the script with what they logged and why they failed.
int script_logs(CliContext& context, const std::string& script, std::int64_t limit) {
    const std::string id = resolve(context, kScripts, script);
    if (id.empty()) return kExitFailed;
    const auto reply =
        context.get("/v2/executions" + Query().add("scriptId", id).add("limit", limit).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        const std::string status = text_at(item, "status");
        context.out() << styled(printable(status), status_style(status), context.terminal()) << "  "
                      << printable(text_at(item, "id")) << "  event "
                      << printable(text_at(item, "eventId")) << '\n';
        print_logs(context, item, "logs");
        bool has_attempts = false;
        for (const core::JsonElement attempt : array_at(item, "attempts", has_attempts)) {
            const std::string error = text_at(attempt, "error");
            if (error.empty()) continue;
            context.out() << "  " << styled("failed", Style::kBad, context.terminal()) << " at "
                          << printable(text_at(attempt, "at")) << ": " << printable_block(error, 4)
                          << '\n';
        }
    }
    return kExitOk;
}

void add_push(CLI::App& script, CliContext& context) {
    auto o = std::make_shared<ScriptPush>();
    CLI::App* verb = script.add_subcommand(
        "push", "Create a script from a Lua file, or a new version of the one of that name");
    verb->add_option("file", o->file, "the Lua file; - for stdin")->required();
    verb->add_option("--id", o->id, "the script's id; one that exists gets a new version");
    verb->add_option("--name", o->name, "the file's name without its ending, unless given");
    verb->add_option("--type", o->type)
        ->check(CLI::IsMember({"event", "scheduled", "endpoint", "api", "hook", "workflow"}));
    verb->add_option("--timeout-ms", o->timeout_ms)->check(CLI::PositiveNumber);
    verb->add_option("--memory-bytes", o->memory_bytes)->check(CLI::PositiveNumber);
    verb->add_option("--permission", o->permissions, "http, kv, emit, secrets; may be repeated");
    verb->add_flag("--record-calls", o->record_calls,
                   "its executions keep what its calls were answered with, for `millrace test "
                   "--record`");
    verb->add_flag("--disabled", o->disabled);
    verb->callback([&context, o] {
        context.action = [&context, o] {
            const auto reply = push_script(context, *o);
            if (reply == nullptr) return kExitFailed;
            if (context.json()) {
                context.print_json(*reply);
            } else {
                context.out() << "pushed " << printable(text_at(reply->root, "id")) << "  version "
                              << printable(text_at(reply->root, "version")) << '\n';
            }
            return kExitOk;
        };
    });
}

}  // namespace

std::unique_ptr<Document> push_script(CliContext& context, const ScriptPush& push) {
    const auto source = read_argument(push.file == "-" ? "-" : "@" + push.file);
    if (!source) {
        context.failed(source.error());
        return nullptr;
    }
    ScriptPush known = push;
    if (known.id.empty()) {
        std::vector<std::string> ids;
        if (!find_by_name(context, kScripts, name_of(push), ids)) return nullptr;
        if (ids.size() > 1) {
            context.failed(core::Error(core::ErrorCode::kConflict,
                                       "several scripts are called '" + name_of(push) +
                                           "': say with --id which one gets a new version"));
            return nullptr;
        }
        if (ids.size() == 1) known.id = ids.front();
    }
    HttpRequest request{.method = "POST", .path = "/v2/scripts"};
    Document before;
    bool exists = false;
    if (!known.id.empty()) {
        const std::string path = "/v2/scripts/" + url_escaped(known.id);
        const auto found = context.send({.path = path});
        if (found == nullptr) return nullptr;
        exists = found->ok() && before.parser.read(found->body, before.root);
        if (exists) {
            request.method = "PUT";
            request.path = path;
        }
    }
    request.body = script_body(known, *source, exists ? &before.root : nullptr);
    return context.call(request);
}

namespace {

int show_script(CliContext& context, const std::string& text) {
    const std::string id = resolve(context, kScripts, text);
    if (id.empty()) return kExitFailed;
    const auto reply = context.get("/v2/scripts/" + url_escaped(id));
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    context.out() << printable(id) << "  " << printable(text_at(reply->root, "name"))
                  << "  version " << printable(text_at(reply->root, "version")) << "  "
                  << (flag_at(reply->root, "enabled") ? "enabled" : "disabled") << "\n\n"
                  << printable_block(text_at(reply->root, "source"), 0) << '\n';
    return kExitOk;
}

struct TryOptions {
    std::string id, event, event_id, file, compare, calls;
    std::int64_t version = 0;
};

// What it would do, and in what another version differs. Exit code 1: it fails, or it differs.
int try_script(CliContext& context, const TryOptions& o) {
    if (o.event.empty() == o.event_id.empty())
        return context.usage("script try needs --event or --event-id");
    JsonObject body;
    body.text_if("eventId", o.event_id);
    const auto as_file = [](const std::string& text) {
        return (std::string_view("{[@-").find(text.front()) == std::string::npos ? "@" : "") + text;
    };
    if (!o.event.empty()) {
        const auto event = read_json_argument(as_file(o.event), "--event");
        if (!event) return context.usage(event.error().message);
        body.raw("event", *event);
    }
    if (!o.calls.empty()) {
        const auto calls = read_json_argument(as_file(o.calls), "--calls");
        if (!calls) return context.usage(calls.error().message);
        body.raw("calls", *calls);
    }
    if (!o.file.empty()) {
        const auto source = read_argument("@" + o.file);
        if (!source) return context.failed(source.error());
        body.text("source", *source);
    }
    if (o.version > 0) body.number("version", o.version);
    if (o.compare == "current")
        body.text("compareWith", o.compare);
    else
        body.raw_if("compareWith", o.compare);
    const std::string id = resolve(context, kScripts, o.id);
    if (id.empty()) return kExitFailed;
    const auto reply = context.call(
        {.method = "POST", .path = "/v2/scripts/" + url_escaped(id) + "/try", .body = body.str()});
    if (reply == nullptr) return kExitFailed;
    if (context.json())
        context.print_json(*reply);
    else
        context.print_pretty(*reply);
    bool found = false;
    const bool same = array_at(reply->root, "differs", found).size() == 0;
    return text_at(reply->root, "status") == "completed" && same ? kExitOk : kExitFailed;
}

int roll_back(CliContext& context, const std::string& text, std::int64_t version) {
    const std::string id = resolve(context, kScripts, text);
    if (id.empty()) return kExitFailed;
    const auto reply = context.call({.method = "POST",
                                     .path = "/v2/scripts/" + url_escaped(id) + "/rollback",
                                     .body = JsonObject().number("version", version).str()});
    if (reply == nullptr) return kExitFailed;
    if (context.json())
        context.print_json(*reply);
    else
        context.out() << printable(id) << " is as version " << version << " was; it is version "
                      << printable(text_at(reply->root, "version")) << " now\n";
    return kExitOk;
}

struct CanaryOptions {
    std::string id;
    std::int64_t version = 0;
    double percent = -1, error_rate = -1;
    bool ends = false;
};

// Without a percentage: how it goes.
int canary(CliContext& context, const CanaryOptions& o) {
    const std::string id = resolve(context, kScripts, o.id);
    if (id.empty()) return kExitFailed;
    HttpRequest request{.path = "/v2/scripts/" + url_escaped(id) + "/canary"};
    if (o.ends) request.method = "DELETE";
    if (!o.ends && o.percent >= 0) {
        request.method = "POST";
        JsonObject body;
        body.number("version", o.version).real("percent", o.percent);
        if (o.error_rate >= 0)
            body.raw("rollbackOn", JsonObject().real("errorRate", o.error_rate).str());
        request.body = body.str();
    }
    const auto reply = context.call(request);
    if (reply == nullptr) return kExitFailed;
    if (context.json())
        context.print_json(*reply);
    else
        context.print_pretty(*reply);
    return kExitOk;
}

void add_canary(CLI::App& script, CliContext& context) {
    auto o = std::make_shared<CanaryOptions>();
    CLI::App* verb = script.add_subcommand(
        "canary",
        "Run a version for a part of the keys; it is given up by itself. Without "
        "--percent: how it goes");
    verb->add_option("script", o->id, "its id or name")->required();
    CLI::Option* version = verb->add_option("--version", o->version, "the version that is tried");
    verb->add_option("--percent", o->percent, "of keys; 0: in the shadow, 100: for all, for good")
        ->check(CLI::Range(0.0, 100.0))
        ->needs(version);
    verb->add_option("--error-rate", o->error_rate, "by so much it may fail more often: 0.05")
        ->check(CLI::Range(0.0, 1.0));
    verb->add_flag("--end", o->ends, "everybody runs the version beside it");
    verb->callback(
        [&context, o] { context.action = [&context, o] { return canary(context, *o); }; });
}

void add_try(CLI::App& script, CliContext& context) {
    auto o = std::make_shared<TryOptions>();
    CLI::App* tries = script.add_subcommand(
        "try",
        "What a script would do with an event; nothing is done. Exit code 1: it fails, or "
        "differs from the version that it is compared with");
    tries->add_option("script", o->id, "its id or name")->required();
    tries->add_option("--event", o->event, "the event: a file, JSON or -");
    tries->add_option("--event-id", o->event_id, "a past event");
    tries->add_option("--file", o->file, "a Lua file, instead of what is pushed");
    tries->add_option("--version", o->version, "an older version")->check(CLI::PositiveNumber);
    tries->add_option("--compare-with", o->compare, "the number of a version, or current");
    tries->add_option("--calls", o->calls, "what its calls are answered with: a file or JSON");
    tries->callback(
        [&context, o] { context.action = [&context, o] { return try_script(context, *o); }; });

    auto id = std::make_shared<std::string>();
    auto version = std::make_shared<std::int64_t>(0);
    CLI::App* back = script.add_subcommand("rollback", "Make an older version the newest again");
    back->add_option("script", *id, "its id or name")->required();
    back->add_option("--version", *version)->required()->check(CLI::PositiveNumber);
    back->callback([&context, id, version] {
        context.action = [&context, id, version] { return roll_back(context, *id, *version); };
    });
}

}  // namespace

void add_script_commands(CLI::App& app, CliContext& context) {
    CLI::App* script = app.add_subcommand("script", "Lua scripts on the server")->alias("scripts");
    script->require_subcommand(1);
    add_push(*script, context);
    add_try(*script, context);
    add_canary(*script, context);

    auto limit = std::make_shared<std::int64_t>(100);
    auto cursor = std::make_shared<std::string>();
    CLI::App* list = script->add_subcommand("list", "List scripts");
    list->add_option("--limit", *limit)->check(CLI::Range(1, 1000))->capture_default_str();
    list->add_option("--cursor", *cursor);
    list->callback([&context, limit, cursor] {
        context.action = [&context, limit, cursor] {
            return list_scripts(context, *limit, *cursor);
        };
    });

    auto shown = std::make_shared<std::string>();
    CLI::App* show = script->add_subcommand("show", "Show a script with its source")->alias("info");
    show->add_option("script", *shown, "its id, its name or the beginning of its id")->required();
    show->callback([&context, shown] {
        context.action = [&context, shown] { return show_script(context, *shown); };
    });

    add_remove(*script, context, kScripts, "Remove scripts that no handler runs");

    auto run_options = std::make_shared<RunOptions>();
    CLI::App* run = script->add_subcommand("run", "Run a script now and show its result");
    run->add_option("script", run_options->id, "its id or name")->required();
    CLI::Option* query = run->add_option("--query", run_options->query, "JSON, @file or -");
    CLI::Option* body = run->add_option("--body", run_options->body, "JSON, @file or -");
    run->add_option("--event", run_options->event,
                    "an event that the handler gets instead: a file, JSON or -; what it does "
                    "takes effect")
        ->excludes(query)
        ->excludes(body);
    run->callback([&context, run_options] {
        context.action = [&context, run_options] { return run_script(context, *run_options); };
    });

    auto id = std::make_shared<std::string>();
    auto count = std::make_shared<std::int64_t>(20);
    CLI::App* logs = script->add_subcommand("logs", "What a script's newest executions logged");
    logs->add_option("script", *id, "its id or name")->required();
    logs->add_option("--limit", *count)->check(CLI::Range(1, 1000))->capture_default_str();
    logs->callback([&context, id, count] {
        context.action = [&context, id, count] { return script_logs(context, *id, *count); };
    });
}

}  // namespace millrace::tools
