// The verbs of tenants, for whoever may make them.
#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/shown.h"

#include <memory>

namespace millrace::tools {

namespace {

struct TenantOptions {
    std::string id, name, reason, cursor;
    std::int64_t limit = 100;
};

std::string path_of(const TenantOptions& o) { return "/v2/tenants/" + url_escaped(o.id); }

int print_one(CliContext& context, const HttpRequest& request) {
    const auto reply = context.call(request);
    if (reply == nullptr) return kExitFailed;
    context.json() ? context.print_json(*reply) : context.print_pretty(*reply);
    return kExitOk;
}

int create_tenant(CliContext& context, const TenantOptions& o) {
    JsonObject body;
    body.text_if("id", o.id).text_if("name", o.name);
    return print_one(context, {.method = "POST", .path = "/v2/tenants", .body = body.str()});
}

int show_tenant(CliContext& context, const TenantOptions& o) {
    return print_one(context, {.path = path_of(o)});
}

int show_usage(CliContext& context, const TenantOptions& o) {
    return print_one(context, {.path = path_of(o) + "/usage"});
}

int suspend_tenant(CliContext& context, const TenantOptions& o) {
    JsonObject body;
    body.text("status", "suspended").text_if("reason", o.reason);
    return print_one(context, {.method = "PATCH", .path = path_of(o), .body = body.str()});
}

int resume_tenant(CliContext& context, const TenantOptions& o) {
    return print_one(context,
                     {.method = "PATCH", .path = path_of(o), .body = R"({"status":"active"})"});
}

int remove_tenant(CliContext& context, const TenantOptions& o) {
    return print_one(context, {.method = "DELETE", .path = path_of(o)});
}

int list_tenants(CliContext& context, const TenantOptions& o) {
    const auto reply =
        context.get("/v2/tenants" + Query().add("limit", o.limit).add("cursor", o.cursor).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"TENANT", "NAME", "STATUS", "REASON", "CREATED"});
    bool found = false;
    for (const auto item : array_at(reply->root, "items", found)) {
        const std::string status = text_at(item, "status");
        table.add({text_at(item, "id"), text_at(item, "name"),
                   Cell(status, status == "active" ? Style::kGood : Style::kBad),
                   text_at(item, "reason"), time_cell(context, text_at(item, "createdAt"))});
    }
    context.print_table(table, "no tenants");
    context.print_next(*reply);
    return kExitOk;
}

}  // namespace

void add_tenant_commands(CLI::App& app, CliContext& context) {
    auto o = std::make_shared<TenantOptions>();
    CLI::App* tenant = app.add_subcommand("tenant", "Tenants");
    tenant->require_subcommand(1);
    const auto add = [&](const char* name, const char* doc,
                         int (*run)(CliContext&, const TenantOptions&)) {
        CLI::App* verb = tenant->add_subcommand(name, doc);
        verb->callback([&context, o, run] {
            context.action = [&context, o, run] { return run(context, *o); };
        });
        return verb;
    };
    CLI::App* create = add("create", "Makes a tenant", create_tenant);
    create->add_option("id", o->id)->required();
    create->add_option("--name", o->name);
    CLI::App* list = add("list", "Tenants, in the order of their ids", list_tenants);
    list->add_option("--limit", o->limit);
    list->add_option("--cursor", o->cursor);
    add("show", "One tenant", show_tenant)->add_option("id", o->id)->required();
    add("usage", "What it has and may have", show_usage)->add_option("id", o->id)->required();
    CLI::App* suspend = add("suspend", "Refuses all its keys, until it is resumed", suspend_tenant);
    suspend->add_option("id", o->id)->required();
    suspend->add_option("--reason", o->reason, "which its clients are told");
    add("resume", "Takes its keys again", resume_tenant)->add_option("id", o->id)->required();
    add("remove", "Removes a tenant that has nothing any more, and its keys", remove_tenant)
        ->add_option("id", o->id)
        ->required();
}

}  // namespace millrace::tools
