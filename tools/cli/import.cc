// `millrace import legacy FILE`: scheduler tasks become schedules with a command, workflow triggers
// become handlers that run a workflow, numbers of a modules.json are told as settings. What is
// there already under its id stays as it is, so that the same file may be given again.
#include "core/json_reader.h"
#include "tools/cli/cli.h"
#include "tools/cli/confirm.h"
#include "tools/cli/import_settings.h"
#include "tools/cli/json.h"

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::tools {

namespace {

// One entry of the file, and what is to become of it.
struct Wanted {
    std::string what;  // "task nightly"
    std::string path;  // "/v2/schedules"
    std::string id;
    std::string body;
    std::string setting;  // a line of the configuration, which whoever starts the server writes
    std::string problem;  // why it can not be taken; empty: it can
    std::string state;    // "new", "there already", "created"
};

// The first of these names that the entry has. Names stand in either way of writing.
std::optional<core::JsonElement> find_any(core::JsonElement entry,
                                          std::initializer_list<std::string_view> names) {
    core::JsonElement found;
    for (const std::string_view name : names) {
        if (entry.find(name, found) && !found.is_null()) return found;
    }
    return std::nullopt;
}

std::string text_of(core::JsonElement entry, std::initializer_list<std::string_view> names) {
    const auto found = find_any(entry, names);
    std::string_view text;
    return found && found->get(text) ? std::string(text) : std::string();
}

std::string raw_of(core::JsonElement entry, std::initializer_list<std::string_view> names) {
    const auto found = find_any(entry, names);
    return found ? json_compact(*found) : std::string();
}

// Members that nobody would look at are told, not dropped.
void check_members(core::JsonElement entry, std::initializer_list<std::string_view> known,
                   Wanted& out) {
    core::JsonMembers members;
    if (!entry.get(members)) return;
    for (const core::JsonMember member : members) {
        const bool is_known = std::find(known.begin(), known.end(), member.key) != known.end();
        if (!is_known && out.problem.empty())
            out.problem = "has the member \"" + std::string(member.key.substr(0, 64)) +
                          "\", which has no counterpart";
    }
}

// A legacy id may hold what an id here may not.
std::string id_of(std::string_view prefix, std::string_view legacy) {
    std::string id(prefix);
    for (const char c : legacy.substr(0, 100)) {
        const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
        id += fits ? c : '-';
    }
    return id;
}

bool is_off(core::JsonElement entry) {
    const auto found = find_any(entry, {"enabled", "active", "is_active", "isActive"});
    bool on = true;
    return found && found->get(on) && !on;
}

std::string command_of(core::JsonElement task) {
    const std::string command = text_of(task, {"command"});
    if (command.empty()) return {};
    JsonObject body;
    body.text("type", "command").text("command", command);
    body.raw_if("args", raw_of(task, {"args", "arguments"}));
    body.raw_if("env", raw_of(task, {"env", "environment"}));
    body.text_if("cwd", text_of(task, {"cwd", "working_directory", "workingDirectory"}));
    body.raw_if("timeoutMs", raw_of(task, {"timeout_ms", "timeoutMs", "timeout"}));
    return body.str();
}

void check_task(core::JsonElement task, Wanted& out) {
    check_members(task,
                  {"id",
                   "task_id",
                   "taskId",
                   "name",
                   "description",
                   "command",
                   "args",
                   "arguments",
                   "env",
                   "environment",
                   "cwd",
                   "working_directory",
                   "workingDirectory",
                   "timeout",
                   "timeout_ms",
                   "timeoutMs",
                   "event_type",
                   "eventType",
                   "event_data",
                   "eventData",
                   "schedule",
                   "schedule_type",
                   "scheduleType",
                   "cron",
                   "cron_expression",
                   "cronExpression",
                   "interval_ms",
                   "intervalMs",
                   "run_at",
                   "runAt",
                   "scheduled_at",
                   "scheduledAt",
                   "next_run_at",
                   "nextRunAt",
                   "last_run_at",
                   "lastRunAt",
                   "timezone",
                   "enabled",
                   "active",
                   "is_active",
                   "isActive",
                   "status",
                   "created_at",
                   "createdAt",
                   "updated_at",
                   "updatedAt",
                   "run_count",
                   "runCount"},
                  out);
}

void put_time(core::JsonElement task, JsonObject& body, Wanted& out) {
    const std::string cron =
        text_of(task, {"cron_expression", "cronExpression", "cron", "schedule"});
    const std::string interval = raw_of(task, {"interval_ms", "intervalMs"});
    const std::string at = text_of(task, {"run_at", "runAt", "scheduled_at", "scheduledAt"});
    if (!cron.empty())
        body.text("cron", cron);
    else if (!interval.empty())
        body.raw("intervalMs", interval);
    else if (!at.empty())
        body.text("at", at);
    else if (out.problem.empty())
        out.problem = "says no time: cron_expression, interval_ms or run_at";
}

Wanted read_task(core::JsonElement task, std::size_t index) {
    Wanted out;
    std::string legacy = text_of(task, {"id", "task_id", "taskId"});
    const std::string name = text_of(task, {"name"});
    if (legacy.empty()) legacy = name;
    out.what = "task " + (legacy.empty() ? "#" + std::to_string(index + 1) : legacy);
    out.path = "/v2/schedules";
    if (legacy.empty()) out.problem = "has neither id nor name";
    out.id = id_of("legacy-task-", legacy);
    check_task(task, out);
    JsonObject body;
    body.text("id", out.id).text("name", name.empty() ? legacy : name);
    put_time(task, body, out);
    body.text_if("timezone", text_of(task, {"timezone"}));
    const std::string executor = command_of(task);
    const std::string event = text_of(task, {"event_type", "eventType"});
    if (!executor.empty()) {
        body.raw("executor", executor);
    } else if (!event.empty()) {
        JsonObject made;
        made.text("pattern", event).raw_if("payload", raw_of(task, {"event_data", "eventData"}));
        body.raw("event", made.str());
    } else if (out.problem.empty()) {
        out.problem = "has neither command nor event_type";
    }
    if (is_off(task)) body.flag("active", false);
    out.body = body.str();
    return out;
}

Wanted read_trigger(core::JsonElement trigger, std::size_t index) {
    Wanted out;
    const std::string workflow = text_of(trigger, {"workflow_id", "workflowId", "workflow"});
    const std::string event = text_of(trigger, {"event_type", "eventType", "event", "pattern"});
    std::string legacy = text_of(trigger, {"id", "trigger_id", "triggerId"});
    if (legacy.empty() && !workflow.empty()) legacy = workflow + "." + event;
    out.what = "trigger " + (legacy.empty() ? "#" + std::to_string(index + 1) : legacy);
    out.path = "/v2/subscriptions";
    out.id = id_of("legacy-trigger-", legacy);
    check_members(trigger, {"id",          "trigger_id", "triggerId", "name",       "description",
                            "workflow_id", "workflowId", "workflow",  "event_type", "eventType",
                            "event",       "pattern",    "filter",    "filters",    "conditions",
                            "enabled",     "active",     "is_active", "isActive",   "created_at",
                            "createdAt",   "updated_at", "updatedAt"},
                  out);
    if (workflow.empty() && out.problem.empty()) out.problem = "names no workflow_id";
    if (event.empty() && out.problem.empty()) out.problem = "names no event_type";
    JsonObject body, executor;
    body.text("id", out.id)
        .text("name", text_of(trigger, {"name"}).empty() ? legacy : text_of(trigger, {"name"}));
    body.text("pattern", event);
    const auto filter = find_any(trigger, {"filter"});
    std::string_view expression;
    if (filter && filter->get(expression))
        body.text("filter", expression);
    else
        body.raw_if("filters", raw_of(trigger, {"filter", "filters", "conditions"}));
    executor.text("type", "workflow").text("workflowId", workflow);
    body.raw("executor", executor.str());
    if (is_off(trigger)) body.flag("active", false);
    out.body = body.str();
    return out;
}

void read_settings(core::JsonElement events, std::vector<Wanted>& out) {
    for (ImportedSetting& one : import_settings(events)) {
        Wanted& wanted = out.emplace_back();
        wanted.what = "setting " + one.name;
        wanted.state = one.setting.empty() ? "holds anyway" : "a setting";
        wanted.setting = std::move(one.setting);
        wanted.problem = std::move(one.problem);
    }
}

core::Result<std::vector<Wanted>> read_file(const std::string& file) {
    const auto text = read_json_argument(file == "-" ? file : "@" + file, "FILE");
    if (!text) return core::fail(text.error());
    core::JsonDom dom;
    auto root = dom.parse(*text);
    if (!root) return core::fail(std::move(root.error()));
    std::vector<Wanted> out;
    core::JsonMembers members;
    if (!root->get(members)) {
        return core::fail(core::ErrorCode::kValidation,
                          R"(the file is no object; expected {"tasks":[...],"triggers":[...]})");
    }
    for (const core::JsonMember member : members) {
        core::JsonArray entries;
        const bool tasks = member.key == "tasks" || member.key == "scheduler_tasks";
        const bool triggers = member.key == "triggers" || member.key == "workflow_triggers";
        if (member.key == "events" && member.value.is_object()) {
            read_settings(member.value, out);
            continue;
        }
        if ((!tasks && !triggers) || !member.value.get(entries)) {
            return core::fail(core::ErrorCode::kValidation,
                              "the file's member \"" + std::string(member.key.substr(0, 64)) +
                                  "\" is no list of tasks or triggers, nor an object of settings");
        }
        std::size_t index = 0;
        for (const core::JsonElement entry : entries) {
            Wanted wanted = tasks ? read_task(entry, index) : read_trigger(entry, index);
            if (!entry.is_object()) wanted.problem = "is no object";
            out.push_back(std::move(wanted));
            ++index;
        }
    }
    return out;
}

// False after a transport error has been printed.
bool look(CliContext& context, Wanted& wanted) {
    const auto reply = context.send({.path = wanted.path + "/" + url_escaped(wanted.id)});
    if (reply == nullptr) return false;
    if (reply->ok())
        wanted.state = "there already";
    else if (reply->status == 404)
        wanted.state = "new";
    else
        wanted.problem = "could not be looked up: " + std::to_string(reply->status);
    return true;
}

bool create(CliContext& context, Wanted& wanted) {
    const auto reply = context.send({.method = "POST", .path = wanted.path, .body = wanted.body});
    if (reply == nullptr) return false;
    if (reply->ok()) {
        wanted.state = "created";
        return true;
    }
    core::JsonDom dom;
    core::JsonElement root;
    wanted.problem = "was refused: " + (dom.read(reply->body, root) ? text_at(root, "error.message")
                                                                    : reply->body.substr(0, 200));
    return true;
}

int report(CliContext& context, const std::vector<Wanted>& all, bool applied) {
    std::size_t taken = 0, failed = 0;
    Table table({"WHAT", "BECOMES", "STATE", "PROBLEM"});
    std::string items;
    for (const Wanted& one : all) {
        const bool bad = !one.problem.empty();
        failed += bad;
        taken += !bad;
        const std::string becomes =
            one.path.empty() ? one.setting : one.path.substr(4) + "/" + one.id;
        table.add({one.what, becomes, bad ? "not taken" : one.state, one.problem});
        JsonObject item;
        item.text("what", one.what).text_if("path", one.path).text_if("id", one.id);
        item.text_if("setting", one.setting);
        item.text("state", bad ? "not taken" : one.state).text_if("problem", one.problem);
        items += (items.empty() ? "" : ",") + item.str();
    }
    if (context.json()) {
        context.out() << JsonObject()
                             .flag("applied", applied)
                             .number("taken", static_cast<std::int64_t>(taken))
                             .number("notTaken", static_cast<std::int64_t>(failed))
                             .raw("items", "[" + items + "]")
                             .str()
                      << '\n';
    } else {
        context.print_table(table, "the file holds nothing");
    }
    return failed == 0 ? kExitOk : kExitFailed;
}

int import_legacy(CliContext& context, const std::string& file, bool apply, bool dry_run) {
    auto all = read_file(file);
    if (!all) return context.usage(all.error().message);
    std::size_t fresh = 0;
    for (Wanted& one : *all) {
        if (!one.problem.empty() || one.path.empty()) continue;
        if (!look(context, one)) return kExitFailed;
        fresh += one.problem.empty() && one.state == "new";
    }
    if (dry_run || fresh == 0 || (!apply && !context.asks())) {
        if (fresh != 0 && !dry_run) context.note("a dry run; --apply does it");
        return report(context, *all, false);
    }
    if (!apply) {
        report(context, *all, false);
        const int go = confirm(context, "create " + std::to_string(fresh) + " of these", false,
                               Unasked::kNeedsYes);
        if (go != kExitOk) return go;
    }
    for (Wanted& one : *all) {
        if (one.problem.empty() && one.state == "new" && !create(context, one)) return kExitFailed;
    }
    return report(context, *all, true);
}

}  // namespace

void add_import_commands(CLI::App& app, CliContext& context) {
    CLI::App* import = app.add_subcommand("import", "Takes over what other systems hold");
    import->require_subcommand(1);
    CLI::App* legacy =
        import->add_subcommand("legacy",
                               "Scheduler tasks, workflow triggers and what a modules.json sets: "
                               "{\"tasks\":[...],\"triggers\":[...],\"events\":{...}}");
    auto file = std::make_shared<std::string>();
    auto apply = std::make_shared<bool>(false);
    auto dry_run = std::make_shared<bool>(false);
    legacy->add_option("file", *file, "a file, or - for standard input")->required();
    CLI::Option* does = legacy->add_flag("--apply", *apply, "create them, without asking");
    legacy->add_flag("--dry-run", *dry_run, "only tell what would be done")->excludes(does);
    legacy->callback([&context, file, apply, dry_run] {
        context.action = [&context, file, apply, dry_run] {
            return import_legacy(context, *file, *apply, *dry_run);
        };
    });
}

}  // namespace millrace::tools
