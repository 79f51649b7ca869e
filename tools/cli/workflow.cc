// The verbs of workflows, their runs, and the key that seals those.
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

constexpr ResourceKind kWorkflows{"/v2/workflows", "workflow"};

struct ExecuteOptions {
    std::string workflow, input, run_id;
    std::int64_t version = 0, wait_ms = 0;
};
struct ListOptions {
    std::string workflow, status, event, cursor;
    std::int64_t limit = 100;
};
struct ResumeOptions {
    std::string run, step;
    std::int64_t version = 0;
};

std::string run_path(const std::string& run, std::string_view verb = {}) {
    return "/v2/workflow-runs/" + url_escaped(run) + (verb.empty() ? "" : "/" + std::string(verb));
}

int show_run(CliContext& context, const Document& reply) {
    if (context.json()) {
        context.print_json(reply);
        return kExitOk;
    }
    context.out() << "run " << printable(text_at(reply.root, "runId"));
    for (const char* member : {"workflowId", "version", "status", "code"}) {
        const std::string text = text_at(reply.root, member);
        if (!text.empty()) context.out() << "  " << member << ' ' << printable(text);
    }
    context.out() << '\n';
    if (const std::string error = text_at(reply.root, "error.message"); !error.empty())
        context.out() << "error  " << printable(error) << '\n';
    if (const std::string output = text_at(reply.root, "output"); !output.empty())
        context.out() << "output  " << printable(output) << '\n';
    bool found = false;
    const core::JsonArray steps = array_at(reply.root, "steps", found);
    if (!found) return kExitOk;
    Table table({"STEP", "TYPE", "STATUS", "ATTEMPT", "STARTED", "ENDED", "ERROR"});
    for (const core::JsonElement step : steps) {
        const std::string status = text_at(step, "status");
        const Style style = status == "completed" ? Style::kGood
                            : status == "failed"  ? Style::kWarn
                                                  : Style::kDim;
        table.add({text_at(step, "id"), text_at(step, "type"), Cell(status, style),
                   text_at(step, "attempt"), text_at(step, "startedAt"), text_at(step, "endedAt"),
                   text_at(step, "error.message")});
    }
    context.print_table(table, "no steps");
    return kExitOk;
}

int order(CliContext& context, const HttpRequest& request) {
    const auto reply = context.call(request);
    return reply == nullptr ? kExitFailed : show_run(context, *reply);
}

int create(CliContext& context, const std::string& text, bool strict) {
    auto body = read_json_argument(text, "definition");
    if (!body) return context.usage(body.error().message);
    HttpRequest request{.method = "POST",
                        .path = strict ? "/v2/workflows?strict=1" : "/v2/workflows"};
    request.body = std::move(*body);
    const auto reply = context.call(request);
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    context.out() << "created " << printable(text_at(reply->root, "id")) << "  version "
                  << printable(text_at(reply->root, "version")) << '\n';
    bool found = false;
    for (const core::JsonElement warning : array_at(reply->root, "warnings", found)) {
        std::string_view line;
        if (warning.get(line)) context.out() << "warning  " << printable(line) << '\n';
    }
    return kExitOk;
}

int list(CliContext& context, std::int64_t limit, const std::string& cursor) {
    const auto reply =
        context.get("/v2/workflows" + Query().add("limit", limit).add("cursor", cursor).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"WORKFLOW", "NAME", "VERSION", "STEPS", "CREATED"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        bool steps = false;
        table.add({text_at(item, "id"), text_at(item, "name"), text_at(item, "version"),
                   std::to_string(array_at(item, "steps", steps).size()),
                   text_at(item, "createdAt")});
    }
    context.print_table(table, "no workflows");
    context.print_next(*reply);
    return kExitOk;
}

int runs(CliContext& context, const ListOptions& o) {
    const auto reply = context.get("/v2/workflow-runs" + Query()
                                                             .add("workflowId", o.workflow)
                                                             .add("status", o.status)
                                                             .add("eventId", o.event)
                                                             .add("limit", o.limit)
                                                             .add("cursor", o.cursor)
                                                             .str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"RUN", "WORKFLOW", "VERSION", "STATUS", "STARTED", "ENDED", "EVENT"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        const std::string status = text_at(item, "status");
        table.add({text_at(item, "runId"), text_at(item, "workflowId"), text_at(item, "version"),
                   Cell(status, status == "completed" ? Style::kGood : Style::kDim),
                   text_at(item, "startedAt"), text_at(item, "endedAt"), text_at(item, "eventId")});
    }
    context.print_table(table, "no runs");
    context.print_next(*reply);
    return kExitOk;
}

int execute(CliContext& context, const ExecuteOptions& o) {
    JsonObject body;
    body.text_if("runId", o.run_id);
    if (o.version > 0) body.number("version", o.version);
    if (!o.input.empty()) {
        auto input = read_json_argument(o.input, "--input");
        if (!input) return context.usage(input.error().message);
        body.raw("input", *input);
    }
    std::string path = "/v2/workflows/" + url_escaped(o.workflow) + "/execute";
    if (o.wait_ms > 0) path += "?wait=" + std::to_string(o.wait_ms);
    return order(context, {.method = "POST", .path = path, .body = body.str()});
}

int history(CliContext& context, const std::string& run) {
    const auto reply = context.get(run_path(run, "history"));
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"#", "AT", "WHAT", "STEP", "ATTEMPT", "FOLLOWED BY"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        std::string followed;
        bool told = false;
        for (const core::JsonElement event : array_at(item, "events", told)) {
            if (!followed.empty()) followed += ", ";
            followed += text_at(event, "pattern").substr(9);
            const std::string step = text_at(event, "stepId");
            if (!step.empty()) followed += " " + step;
        }
        table.add({text_at(item, "index"), text_at(item, "at"), text_at(item, "kind"),
                   text_at(item, "stepId"), text_at(item, "attempt"), followed});
    }
    context.print_table(table, "nothing yet");
    return kExitOk;
}

int keys(CliContext& context) {
    const auto reply = context.get("/v2/workflow-keys");
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"VERSION", "CREATED", "USE"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        const bool current = flag_at(item, "current");
        table.add({text_at(item, "version"), text_at(item, "createdAt"),
                   current ? Cell("wraps", Style::kGood)
                           : Cell("opens what it has wrapped", Style::kDim)});
    }
    context.print_table(table, "no keys: no workflow has been made yet");
    return kExitOk;
}

int rotate_key(CliContext& context, bool dry_run) {
    JsonObject body;
    if (dry_run) body.flag("dryRun", true);
    const auto reply =
        context.call({.method = "POST", .path = "/v2/workflow-keys/rotate", .body = body.str()});
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    context.out() << (dry_run ? "would make version " : "the key is at version ")
                  << printable(text_at(reply->root, "version")) << '\n';
    if (!dry_run)
        context.out() << "the older one opens what it has wrapped, and goes when nothing is left "
                         "of that (millrace workflow keys)\n";
    return kExitOk;
}

void add_keys(CLI::App& workflow, CliContext& context) {
    CLI::App* lists = workflow.add_subcommand("keys", "The versions of the key that seals runs");
    lists->callback([&context] { context.action = [&context] { return keys(context); }; });
    auto dry_run = std::make_shared<bool>(false);
    CLI::App* rotate = workflow.add_subcommand(
        "rotate-key", "A new key for runs; they are wrapped anew by and by");
    rotate->add_flag("--dry-run", *dry_run, "only say which version it would be");
    rotate->callback([&context, dry_run] {
        context.action = [&context, dry_run] { return rotate_key(context, *dry_run); };
    });
}

void add_definitions(CLI::App& workflow, CliContext& context) {
    auto body = std::make_shared<std::string>();
    auto strict = std::make_shared<bool>(false);
    CLI::App* made = workflow.add_subcommand("create", "Create a workflow, or a further version");
    made->add_option("definition", *body, "JSON, @file or -")->required();
    made->add_flag("--strict", *strict, "refuse steps that are named and not there");
    made->callback([&context, body, strict] {
        context.action = [&context, body, strict] { return create(context, *body, *strict); };
    });

    auto limit = std::make_shared<std::int64_t>(100);
    auto cursor = std::make_shared<std::string>();
    CLI::App* lists = workflow.add_subcommand("list", "List workflows");
    lists->add_option("--limit", *limit)->check(CLI::Range(1, 1000))->capture_default_str();
    lists->add_option("--cursor", *cursor);
    lists->callback([&context, limit, cursor] {
        context.action = [&context, limit, cursor] { return list(context, *limit, *cursor); };
    });

    add_show(workflow, context, kWorkflows, "Show one as it is now; `status` shows a run");
    add_remove(workflow, context, kWorkflows, "Remove workflows without runs under way");
}

void add_looks(CLI::App& workflow, CliContext& context) {
    auto o = std::make_shared<ListOptions>();
    CLI::App* lists = workflow.add_subcommand("runs", "List runs, newest first");
    lists->add_option("--workflow", o->workflow);
    lists->add_option("--status", o->status);
    lists->add_option("--event", o->event, "the id of the event that began it");
    lists->add_option("--limit", o->limit)->check(CLI::Range(1, 1000))->capture_default_str();
    lists->add_option("--cursor", o->cursor);
    lists->callback(
        [&context, o] { context.action = [&context, o] { return runs(context, *o); }; });

    auto run = std::make_shared<std::string>();
    CLI::App* status = workflow.add_subcommand("status", "One run, with its steps");
    status->add_option("run", *run, "its id")->required();
    status->callback([&context, run] {
        context.action = [&context, run] {
            const auto reply = context.get(run_path(*run));
            return reply == nullptr ? kExitFailed : show_run(context, *reply);
        };
    });
    auto of = std::make_shared<std::string>();
    CLI::App* journal = workflow.add_subcommand("history", "What happened in a run");
    journal->add_option("run", *of, "its id")->required();
    journal->callback(
        [&context, of] { context.action = [&context, of] { return history(context, *of); }; });
}

void add_order(CLI::App& workflow, CliContext& context, const char* verb, const char* what) {
    auto run = std::make_shared<std::string>();
    CLI::App* command = workflow.add_subcommand(verb, what);
    command->add_option("run", *run, "its id")->required();
    command->callback([&context, run, verb] {
        context.action = [&context, run, verb] {
            return order(context, {.method = "POST", .path = run_path(*run, verb), .body = "{}"});
        };
    });
}

void add_resume(CLI::App& workflow, CliContext& context) {
    auto o = std::make_shared<ResumeOptions>();
    CLI::App* command = workflow.add_subcommand("resume", "Let a paused run go on");
    command->add_option("run", o->run, "its id")->required();
    command->add_option("--version", o->version, "with this version of the workflow");
    command->add_option("--from-step", o->step, "do this step again, and all behind it");
    command->callback([&context, o] {
        context.action = [&context, o] {
            JsonObject body;
            if (o->version > 0) body.number("version", o->version);
            body.text_if("fromStep", o->step);
            return order(
                context,
                {.method = "POST", .path = run_path(o->run, "resume"), .body = body.str()});
        };
    });
}

int rehearse(CliContext& context, const ResumeOptions& o) {
    JsonObject body;
    body.number("version", o.version);
    const auto reply =
        context.call({.method = "POST", .path = run_path(o.run, "rehearse"), .body = body.str()});
    if (reply == nullptr) return kExitFailed;
    const bool fits = flag_at(reply->root, "fits");
    if (context.json()) {
        context.print_json(*reply);
        return fits ? kExitOk : kExitFailed;
    }
    context.out() << "version " << o.version
                  << (fits ? " would have come the same way" : " does not fit") << '\n';
    for (const char* member : {"message", "expected", "found"}) {
        const std::string text = text_at(reply->root, member);
        if (!text.empty()) context.out() << member << "  " << printable(text) << '\n';
    }
    return fits ? kExitOk : kExitFailed;
}

void add_rehearse(CLI::App& workflow, CliContext& context) {
    auto o = std::make_shared<ResumeOptions>();
    CLI::App* command = workflow.add_subcommand(
        "rehearse", "Whether another version would have come the same way; nothing is done");
    command->add_option("run", o->run, "its id")->required();
    command->add_option("--version", o->version, "of the workflow")->required();
    command->callback(
        [&context, o] { context.action = [&context, o] { return rehearse(context, *o); }; });
}

void add_signal(CLI::App& workflow, CliContext& context) {
    auto run = std::make_shared<std::string>();
    auto name = std::make_shared<std::string>();
    auto payload = std::make_shared<std::string>();
    CLI::App* command = workflow.add_subcommand("signal", "Tell a run what it waits for");
    command->add_option("run", *run, "its id")->required();
    command->add_option("name", *name, "of the signal")->required();
    command->add_option("--payload", *payload, "JSON, @file or -");
    command->callback([&context, run, name, payload] {
        context.action = [&context, run, name, payload] {
            JsonObject body;
            body.text("name", *name);
            if (!payload->empty()) {
                auto json = read_json_argument(*payload, "--payload");
                if (!json) return context.usage(json.error().message);
                body.raw("payload", *json);
            }
            return order(context,
                         {.method = "POST", .path = run_path(*run, "signal"), .body = body.str()});
        };
    });
}

}  // namespace

void add_workflow_commands(CLI::App& app, CliContext& context) {
    CLI::App* workflow =
        app.add_subcommand("workflow", "Workflows and their runs")->alias("workflows");
    workflow->require_subcommand(1);
    add_definitions(*workflow, context);
    add_looks(*workflow, context);

    auto o = std::make_shared<ExecuteOptions>();
    CLI::App* begin = workflow->add_subcommand("execute", "Begin a run");
    begin->add_option("workflow", o->workflow, "its id")->required();
    begin->add_option("--input", o->input, "JSON, @file or -");
    begin->add_option("--run-id", o->run_id, "the same id begins one run");
    begin->add_option("--version", o->version);
    begin->add_option("--wait", o->wait_ms, "milliseconds to wait for its end");
    begin->callback(
        [&context, o] { context.action = [&context, o] { return execute(context, *o); }; });

    add_order(*workflow, context, "cancel", "End a run and undo what it has begun");
    add_order(*workflow, context, "terminate", "End a run at once and undo nothing");
    add_order(*workflow, context, "pause", "Begin no further step until it is resumed");
    add_resume(*workflow, context);
    add_rehearse(*workflow, context);
    add_signal(*workflow, context);
    add_keys(*workflow, context);
}

}  // namespace millrace::tools
