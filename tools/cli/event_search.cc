// The verbs that look through the log: list, count, export. A search goes on until it has found
// something, the log is at its end, or its time is over; then it says how much it has looked
// through.
#include "tools/cli/event_line.h"
#include "tools/cli/event_verbs.h"
#include "tools/cli/json.h"
#include "tools/cli/pattern_hint.h"
#include "tools/cli/progress.h"
#include "tools/cli/shown.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>

namespace millrace::tools {

namespace {

struct ListOptions {
    std::string pattern, pattern_prefix, from, to, source_type, source_id;
    std::string correlation_id, causation_id, context_id, filter, cursor, order;
    std::int64_t limit = 50;
    double search_seconds = 30;
};

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

constexpr double kShareSteps = 1e6;  // of a progress line that goes by shares

double searched_of(core::JsonElement reply) {
    core::JsonElement found;
    double share = 0;
    return reply.find("searched", found) && found.get(share) ? share : 0;
}

// The server looks through so much a call; an answer without an event and with a cursor is "not
// yet", so that the search goes on for a while. Null after an error has been printed.
std::unique_ptr<Document> search(CliContext& context, const ListOptions& o, std::int64_t& scanned) {
    const auto give_up = std::chrono::steady_clock::now() +
                         std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                             std::chrono::duration<double>(o.search_seconds));
    const Query query = query_of(o);
    std::string cursor = o.cursor;
    // A list that answers at once shows none; an export has one of its own.
    Progress progress(context.err(),
                      {.label = "searching",
                       .total = static_cast<std::uint64_t>(kShareSteps),
                       .enabled = context.progress_enabled() && o.search_seconds > 0});
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
        progress.update(static_cast<std::uint64_t>(searched_of(reply->root) * kShareSteps),
                        static_cast<std::uint64_t>(scanned));
    }
}

// "0.1 %"
std::string percent_text(double share) {
    constexpr double kNearlyAll = 0.99;
    char text[32];
    if (share < 0.01)
        std::snprintf(text, sizeof text, "%.2g %%", share * 100);
    else if (share < kNearlyAll)
        std::snprintf(text, sizeof text, "%.0f %%", share * 100);
    else
        std::snprintf(text, sizeof text, "%.1f %%", std::min(share, 0.999) * 100);
    return text;
}

int list_events(CliContext& context, const ListOptions& o) {
    note_pattern(context, o.pattern);
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
        table.add({time_cell(context, text_at(event, "receivedAt")), text_at(event, "eventId"),
                   Cell(text_at(event, "pattern"), Style::kHead),
                   text_at(event, "source.type") + (source_id.empty() ? "" : "/" + source_id),
                   Cell(text_at(event, "payload"), Style::kDim)});
    }
    const double share = searched_of(reply->root);
    const std::string looked = std::to_string(scanned) + " events looked through" +
                               (share > 0 ? ", " + percent_text(share) + " searched" : "");
    const bool more = !text_at(reply->root, "next").empty();
    context.print_table(table, more ? "none found yet, " + looked + "; go on:" : "no events");
    if (more && table.row_count() > 0 && static_cast<std::int64_t>(table.row_count()) < o.limit)
        context.note(looked);
    context.print_next(*reply);
    return kExitOk;
}

int count_events(CliContext& context, const ListOptions& o) {
    note_pattern(context, o.pattern);
    const Query query = query_of(o);
    Progress progress(context.err(), {.label = "counting",
                                      .total = static_cast<std::uint64_t>(kShareSteps),
                                      .enabled = context.progress_enabled()});
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
        if (!cursor.empty())
            progress.update(static_cast<std::uint64_t>(searched_of(reply->root) * kShareSteps),
                            static_cast<std::uint64_t>(scanned));
    } while (!cursor.empty());
    progress.finish();
    if (context.json()) {
        context.out() << JsonObject().number("count", count).number("scanned", scanned).str()
                      << '\n';
    } else {
        context.out() << count << '\n';
    }
    return kExitOk;
}

// Oldest first, up to what is there when it begins, so that it ends by itself.
int export_events(CliContext& context, ListOptions o) {
    note_pattern(context, o.pattern);
    // As of now, on every page.
    const std::int64_t now_us = wall_clock_us();
    o.from = time_argument(o.from, now_us);
    o.to = time_argument(o.to.empty() || o.to == "now" ? "0s" : o.to, now_us);
    o.order = "asc";
    o.limit = 1000;
    o.search_seconds = 0;
    std::int64_t scanned = 0;
    std::uint64_t exported = 0;
    Progress progress(context.err(), {.label = "exporting",
                                      .total = static_cast<std::uint64_t>(kShareSteps),
                                      .enabled = context.progress_enabled()});
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
        o.cursor = text_at(reply->root, "next");
        const double share = o.cursor.empty() ? 1 : searched_of(reply->root);
        progress.update(static_cast<std::uint64_t>(share * kShareSteps), exported);
    } while (!o.cursor.empty());
    context.out() << std::flush;
    progress.finish();
    context.note("exported " + std::to_string(exported) + " events");
    return kExitOk;
}

void add_selection(CLI::App* verb, const std::shared_ptr<ListOptions>& options) {
    verb->add_option("pattern,--pattern", options->pattern, "stars are wildcards: order.*");
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
        "export", "Write events as JSON lines, oldest first, that `event load` takes");
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

}  // namespace

void add_event_search(CLI::App& event, CliContext& context) {
    add_list(event, context);
    add_count_and_export(event, context);
}

}  // namespace millrace::tools
