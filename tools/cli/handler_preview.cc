// `handler preview`: what a handler would have matched among the last events, before it is saved;
// of one that is there, what a change would gain and lose.
#include "tools/cli/handler.h"
#include "tools/cli/json.h"
#include "tools/cli/pattern_hint.h"
#include "tools/cli/resolve.h"

#include <memory>

namespace millrace::tools {

namespace {

struct PreviewOptions {
    std::string handler;
    HandlerOptions told;
    std::int64_t events = 1000;
};

// What concerns matching of the handler that is there, with what was told in its place.
std::string previewed(core::JsonElement saved, const HandlerOptions& told,
                      const std::string& filters) {
    HandlerOptions o;
    o.pattern = told.pattern;
    o.pattern_type = told.pattern_type;
    o.filter = told.filter;
    std::string body = subscription_of(o, "", filters);
    const auto keep = [&](const char* member) {
        core::JsonElement value;
        if (!saved.find(member, value)) return;
        body.insert(body.size() - 1,
                    (body.size() > 2 ? "," : "") + json_quoted(member) + ":" + json_compact(value));
    };
    if (told.pattern.empty()) keep("pattern");
    if (told.filter.empty() && filters.empty()) {
        keep("filter");
        keep("filters");
        keep("form");
    }
    return body;
}

void print_samples(CliContext& context, core::JsonElement holder, std::string_view path,
                   std::string_view before) {
    bool found = false;
    for (const core::JsonElement item : array_at(holder, path, found)) {
        context.out() << before << printable(text_at(item, "eventId")) << "  "
                      << printable(text_at(item, "pattern")) << '\n';
    }
}

void print_preview(CliContext& context, core::JsonElement reply) {
    context.out() << text_at(reply, "matched") << " of the last " << text_at(reply, "scanned")
                  << " events match";
    core::JsonElement gained;
    const bool compared = reply.find("gained", gained);
    if (compared) {
        context.out() << ", +" << text_at(reply, "gained") << " -" << text_at(reply, "lost")
                      << " against what is saved";
    }
    context.out() << '\n';
    bool found = false;
    for (const core::JsonElement item : array_at(reply, "byPattern", found)) {
        context.out() << "  " << text_at(item, "count") << "  "
                      << printable(text_at(item, "pattern")) << '\n';
    }
    if (compared) {
        print_samples(context, reply, "gainedSamples", "  + ");
        print_samples(context, reply, "lostSamples", "  - ");
    } else {
        print_samples(context, reply, "samples", "  for example ");
    }
    for (const core::JsonElement miss : array_at(reply, "nearMisses", found)) {
        context.out() << "kept out by one condition alone: " << text_at(miss, "count") << "  "
                      << printable(text_at(miss, "condition")) << '\n';
        print_samples(context, miss, "samples", "  ");
    }
    core::JsonElement indexed;
    bool has_index = true;
    if (reply.find("indexed", indexed) && indexed.get(has_index) && !has_index)
        context.note(
            "no condition of it has an index: it is looked at for each event of its "
            "pattern (==, in and startsWith have one)");
}

int preview_handler(CliContext& context, const PreviewOptions& o) {
    if (o.handler.empty() && o.told.pattern.empty() && o.told.filter.empty() &&
        o.told.filters.empty())
        return context.usage("handler preview needs a handler, or --pattern, --filter, --filters");
    std::string script_id, filters;
    if (const int code = read_handler_options(context, o.told, script_id, filters); code != kExitOk)
        return code;
    Query query;
    query.add("events", o.events);
    HttpRequest request{.method = "POST"};
    if (o.handler.empty()) {
        request.body = previewed({}, o.told, filters);
    } else {
        const std::string id = resolve(context, kHandlers, o.handler);
        if (id.empty()) return kExitFailed;
        const auto saved = context.get(std::string(kHandlers.path) + "/" + url_escaped(id));
        if (saved == nullptr) return kExitFailed;
        request.body = previewed(saved->root, o.told, filters);
        query.add("against", id);
    }
    request.path = std::string(kHandlers.path) + "/preview" + query.str();
    const auto reply = context.call(request);
    if (reply == nullptr) return kExitFailed;
    if (context.json())
        context.print_json(*reply);
    else
        print_preview(context, reply->root);
    return kExitOk;
}

}  // namespace

void add_handler_preview(CLI::App& handler, CliContext& context) {
    auto o = std::make_shared<PreviewOptions>();
    CLI::App* verb = handler.add_subcommand(
        "preview", "What it would have matched of the last events, or a change of it would");
    verb->add_option("id", o->handler, "one that is there, to compare with: id or name");
    verb->add_option("--pattern", o->told.pattern, "e.g. invoice.created or invoice.*");
    verb->add_option("--type", o->told.pattern_type, "how the pattern is read")
        ->check(CLI::IsMember({"exact", "prefix", "suffix", "wildcard", "regex"}));
    CLI::Option* filter =
        verb->add_option("--filter", o->told.filter, "expression, e.g. \"$.amount > 100\"");
    verb->add_option("--filters", o->told.filters, "map or list form: JSON or @file")
        ->excludes(filter);
    verb->add_option("--events", o->events, "how many of the last ones")
        ->check(CLI::Range(1, 100'000))
        ->capture_default_str();
    verb->callback(
        [&context, o] { context.action = [&context, o] { return preview_handler(context, *o); }; });
}

}  // namespace millrace::tools
