// The verbs of the dead-letter queue: list, groups, mark, show, purge (and replay: dlq_replay,
// edit: dlq_edit).
#include "tools/cli/cli.h"
#include "tools/cli/confirm.h"
#include "tools/cli/dlq_filter.h"
#include "tools/cli/json.h"
#include "tools/cli/progress.h"
#include "tools/cli/resolve.h"
#include "tools/cli/shown.h"

#include <memory>

namespace millrace::tools {

namespace {

struct ListOptions {
    DlqFilter filter;
    std::string cursor;
    std::int64_t limit = 50;
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

int list_dlq(CliContext& context, ListOptions o) {
    if (!o.filter.find(context)) return kExitFailed;
    const auto reply = context.get(
        "/v2/dlq" + o.filter.query().add("limit", o.limit).add("cursor", o.cursor).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    const HandlerNames handler(context, reply->root);
    Table table({"DEAD LETTER", "CREATED", "EVENT TYPE", "HANDLER", "RETRIES", "ERROR"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        table.add({text_at(item, "id"), time_cell(context, text_at(item, "createdAt")),
                   text_at(item, "eventType"), handler(text_at(item, "subscriptionId")),
                   retries_text(item), Cell(text_at(item, "error"), Style::kBad)});
    }
    context.print_table(table, "no dead letters");
    context.print_next(*reply);
    return kExitOk;
}

int list_groups(CliContext& context, DlqFilter filter, const std::string& state,
                std::int64_t limit) {
    if (!filter.find(context)) return kExitFailed;
    Query query = filter.query();
    const auto reply =
        context.get("/v2/dlq/groups" + query.add("state", state).add("limit", limit).str());
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    Table table({"FINGERPRINT", "COUNT", "STATE", "FIRST", "LAST", "ERROR"});
    bool found = false;
    for (const core::JsonElement item : array_at(reply->root, "items", found)) {
        table.add({text_at(item, "fingerprint"), text_at(item, "count"), text_at(item, "state"),
                   time_cell(context, text_at(item, "firstAt")),
                   time_cell(context, text_at(item, "lastAt")),
                   Cell(text_at(item, "error"), Style::kBad)});
    }
    context.print_table(table, "no dead letters");
    context.print_missing(*reply);
    return kExitOk;
}

int mark_group(CliContext& context, const std::string& fingerprint, const std::string& state) {
    const auto reply = context.call({.method = "PATCH",
                                     .path = "/v2/dlq/groups/" + url_escaped(fingerprint),
                                     .body = JsonObject().text("state", state).str()});
    if (reply == nullptr) return kExitFailed;
    if (context.json())
        context.print_json(*reply);
    else
        context.out() << printable(fingerprint) << " is " << state << '\n';
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

int purge_dlq(CliContext& context, PurgeOptions o) {
    std::vector<std::string> ids = o.ids;
    if (!ids.empty() + !o.filter.empty() + o.all > 1)
        return context.usage("dlq purge takes ids, a filter or --all: one of them");
    if (ids.empty()) {
        if (o.filter.empty() && !o.all) {
            return context.usage(
                "dlq purge needs ids, a filter (--pattern, --handler ...) or --all");
        }
        if (!o.filter.find(context) || !collect_ids(context, o.filter, ids)) return kExitFailed;
    }
    const std::string what = "remove " + std::to_string(ids.size()) + " dead letters for good";
    const Unasked unasked = o.all ? Unasked::kNeedsYes : Unasked::kGoesOn;
    if (!ids.empty()) {
        if (const int code = confirm(context, what, o.yes, unasked); code != kExitOk) return code;
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

    add_dlq_edit(*dlq, context);
    add_dlq_replay(*dlq, context);

    auto grouped = std::make_shared<DlqFilter>();
    auto state = std::make_shared<std::string>();
    auto most = std::make_shared<std::int64_t>(50);
    CLI::App* groups = dlq->add_subcommand("groups", "Dead letters by what went wrong");
    grouped->add_selection(*groups);
    groups->add_option("--state", *state)
        ->check(CLI::IsMember({"open", "acknowledged", "resolved", "ignored"}));
    groups->add_option("--limit", *most)->check(CLI::Range(1, 1000))->capture_default_str();
    groups->callback([&context, grouped, state, most] {
        context.action = [&context, grouped, state, most] {
            return list_groups(context, *grouped, *state, *most);
        };
    });

    auto fingerprint = std::make_shared<std::string>();
    auto said = std::make_shared<std::string>();
    CLI::App* mark = dlq->add_subcommand("mark", "Say what was made of a group of dead letters");
    mark->add_option("fingerprint", *fingerprint)->required();
    mark->add_option("state", *said)
        ->required()
        ->check(CLI::IsMember({"open", "acknowledged", "resolved", "ignored"}));
    mark->callback([&context, fingerprint, said] {
        context.action = [&context, fingerprint, said] {
            return mark_group(context, *fingerprint, *said);
        };
    });

    auto purge_options = std::make_shared<PurgeOptions>();
    CLI::App* purge = dlq->add_subcommand("purge", "Remove dead letters for good");
    purge->add_option("id", purge_options->ids);
    purge_options->filter.add_options(*purge);
    purge->add_flag("--all", purge_options->all);
    add_yes(*purge, purge_options->yes);
    purge->callback([&context, purge_options] {
        context.action = [&context, purge_options] { return purge_dlq(context, *purge_options); };
    });
}

}  // namespace millrace::tools
