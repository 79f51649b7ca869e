// The verbs of events: create, info, cancel; load (event_load), list, count and export
// (event_search), tail (event_tail).
#include "tools/cli/cli.h"
#include "tools/cli/event_load.h"
#include "tools/cli/event_verbs.h"
#include "tools/cli/json.h"

#include <memory>

namespace millrace::tools {

namespace {

struct CreateOptions {
    std::string pattern, payload, id, version, source_type, source_id, timestamp;
    std::string correlation_id, causation_id, context_type, context_id, partition_key, file;
    std::int64_t priority = 0;
    std::size_t batch_events = 1000;
};

std::string envelope_of(const CreateOptions& o, std::string_view payload) {
    JsonObject event;
    event.text_if("eventId", o.id).text("pattern", o.pattern).text_if("version", o.version);
    if (!o.source_type.empty() || !o.source_id.empty()) {
        event.raw("source", JsonObject()
                                .text("type", o.source_type.empty() ? "external" : o.source_type)
                                .text("id", o.source_id.empty() ? "cli" : o.source_id)
                                .str());
    }
    event.text_if("timestamp", o.timestamp).raw("payload", payload);
    JsonObject metadata;
    metadata.text_if("correlationId", o.correlation_id).text_if("causationId", o.causation_id);
    if (!o.context_id.empty()) {
        metadata.raw("context",
                     JsonObject()
                         .text("type", o.context_type.empty() ? "client" : o.context_type)
                         .text("id", o.context_id)
                         .str());
    }
    if (!metadata.empty()) event.raw("metadata", metadata.str());
    event.text_if("partitionKey", o.partition_key);
    if (o.priority != 0) event.number("priority", o.priority);
    return event.str();
}

int create_one(CliContext& context, const CreateOptions& options) {
    if (options.pattern.empty()) {
        return context.usage("event create needs --pattern NAME (or --file FILE to load many)");
    }
    const auto payload =
        read_json_argument(options.payload.empty() ? "{}" : options.payload, "--payload");
    if (!payload) return context.usage(payload.error().message);
    HttpRequest request{.method = "POST", .path = "/v2/events"};
    request.body = envelope_of(options, *payload);
    const auto reply = context.call(request);
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"EVENT", "SHARD", "OFFSET", "STATE"});
    bool found = false;
    for (const core::JsonElement event : array_at(reply->root, "events", found)) {
        const bool duplicate = flag_at(event, "duplicate");
        table.add(
            {text_at(event, "eventId"), text_at(event, "shard"), text_at(event, "offset"),
             Cell(duplicate ? "duplicate" : "accepted (" + text_at(reply->root, "durability") + ")",
                  duplicate ? Style::kWarn : Style::kGood)});
    }
    context.print_table(table, "accepted");
    return kExitOk;
}

struct InfoOptions {
    std::string id, source_type, source_id;
    bool as_cloudevent = false;
    bool trace = false;
};

int show_event(CliContext& context, const InfoOptions& o) {
    Query query;
    query.add("as", o.as_cloudevent ? "cloudevent" : "");
    query.add("sourceType", o.source_type).add("sourceId", o.source_id);
    const auto event =
        context.get("/v2/events/" + url_escaped(o.id) + (o.trace ? "/trace" : "") + query.str());
    if (event == nullptr) return kExitFailed;
    context.print_pretty(*event);
    return kExitOk;
}

void add_create(CLI::App& event, CliContext& context) {
    auto options = std::make_shared<CreateOptions>();
    CLI::App* verb = event.add_subcommand(
        "create", "Send one event, or many from a file of JSON lines (--file, - for stdin)");
    verb->add_option("pattern,--pattern", options->pattern, "e.g. invoice.created");
    verb->add_option("--payload", options->payload, "JSON object, @file or - for stdin");
    verb->add_option("--id", options->id, "eventId; filled in by the server when left out");
    verb->add_option("--event-version", options->version, "version of the event's form");
    verb->add_option("--source-type", options->source_type, "workflow|task|integration|external");
    verb->add_option("--source-id", options->source_id);
    verb->add_option("--timestamp", options->timestamp, "RFC 3339");
    verb->add_option("--correlation-id", options->correlation_id);
    verb->add_option("--causation-id", options->causation_id);
    verb->add_option("--context-type", options->context_type, "client|user|global");
    verb->add_option("--context-id", options->context_id);
    verb->add_option("--partition-key", options->partition_key);
    verb->add_option("--priority", options->priority);
    CLI::Option* file =
        verb->add_option("--file", options->file, "load JSON lines, one event a line; - for stdin");
    // What the lines say can't be said again here.
    for (CLI::Option* option : verb->get_options()) {
        if (option != file && option->get_name() != "--help") option->excludes(file);
    }
    verb->add_option("--batch", options->batch_events, "events per request when loading")
        ->check(CLI::Range(1, 65536))
        ->capture_default_str()
        ->needs(file);
    verb->callback([&context, options] {
        context.action = [&context, options] {
            if (options->file.empty()) return create_one(context, *options);
            return load_events(context, {options->file}, options->batch_events);
        };
    });
}

void add_info(CLI::App& event, CliContext& context) {
    auto options = std::make_shared<InfoOptions>();
    CLI::App* verb = event.add_subcommand("info", "Show one event");
    verb->add_option("id", options->id, "eventId")->required();
    verb->add_option(
        "--source-type", options->source_type,
        "of the source that is meant, where several have used the id (else the newest)");
    verb->add_option("--source-id", options->source_id);
    verb->add_flag("--cloudevent", options->as_cloudevent, "as a CloudEvent");
    verb->add_flag("--trace", options->trace, "what it caused and what caused it")
        ->excludes("--cloudevent");
    verb->callback([&context, options] {
        context.action = [&context, options] { return show_event(context, *options); };
    });
}

void add_cancel(CLI::App& event, CliContext& context) {
    struct Options {
        std::string id, source_type, source_id;
    };
    auto o = std::make_shared<Options>();
    CLI::App* cancel =
        event.add_subcommand("cancel", "Deliver nothing of an event any more that waits");
    cancel->add_option("id", o->id)->required();
    cancel->add_option("--source-type", o->source_type);
    cancel->add_option("--source-id", o->source_id);
    cancel->callback([&context, o] {
        context.action = [&context, o] {
            Query query;
            query.add("sourceType", o->source_type).add("sourceId", o->source_id);
            const auto reply = context.call(
                {.method = "DELETE", .path = "/v2/events/" + url_escaped(o->id) + query.str()});
            if (reply == nullptr) return kExitFailed;
            if (context.json()) {
                context.print_json(*reply);
            } else {
                context.out() << "cancelled " << printable(text_at(reply->root, "eventId")) << ": "
                              << text_at(reply->root, "cancelled") << " waiting deliveries\n";
            }
            return kExitOk;
        };
    });
}

}  // namespace

void add_event_commands(CLI::App& app, CliContext& context) {
    CLI::App* event =
        app.add_subcommand("event", "Send, search and follow events")->alias("events");
    event->require_subcommand(1);
    add_create(*event, context);
    add_event_load(*event, context);
    add_event_search(*event, context);
    add_info(*event, context);
    add_event_tail(*event, context);
    add_cancel(*event, context);
}

}  // namespace millrace::tools
