// The verbs of schemas: push, list, validate, check, remove.
#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/remove.h"
#include "tools/cli/show.h"

#include <memory>
#include <string>

namespace millrace::tools {

namespace {

constexpr const char* kPath = "/v2/schemas";

struct SchemaPush {
    std::string file, id, pattern, mode, compatibility, label, rules;
};

std::string path_of(const std::string& id, const char* verb = "") {
    return std::string(kPath) + "/" + url_escaped(id) + verb;
}

// A file's name, "-" or JSON.
core::Result<std::string> read_schema(const std::string& text) {
    const bool is_file =
        !text.empty() && std::string_view("{@-").find(text.front()) == std::string_view::npos;
    return read_json_argument((is_file ? "@" : "") + text, "the schema");
}

// With an id that is there already: a new version of it.
int push_schema(CliContext& context, const SchemaPush& o) {
    const auto schema = read_schema(o.file);
    if (!schema) return context.usage(schema.error().message);
    JsonObject body;
    body.text_if("id", o.id).text_if("pattern", o.pattern).raw("schema", *schema);
    if (!o.rules.empty()) {
        const auto rules = read_json_argument(o.rules, "--rules");
        if (!rules) return context.usage(rules.error().message);
        body.raw("rules", *rules);
    }
    body.text_if("mode", o.mode).text_if("compatibility", o.compatibility);
    body.text_if("schemaVersion", o.label);
    HttpRequest request{.method = "POST", .path = kPath, .body = body.str()};
    if (!o.id.empty()) {
        const auto found = context.send({.path = path_of(o.id)});
        if (found == nullptr) return kExitFailed;
        if (found->ok()) {
            request.method = "PUT";
            request.path = path_of(o.id);
        }
    }
    const auto reply = context.call(request);
    if (reply == nullptr) return kExitFailed;
    if (context.json())
        context.print_json(*reply);
    else
        context.out() << printable(text_at(reply->root, "id")) << "  version "
                      << printable(text_at(reply->root, "version")) << "  "
                      << printable(text_at(reply->root, "mode")) << '\n';
    return kExitOk;
}

int list_schemas(CliContext& context, std::int64_t limit, const std::string& cursor) {
    const auto reply = context.get(kPath + Query().add("limit", limit).add("cursor", cursor).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"SCHEMA", "PATTERN", "VERSION", "MODE", "COMPATIBILITY", "UPDATED"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found))
        table.add({text_at(item, "id"), text_at(item, "pattern"), text_at(item, "version"),
                   text_at(item, "mode"), text_at(item, "compatibility"),
                   text_at(item, "updatedAt")});
    context.print_table(table, "no schemas");
    context.print_next(*reply);
    return kExitOk;
}

int validate_payload(CliContext& context, const std::string& id, const std::string& text) {
    const auto payload = read_json_argument(text, "the payload");
    if (!payload) return context.usage(payload.error().message);
    const auto reply = context.call({.method = "POST",
                                     .path = path_of(id, "/validate"),
                                     .body = JsonObject().raw("payload", *payload).str()});
    if (reply == nullptr) return kExitFailed;
    const bool valid = flag_at(reply->root, "valid");
    if (context.json()) {
        context.print_json(*reply);
        return valid ? kExitOk : kExitFailed;
    }
    context.out() << (valid ? "fits" : "does not fit") << '\n';
    bool found = false;
    for (const core::JsonElement one : array_at(reply->root, "errors", found))
        context.out() << "  " << printable(text_at(one, "pointer")) << "  "
                      << printable(text_at(one, "message")) << " ("
                      << printable(text_at(one, "keyword")) << ")\n";
    return valid ? kExitOk : kExitFailed;
}

struct SchemaCheck {
    std::string file, rules, pattern, from, to;
};

int check_log(CliContext& context, const SchemaCheck& o) {
    const auto schema = read_schema(o.file);
    if (!schema) return context.usage(schema.error().message);
    JsonObject body;
    body.raw("schema", *schema).text_if("pattern", o.pattern);
    if (!o.rules.empty()) {
        const auto rules = read_json_argument(o.rules, "--rules");
        if (!rules) return context.usage(rules.error().message);
        body.raw("rules", *rules);
    }
    body.text_if("from", o.from).text_if("to", o.to);
    const auto reply =
        context.call({.method = "POST", .path = std::string(kPath) + "/check", .body = body.str()});
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    context.out() << "it would have refused " << printable(text_at(reply->root, "rejected"))
                  << " of " << printable(text_at(reply->root, "scanned")) << " events"
                  << (flag_at(reply->root, "complete") ? "" : ", and did not see all of the log")
                  << '\n';
    Table table({"POINTER", "KEYWORD", "COUNT", "MESSAGE", "EVENT"});
    bool found = false;
    for (const core::JsonElement one : array_at(reply->root, "byPointer", found))
        table.add({text_at(one, "pointer"), text_at(one, "keyword"), text_at(one, "count"),
                   text_at(one, "message"), text_at(one, "eventId")});
    context.print_table(table, "");
    return kExitOk;
}

void add_push(CLI::App& schema, CliContext& context) {
    auto o = std::make_shared<SchemaPush>();
    CLI::App* push = schema.add_subcommand("push", "Make a schema, or a new version of it");
    push->add_option("schema", o->file, "a file, JSON or -")->required();
    push->add_option("--id", o->id, "its id; one that is there gets a new version");
    push->add_option("--pattern", o->pattern, "of the events: invoice.created, invoice.*");
    push->add_option("--mode", o->mode, "off, warn, reject or dead-letter");
    push->add_option("--compatibility", o->compatibility, "backward, forward, full or none");
    push->add_option("--label", o->label, "your own version of it");
    push->add_option("--rules", o->rules, "a list of rules: JSON, @file or -");
    push->callback(
        [&context, o] { context.action = [&context, o] { return push_schema(context, *o); }; });
}

void add_check(CLI::App& schema, CliContext& context) {
    auto o = std::make_shared<SchemaCheck>();
    CLI::App* check = schema.add_subcommand("check", "What it would have refused of the log");
    check->add_option("schema", o->file, "a file, JSON or -")->required();
    check->add_option("--rules", o->rules, "a list of rules: JSON, @file or -");
    check->add_option("--pattern", o->pattern, "of the events");
    check->add_option("--from", o->from, "a time, or -1h");
    check->add_option("--to", o->to, "a time, or -1h");
    check->callback(
        [&context, o] { context.action = [&context, o] { return check_log(context, *o); }; });
}

}  // namespace

void add_schema_commands(CLI::App& app, CliContext& context) {
    CLI::App* schema =
        app.add_subcommand("schema", "What events of a pattern must be")->alias("schemas");
    schema->require_subcommand(1);
    add_push(*schema, context);
    add_check(*schema, context);

    auto limit = std::make_shared<std::int64_t>(100);
    auto cursor = std::make_shared<std::string>();
    CLI::App* list = schema->add_subcommand("list", "List schemas");
    list->add_option("--limit", *limit)->check(CLI::Range(1, 1000))->capture_default_str();
    list->add_option("--cursor", *cursor);
    list->callback([&context, limit, cursor] {
        context.action = [&context, limit, cursor] {
            return list_schemas(context, *limit, *cursor);
        };
    });

    auto id = std::make_shared<std::string>();
    auto payload = std::make_shared<std::string>();
    CLI::App* validate = schema->add_subcommand("validate", "Whether a payload fits");
    validate->add_option("id", *id)->required();
    validate->add_option("payload", *payload, "JSON, @file or -")->required();
    validate->callback([&context, id, payload] {
        context.action = [&context, id, payload] {
            return validate_payload(context, *id, *payload);
        };
    });

    add_show(*schema, context, ResourceKind{"/v2/schemas", "schema"}, "Show one");
    add_remove(*schema, context, ResourceKind{"/v2/schemas", "schema"}, "Remove schemas");
}

}  // namespace millrace::tools
