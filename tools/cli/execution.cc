// The verbs of executions and of retries that wait.
#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/resolve.h"
#include "tools/cli/shown.h"

#include <memory>

namespace millrace::tools {

namespace {

struct ExecutionListOptions {
    std::string script_id, subscription_id, event_id, source_type, source_id, status, from, to,
        cursor;
    std::int64_t limit = 50;
};

std::string duration_text(core::JsonElement execution) {
    bool found = false;
    std::int64_t last_us = 0;
    for (const core::JsonElement attempt : array_at(execution, "attempts", found)) {
        last_us = number_at(attempt, "durationUs");
    }
    if (last_us < 10'000) return std::to_string(last_us) + " us";
    return std::to_string(last_us / 1000) + " ms";
}

// Its error, how many there were, and when it was.
std::string last_attempt(core::JsonElement execution, std::size_t& attempts, std::string& at) {
    bool found = false;
    std::string error;
    for (const core::JsonElement attempt : array_at(execution, "attempts", found)) {
        ++attempts;
        error = text_at(attempt, "error");
        at = text_at(attempt, "at");
    }
    return error;
}

int list_executions(CliContext& context, ExecutionListOptions o) {
    if (!resolve_filter(context, kScripts, o.script_id) ||
        !resolve_filter(context, kHandlers, o.subscription_id))
        return kExitFailed;
    const std::int64_t now_us = wall_clock_us();
    Query query;
    query.add("scriptId", o.script_id).add("subscriptionId", o.subscription_id);
    query.add("eventId", o.event_id).add("status", o.status);
    query.add("sourceType", o.source_type).add("sourceId", o.source_id);
    query.add("from", time_argument(o.from, now_us)).add("to", time_argument(o.to, now_us));
    query.add("limit", o.limit).add("cursor", o.cursor);
    const auto reply = context.get("/v2/executions" + query.str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    const HandlerNames handler(context, reply->root);
    Table table({"EXECUTION", "STATUS", "WHEN", "EVENT", "HANDLER", "ATTEMPTS", "TOOK", "ERROR"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        const std::string status = text_at(item, "status");
        std::size_t attempts = 0;
        std::string at;
        const std::string error = last_attempt(item, attempts, at);
        table.add({text_at(item, "id"), Cell(status, status_style(status)),
                   at.empty() ? at : time_cell(context, at), text_at(item, "eventId"),
                   handler(text_at(item, "subscriptionId")), std::to_string(attempts),
                   duration_text(item), error});
    }
    context.print_table(table, "no executions");
    context.print_next(*reply);
    return kExitOk;
}

int list_retries(CliContext& context, std::int64_t limit, const std::string& cursor) {
    const auto reply =
        context.get("/v2/retries" + Query().add("limit", limit).add("cursor", cursor).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    const HandlerNames handler(context, reply->root);
    Table table({"DUE", "EVENT", "HANDLER", "ATTEMPT", "ERROR"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        std::string due = text_at(item, "dueAt");
        if (!due.empty())
            due = time_cell(context, due);
        else
            due = flag_at(item, "held") ? "when its handler goes on" : "behind its key";
        table.add({due, text_at(item, "eventId"), handler(text_at(item, "subscriptionId")),
                   text_at(item, "attempt"), text_at(item, "error")});
    }
    context.print_table(table, "nothing waits for a retry");
    context.print_next(*reply);
    return kExitOk;
}

}  // namespace

void add_execution_commands(CLI::App& app, CliContext& context) {
    CLI::App* execution = app.add_subcommand("execution", "What handlers did")->alias("executions");
    execution->require_subcommand(1);
    auto o = std::make_shared<ExecutionListOptions>();
    CLI::App* list = execution->add_subcommand("list", "List executions, newest first");
    list->add_option("--script", o->script_id, "id, name or the beginning of an id");
    list->add_option("--handler", o->subscription_id, "id, name or the beginning of an id");
    list->add_option("--event", o->event_id);
    list->add_option("--source-type", o->source_type, "of the event's source");
    list->add_option("--source-id", o->source_id);
    list->add_option("--status", o->status)
        ->check(CLI::IsMember({"completed", "failed", "retrying", "dead", "waiting"}));
    list->add_option("--from", o->from, "RFC 3339, or 15m, 2h, 7d ago");
    list->add_option("--to", o->to, "RFC 3339, or 15m, 2h, 7d ago");
    list->add_option("--limit", o->limit)->check(CLI::Range(1, 1000))->capture_default_str();
    list->add_option("--cursor", o->cursor);
    list->callback(
        [&context, o] { context.action = [&context, o] { return list_executions(context, *o); }; });

    auto id = std::make_shared<std::string>();
    CLI::App* show = execution->add_subcommand("show", "Show one execution")->alias("info");
    show->add_option("id", *id)->required();
    show->callback([&context, id] {
        context.action = [&context, id] {
            const auto reply = context.get("/v2/executions/" + url_escaped(*id));
            if (reply == nullptr) return kExitFailed;
            context.print_pretty(*reply);
            return kExitOk;
        };
    });

    CLI::App* retry = app.add_subcommand("retry", "Failed deliveries that wait")->alias("retries");
    retry->require_subcommand(1);
    auto limit = std::make_shared<std::int64_t>(50);
    auto cursor = std::make_shared<std::string>();
    CLI::App* waiting = retry->add_subcommand("list", "What waits, by due time");
    waiting->add_option("--limit", *limit)->check(CLI::Range(1, 1000))->capture_default_str();
    waiting->add_option("--cursor", *cursor);
    waiting->callback([&context, limit, cursor] {
        context.action = [&context, limit, cursor] {
            return list_retries(context, *limit, *cursor);
        };
    });
}

}  // namespace millrace::tools
