// The verbs of events: create (one, or many from a file), list, info, tail, cancel.
#include "tools/cli/cli.h"
#include "tools/cli/event_load.h"
#include "tools/cli/json.h"
#include "tools/cli/progress.h"
#include "tools/cli/sse.h"

#include <chrono>
#include <memory>
#include <thread>

namespace millrace::tools {

namespace {

struct CreateOptions {
    std::string pattern, payload, id, version, source_type, source_id, timestamp;
    std::string correlation_id, causation_id, context_type, context_id, partition_key, file;
    std::int64_t priority = 0;
    std::size_t batch_events = 1000;
};

struct ListOptions {
    std::string pattern, pattern_prefix, from, to, source_type, source_id;
    std::string correlation_id, causation_id, context_id, filter, cursor, order;
    std::int64_t limit = 50;
    double search_seconds = 30;
};

struct TailOptions {
    std::string pattern, filter, from, last_id;
    std::int64_t count = 0;
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

Query query_of(const ListOptions& o) {
    const std::int64_t now_us = wall_clock_us();
    Query query;
    query.add("pattern", o.pattern).add("patternPrefix", o.pattern_prefix);
    query.add("from", time_argument(o.from, now_us)).add("to", time_argument(o.to, now_us));
    query.add("sourceType", o.source_type).add("sourceId", o.source_id);
    query.add("correlationId", o.correlation_id).add("causationId", o.causation_id);
    query.add("contextId", o.context_id).add("filter", o.filter);
    return query;
}

// The server looks through so much a call; an answer without an event and with a cursor is "not
// yet", so that the search goes on for a while. Null after an error has been printed.
std::unique_ptr<Document> search(CliContext& context, const ListOptions& o, std::int64_t& scanned) {
    const auto give_up = std::chrono::steady_clock::now() +
                         std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                             std::chrono::duration<double>(o.search_seconds));
    const Query query = query_of(o);
    std::string cursor = o.cursor;
    for (;;) {
        Query page = query;
        page.add("order", o.order).add("limit", o.limit).add("cursor", cursor);
        auto reply = context.get("/v2/events" + page.str());
        if (reply == nullptr) return nullptr;
        scanned += number_at(reply->root, "scanned");
        bool found = false;
        const bool empty = array_at(reply->root, "items", found).size() == 0;
        cursor = text_at(reply->root, "next");
        if (!empty || cursor.empty() || std::chrono::steady_clock::now() >= give_up) return reply;
    }
}

int list_events(CliContext& context, const ListOptions& o) {
    std::int64_t scanned = 0;
    const auto reply = search(context, o, scanned);
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"RECEIVED", "EVENT", "PATTERN", "SOURCE", "PAYLOAD"});
    bool found = false;
    for (const core::JsonElement event : array_at(reply->root, "items", found)) {
        const std::string source_id = text_at(event, "source.id");
        table.add({text_at(event, "receivedAt"), text_at(event, "eventId"),
                   Cell(text_at(event, "pattern"), Style::kHead),
                   text_at(event, "source.type") + (source_id.empty() ? "" : "/" + source_id),
                   Cell(text_at(event, "payload"), Style::kDim)});
    }
    const std::string looked = std::to_string(scanned) + " events looked through";
    const bool more = !text_at(reply->root, "next").empty();
    context.print_table(table, more ? "none found yet, " + looked + "; go on:" : "no events");
    context.print_next(*reply);
    return kExitOk;
}

int count_events(CliContext& context, const ListOptions& o) {
    const Query query = query_of(o);
    std::int64_t count = 0;
    std::int64_t scanned = 0;
    std::string cursor;
    do {
        Query page = query;
        page.add("count", "1").add("cursor", cursor);
        const auto reply = context.get("/v2/events" + page.str());
        if (reply == nullptr) return kExitFailed;
        count += number_at(reply->root, "count");
        scanned += number_at(reply->root, "scanned");
        cursor = text_at(reply->root, "next");
    } while (!cursor.empty());
    if (context.json()) {
        context.out() << JsonObject().number("count", count).number("scanned", scanned).str()
                      << '\n';
    } else {
        context.out() << count << '\n';
    }
    return kExitOk;
}

// Members that the server stamps: it refuses them from a client, and stamps its own.
bool is_stamped(std::string_view member) {
    return member == "receivedAt" || member == "shard" || member == "offset" ||
           member == "tenantId" || member == "otherSources";
}

// The event as a line that `event create --file` loads again, numbers as they stand.
std::string loadable_line(core::JsonElement event) {
    core::JsonMembers members;
    std::string line;
    if (!event.get(members)) return line;
    for (const core::JsonMember member : members) {
        if (is_stamped(member.key)) continue;
        line += line.empty() ? "{" : ",";
        line.append(member.raw_key).append(":").append(json_compact(member.value));
    }
    return line + "}";
}

// Oldest first, up to what is there when it begins, so that it ends by itself.
int export_events(CliContext& context, ListOptions o) {
    if (o.to.empty()) o.to = time_argument("0s", wall_clock_us());
    o.order = "asc";
    o.limit = 1000;
    o.search_seconds = 0;
    std::int64_t scanned = 0;
    std::uint64_t exported = 0;
    Progress progress(
        context.err(),
        {.label = "exporting", .unit = "events", .enabled = context.progress_enabled()});
    do {
        const auto reply = search(context, o, scanned);
        if (reply == nullptr) return kExitFailed;
        bool found = false;
        for (const core::JsonElement event : array_at(reply->root, "items", found)) {
            context.out() << loadable_line(event) << '\n';
            ++exported;
        }
        if (!context.out()) {
            return context.failed(core::Error(core::ErrorCode::kInternal,
                                              "the events can't be written: is the disk full?"));
        }
        progress.update(exported, exported);
        o.cursor = text_at(reply->root, "next");
    } while (!o.cursor.empty());
    context.out() << std::flush;
    progress.finish();
    context.note("exported " + std::to_string(exported) + " events");
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

void print_tail_event(CliContext& context, const SseMessage& message) {
    core::JsonDom parser;
    core::JsonElement event;
    if (context.json() || !parser.read(message.data, event)) {
        context.out() << (context.json() ? message.data : printable(message.data)) << '\n'
                      << std::flush;
        return;
    }
    const Terminal& terminal = context.terminal();
    context.out() << styled(printable(text_at(event, "receivedAt")), Style::kDim, terminal) << "  "
                  << styled(printable(text_at(event, "pattern")), Style::kHead, terminal) << "  "
                  << printable(text_at(event, "eventId")) << "  "
                  << printable(text_at(event, "payload")) << '\n'
                  << std::flush;
}

// Follows the stream, and over a restart of the server from the event after the last one seen.
class Tail {
public:
    Tail(CliContext& context, const TailOptions& options)
        : context_(context),
          options_(options),
          last_id_(options.last_id),
          from_(time_argument(options.from, wall_clock_us())) {}

    // The exit code.
    int run() {
        HttpClient* client = context_.client();
        if (client == nullptr) return kExitFailed;
        bool connected = false;
        auto lost_at = std::chrono::steady_clock::now();
        for (;;) {
            const std::int64_t seen_before = seen_;
            opened_ = false;
            const auto reply = stream(*client);
            // A server that drains refuses new streams until it is gone.
            const bool drains = connected && reply && reply->status == 503;
            if (reply && !reply->ok() && !drains) return context_.failed(*reply);
            if (done()) return kExitOk;
            const auto now = std::chrono::steady_clock::now();
            if (!drains && (opened_ || seen_ != seen_before)) {
                connected = true;
                lost_at = now;
                context_.note("the server ended the stream; connecting again");
            }
            if (!connected) return reply ? ended() : context_.failed(reply.error());
            if (now - lost_at > kReconnectFor) return reply ? ended() : gone(reply.error());
            std::this_thread::sleep_for(kReconnectEvery);
        }
    }

private:
    static constexpr std::chrono::seconds kReconnectFor{5};
    static constexpr std::chrono::milliseconds kReconnectEvery{200};

    bool done() const { return options_.count > 0 && seen_ >= options_.count; }

    core::Result<HttpReply> stream(HttpClient& client) {
        HttpRequest request;
        Query query;
        query.add("pattern", options_.pattern).add("filter", options_.filter);
        if (last_id_.empty()) query.add("from", from_);
        request.path = "/v2/events/stream" + query.str();
        request.headers.push_back("Accept: text/event-stream");
        if (!last_id_.empty()) request.headers.push_back("Last-Event-ID: " + last_id_);
        SseParser parser([&](const SseMessage& message) {
            if (done()) return;
            if (!message.id.empty()) last_id_ = message.id;
            ++seen_;
            print_tail_event(context_, message);
        });
        return client.stream(request, [&](std::string_view piece) {
            opened_ = true;
            parser.feed(piece);
            return !done();
        });
    }

    int ended() {
        return context_.failed(
            core::Error(core::ErrorCode::kUnavailable, "the server ended the stream"));
    }
    int gone(const core::Error& error) {
        return context_.failed(core::Error(
            core::ErrorCode::kUnavailable,
            "the server ended the stream and is gone: " + error.message +
                (last_id_.empty() ? "" : "\ngo on with: event tail --last-id " + last_id_)));
    }

    CliContext& context_;
    const TailOptions& options_;
    std::string last_id_;
    const std::string from_;
    std::int64_t seen_ = 0;
    bool opened_ = false;
};

int tail_events(CliContext& context, const TailOptions& o) { return Tail(context, o).run(); }

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
            return load_events(context, options->file, options->batch_events);
        };
    });
}

void add_selection(CLI::App* verb, const std::shared_ptr<ListOptions>& options) {
    verb->add_option("--pattern", options->pattern);
    verb->add_option("--pattern-prefix", options->pattern_prefix);
    verb->add_option("--from", options->from, "RFC 3339, or 15m, 2h, 7d ago");
    verb->add_option("--to", options->to, "RFC 3339, or 15m, 2h, 7d ago");
    verb->add_option("--source-type", options->source_type);
    verb->add_option("--source-id", options->source_id);
    verb->add_option("--correlation-id", options->correlation_id);
    verb->add_option("--causation-id", options->causation_id);
    verb->add_option("--context-id", options->context_id);
    verb->add_option("--filter", options->filter, "any filter form, e.g. \"$.amount > 100\"");
}

void add_count_and_export(CLI::App& event, CliContext& context) {
    auto counted = std::make_shared<ListOptions>();
    CLI::App* count = event.add_subcommand("count", "How many events there are");
    add_selection(count, counted);
    count->callback([&context, counted] {
        context.action = [&context, counted] { return count_events(context, *counted); };
    });
    auto exported = std::make_shared<ListOptions>();
    CLI::App* verb = event.add_subcommand(
        "export", "Write events as JSON lines, oldest first, that `event create --file` loads");
    add_selection(verb, exported);
    verb->callback([&context, exported] {
        context.action = [&context, exported] { return export_events(context, *exported); };
    });
}

void add_list(CLI::App& event, CliContext& context) {
    auto options = std::make_shared<ListOptions>();
    CLI::App* verb = event.add_subcommand("list", "Search the log, newest first");
    add_selection(verb, options);
    verb->add_option("--search-seconds", options->search_seconds,
                     "how long to go on while nothing is found")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    verb->add_option("--limit", options->limit)->check(CLI::Range(1, 1000))->capture_default_str();
    verb->add_option("--cursor", options->cursor, "go on after a former list");
    verb->add_option("--order", options->order)->check(CLI::IsMember({"asc", "desc"}));
    verb->callback([&context, options] {
        context.action = [&context, options] { return list_events(context, *options); };
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

void add_tail(CLI::App& event, CliContext& context) {
    auto options = std::make_shared<TailOptions>();
    CLI::App* verb = event.add_subcommand("tail", "Follow events, from history through to live");
    verb->add_option("--pattern", options->pattern);
    verb->add_option("--filter", options->filter);
    verb->add_option("--from", options->from, "a time in the past to start at");
    verb->add_option("--last-id", options->last_id, "go on after this position");
    verb->add_option("-n,--count", options->count, "stop after so many events");
    verb->callback([&context, options] {
        context.action = [&context, options] { return tail_events(context, *options); };
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
    add_list(*event, context);
    add_count_and_export(*event, context);
    add_info(*event, context);
    add_tail(*event, context);
    add_cancel(*event, context);
}

}  // namespace millrace::tools
