// What a replay is of: options, and the request that they become.
#include "tools/cli/cli.h"
#include "tools/cli/replay_verbs.h"
#include "tools/cli/resolve.h"

namespace millrace::tools {

namespace {

// Which events: as a list of events is asked for them.
struct Criterion {
    const char* option;
    const char* name;
    std::string ReplayChoice::*text;
    const char* help;
};
constexpr Criterion kCriteria[] = {
    {"--pattern", "pattern", &ReplayChoice::pattern, "stars are wildcards"},
    {"--pattern-prefix", "patternPrefix", &ReplayChoice::pattern_prefix, ""},
    {"--source-type", "sourceType", &ReplayChoice::source_type, ""},
    {"--source-id", "sourceId", &ReplayChoice::source_id, ""},
    {"--correlation-id", "correlationId", &ReplayChoice::correlation_id, ""},
    {"--causation-id", "causationId", &ReplayChoice::causation_id, ""},
    {"--context-id", "contextId", &ReplayChoice::context_id, ""},
    {"--event-time-from", "eventTimeFrom", &ReplayChoice::event_time_from,
     "of the event's own timestamp"},
    {"--event-time-to", "eventTimeTo", &ReplayChoice::event_time_to,
     "of the event's own timestamp"},
    {"--filter", "filter", &ReplayChoice::filter, "only events for which this is true"}};

}  // namespace

void add_criteria(Query& query, const ReplayChoice& o) {
    for (const Criterion& one : kCriteria) query.add(one.name, o.*one.text);
}

void add_replay_selection(CLI::App* verb, ReplayChoice& o) {
    verb->add_option("--from", o.from, "RFC 3339, or 15m, 2h, 7d ago");
    verb->add_option("--to", o.to, "RFC 3339, or 15m, 2h, 7d ago");
    for (const Criterion& one : kCriteria) verb->add_option(one.option, o.*one.text, one.help);
    verb->add_option("--handler", o.subscription_ids,
                     "deliver to this one, id or name; may be repeated");
}

std::string replay_body(const ReplayChoice& o) {
    const std::int64_t now_us = wall_clock_us();
    JsonObject body;
    body.text_if("from", time_argument(o.from, now_us)).text_if("to", time_argument(o.to, now_us));
    for (const Criterion& one : kCriteria) body.text_if(one.name, o.*one.text);
    if (o.all_handlers) body.text("subscriptionIds", "all");
    if (!o.subscription_ids.empty()) {
        std::string list;
        for (const std::string& id : o.subscription_ids) {
            list += (list.empty() ? "" : ",") + json_quoted(id);
        }
        body.raw("subscriptionIds", "[" + list + "]");
    }
    body.text_if("pace", o.pace);
    if (o.dry_run) body.flag("dryRun", true);
    body.text_if("scriptId", o.script_id).text_if("kv", o.kv);
    if (o.version != 0) body.number("scriptVersion", o.version);
    if (o.against == "recorded") body.text("against", o.against);
    if (!o.against.empty() && o.against != "recorded") body.raw("against", o.against);
    return body.str();
}

bool find_handlers(CliContext& context, ReplayChoice& o) {
    for (std::string& id : o.subscription_ids) {
        id = resolve(context, kHandlers, id);
        if (id.empty()) return false;
    }
    return resolve_filter(context, kScripts, o.script_id);
}

}  // namespace millrace::tools
