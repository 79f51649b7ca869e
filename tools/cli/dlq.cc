// The verbs of the dead-letter queue: list, show, replay, purge.
#include "tools/cli/cli.h"
#include "tools/cli/confirm.h"
#include "tools/cli/json.h"
#include "tools/cli/progress.h"

#include <memory>

namespace millrace::tools {

namespace {

struct DlqFilter {
    std::string script_id, subscription_id, pattern, from, to;

    void add_options(CLI::App& verb) {
        verb.add_option("--script", script_id);
        verb.add_option("--handler", subscription_id);
        verb.add_option("--pattern", pattern);
        verb.add_option("--from", from, "RFC 3339, or 15m, 2h, 7d ago");
        verb.add_option("--to", to, "RFC 3339, or 15m, 2h, 7d ago");
    }
    bool empty() const {
        return script_id.empty() && subscription_id.empty() && pattern.empty() && from.empty() &&
               to.empty();
    }
    Query query() const {
        const std::int64_t now_us = wall_clock_us();
        Query out;
        out.add("scriptId", script_id).add("subscriptionId", subscription_id);
        out.add("pattern", pattern).add("from", time_argument(from, now_us));
        out.add("to", time_argument(to, now_us));
        return out;
    }
    JsonObject body() const {
        const std::int64_t now_us = wall_clock_us();
        JsonObject out;
        out.text_if("scriptId", script_id).text_if("subscriptionId", subscription_id);
        out.text_if("pattern", pattern).text_if("from", time_argument(from, now_us));
        out.text_if("to", time_argument(to, now_us));
        return out;
    }
};

struct ListOptions {
    DlqFilter filter;
    std::string cursor;
    std::int64_t limit = 50;
};

struct ReplayOptions {
    std::string id;
    DlqFilter filter;
    double rate_per_second = 0;
    bool all = false;
};

struct PurgeOptions {
    std::vector<std::string> ids;
    DlqFilter filter;
    bool all = false;
    bool yes = false;
};

// "2 of 3"; a redrive has tries of its own beyond those of the policy.
std::string retries_text(core::JsonElement item) {
    const std::int64_t count = number_at(item, "retryCount");
    const std::int64_t of = number_at(item, "maxRetries");
    if (count > of) return std::to_string(count) + " (policy: " + std::to_string(of) + ")";
    return std::to_string(count) + " of " + std::to_string(of);
}

int list_dlq(CliContext& context, const ListOptions& o) {
    const auto reply = context.get(
        "/v2/dlq" + o.filter.query().add("limit", o.limit).add("cursor", o.cursor).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"DEAD LETTER", "CREATED", "EVENT TYPE", "HANDLER", "RETRIES", "ERROR"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        table.add({text_at(item, "id"), text_at(item, "createdAt"), text_at(item, "eventType"),
                   text_at(item, "subscriptionId"), retries_text(item),
                   Cell(text_at(item, "error"), Style::kBad)});
    }
    context.print_table(table, "no dead letters");
    context.print_next(*reply);
    return kExitOk;
}

int replay_dlq(CliContext& context, const ReplayOptions& o) {
    HttpRequest request{.method = "POST"};
    if (!o.id.empty() && (!o.filter.empty() || o.all || o.rate_per_second > 0))
        return context.usage("dlq replay takes an id, or a filter with --rate, or --all: not both");
    if (o.all && !o.filter.empty())
        return context.usage("dlq replay takes a filter or --all: not both");
    if (!o.id.empty()) {
        request.path = "/v2/dlq/" + url_escaped(o.id) + "/replay";
        request.body = "{}";
    } else {
        if (o.filter.empty() && !o.all) {
            return context.usage(
                "dlq replay needs an id, a filter (--pattern, --handler ...) or --all");
        }
        JsonObject body = o.filter.body();
        if (o.rate_per_second > 0) body.real("ratePerSecond", o.rate_per_second);
        request.path = "/v2/dlq/replay";
        request.body = body.str();
    }
    const auto reply = context.call(request);
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    context.out() << "replaying " << (o.id.empty() ? "" : printable(o.id)) << " "
                  << printable(reply->text) << '\n';
    return kExitOk;
}

bool remove_one(CliContext& context, const std::string& id) {
    return context.call({.method = "DELETE", .path = "/v2/dlq/" + url_escaped(id)}) != nullptr;
}

// The ids that a filter selects. Collected before anything is removed, so that removing can not
// disturb the paging.
bool collect_ids(CliContext& context, const DlqFilter& filter, std::vector<std::string>& ids) {
    std::string cursor;
    do {
        const auto page =
            context.get("/v2/dlq" + filter.query().add("limit", 1000).add("cursor", cursor).str());
        if (page == nullptr) return false;
        bool found = false;
        for (const core::JsonElement item : array_at(page->root, "items", found)) {
            ids.push_back(text_at(item, "id"));
        }
        cursor = text_at(page->root, "next");
    } while (!cursor.empty());
    return true;
}

int purge_dlq(CliContext& context, const PurgeOptions& o) {
    std::vector<std::string> ids = o.ids;
    if (!ids.empty() + !o.filter.empty() + o.all > 1)
        return context.usage("dlq purge takes ids, a filter or --all: one of them");
    if (ids.empty()) {
        if (o.filter.empty() && !o.all) {
            return context.usage(
                "dlq purge needs ids, a filter (--pattern, --handler ...) or --all");
        }
        if (!collect_ids(context, o.filter, ids)) return kExitFailed;
        const std::string what = "remove " + std::to_string(ids.size()) + " dead letters for good";
        if (const int code = confirm(context, what, o.yes, Unasked::kGoesOn); code != kExitOk)
            return code;
    }
    Progress progress(context.err(), {.label = "purging",
                                      .unit = "dead letters",
                                      .total = ids.size(),
                                      .enabled = context.progress_enabled() && ids.size() > 1});
    std::uint64_t removed = 0;
    for (const std::string& id : ids) {
        if (!remove_one(context, id)) return kExitFailed;
        ++removed;
        progress.update(removed, removed);
    }
    progress.finish();
    if (context.json()) {
        context.out() << JsonObject().number("removed", static_cast<std::int64_t>(removed)).str()
                      << '\n';
    } else {
        context.out() << "removed " << removed << '\n';
    }
    return kExitOk;
}

}  // namespace

void add_dlq_commands(CLI::App& app, CliContext& context) {
    CLI::App* dlq = app.add_subcommand("dlq", "Dead letters: deliveries whose retries ran out");
    dlq->require_subcommand(1);

    auto list_options = std::make_shared<ListOptions>();
    CLI::App* list = dlq->add_subcommand("list", "List dead letters");
    list_options->filter.add_options(*list);
    list->add_option("--limit", list_options->limit)
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    list->add_option("--cursor", list_options->cursor);
    list->callback([&context, list_options] {
        context.action = [&context, list_options] { return list_dlq(context, *list_options); };
    });

    auto id = std::make_shared<std::string>();
    CLI::App* show =
        dlq->add_subcommand("show", "Show one with its event and attempts")->alias("info");
    show->add_option("id", *id)->required();
    show->callback([&context, id] {
        context.action = [&context, id] {
            const auto reply = context.get("/v2/dlq/" + url_escaped(*id));
            if (reply == nullptr) return kExitFailed;
            context.print_pretty(*reply);
            return kExitOk;
        };
    });

    auto replay_options = std::make_shared<ReplayOptions>();
    CLI::App* replay =
        dlq->add_subcommand("replay", "Deliver again: one, or all that a filter selects");
    replay->add_option("id", replay_options->id);
    replay_options->filter.add_options(*replay);
    replay->add_option("--rate", replay_options->rate_per_second, "deliveries per second")
        ->check(CLI::PositiveNumber);
    replay->add_flag("--all", replay_options->all);
    replay->callback([&context, replay_options] {
        context.action = [&context, replay_options] {
            return replay_dlq(context, *replay_options);
        };
    });

    auto purge_options = std::make_shared<PurgeOptions>();
    CLI::App* purge = dlq->add_subcommand("purge", "Remove dead letters for good");
    purge->add_option("id", purge_options->ids);
    purge_options->filter.add_options(*purge);
    purge->add_flag("--all", purge_options->all);
    purge->add_flag("-y,--yes", purge_options->yes, "do not ask");
    purge->callback([&context, purge_options] {
        context.action = [&context, purge_options] { return purge_dlq(context, *purge_options); };
    });
}

}  // namespace millrace::tools
