// `dlq replay`: one dead letter again, or all that a filter selects: counted, asked for, and with
// --wait followed until each of them has left the queue or come back.
#include "tools/cli/confirm.h"
#include "tools/cli/dlq_filter.h"
#include "tools/cli/dlq_portions.h"
#include "tools/cli/progress.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

namespace millrace::tools {

namespace {

constexpr std::chrono::milliseconds kRedrivePollEvery{200};
constexpr long kNoLetter = 404;

struct ReplayOptions {
    std::string id;
    DlqFilter filter;
    double rate_per_second = 0;
    double stop_at_percent = -1;  // below 0: it was not told
    bool all = false, yes = false, wait = false, dry_run = false;
};

struct Result {
    std::int64_t replayed = 0;
    std::int64_t back = 0;      // failed again
    std::int64_t left_out = 0;  // of handlers that get nothing now
    std::string error{};        // of one that came back
};

int print_result(CliContext& context, const Result& result, bool waited) {
    if (context.json()) {
        JsonObject json;
        json.flag("success", result.back == 0).number("accepted", result.replayed);
        if (result.left_out > 0) json.number("leftOut", result.left_out);
        if (waited) {
            json.number("delivered", result.replayed - result.back);
            json.number("failed", result.back).text_if("error", result.error);
        }
        context.out() << json.str() << '\n';
    } else if (!waited) {
        context.out() << "replaying " << result.replayed << " dead letters\n";
    } else {
        context.out() << "delivered " << result.replayed - result.back << ", failed again "
                      << result.back << '\n';
        if (!result.error.empty())
            context.out() << "the last error: " << printable_block(result.error, 16) << '\n';
    }
    if (result.left_out > 0)
        context.note(std::to_string(result.left_out) +
                     " left out: their handlers are paused, not active or removed");
    return result.back == 0 ? kExitOk : kExitFailed;
}

// How many are still on their way, and what is back. False after an error has been printed.
bool count_back(CliContext& context, const Query& selection, std::int64_t& under_way,
                Result& result) {
    std::string cursor;
    under_way = 0;
    result.back = 0;
    do {
        Query page = selection;
        page.add("limit", 1000).add("cursor", cursor);
        const auto reply = context.get("/v2/dlq" + page.str());
        if (reply == nullptr) return false;
        bool found = false;
        for (const core::JsonElement item : array_at(reply->root, "items", found)) {
            const bool waits = !text_at(item, "nextRetryAt").empty();
            under_way += waits;
            result.back += !waits;
            if (!waits) result.error = text_at(item, "error");
        }
        cursor = text_at(reply->root, "next");
    } while (!cursor.empty());
    // What was left out, and what came meanwhile, is no answer to what was replayed.
    result.back = std::max<std::int64_t>(
        0, std::min(result.back - result.left_out, result.replayed - under_way));
    if (result.back == 0) result.error.clear();
    return true;
}

int follow_all(CliContext& context, const DlqFilter& filter, Result result) {
    const auto total = static_cast<std::uint64_t>(result.replayed);
    Progress progress(context.err(), {.label = "replaying",
                                      .unit = "dead letters",
                                      .total = total,
                                      .enabled = context.progress_enabled()});
    for (;;) {
        std::int64_t under_way = 0;
        if (!count_back(context, filter.query(), under_way, result)) return kExitFailed;
        const auto ended =
            static_cast<std::uint64_t>(std::max<std::int64_t>(0, result.replayed - under_way));
        progress.update(ended, ended);
        if (under_way == 0) break;
        std::this_thread::sleep_for(kRedrivePollEvery);
    }
    progress.finish();
    return print_result(context, result, true);
}

int follow_one(CliContext& context, const std::string& path) {
    for (;;) {
        const auto reply = context.send({.path = path});
        if (reply == nullptr) return kExitFailed;
        if (reply->status == kNoLetter) return print_result(context, {.replayed = 1}, true);
        if (!reply->ok()) return context.failed(*reply);
        core::JsonDom parser;
        core::JsonElement root;
        const bool waits = !parser.read(reply->body, root) || !text_at(root, "nextRetryAt").empty();
        if (!waits) {
            const std::string error = text_at(root, "error");
            return print_result(context, {.replayed = 1, .back = 1, .error = error}, true);
        }
        std::this_thread::sleep_for(kRedrivePollEvery);
    }
}

int print_portions(CliContext& context, const PortionsResult& result) {
    if (context.json()) {
        context.out() << JsonObject()
                             .flag("success", result.failed == 0)
                             .number("delivered", result.delivered)
                             .number("failed", result.failed)
                             .number("left", result.left)
                             .text_if("error", result.error)
                             .str()
                      << '\n';
    } else {
        context.out() << "delivered " << result.delivered << ", failed again " << result.failed;
        if (result.left > 0) context.out() << "; stopped, " << result.left << " were not tried";
        context.out() << '\n';
        if (!result.error.empty())
            context.out() << "the last error: " << printable_block(result.error, 16) << '\n';
    }
    return result.failed == 0 ? kExitOk : kExitFailed;
}

int replay_one(CliContext& context, const ReplayOptions& o) {
    const std::string path = "/v2/dlq/" + url_escaped(o.id);
    if (o.dry_run) return context.usage("dlq replay --dry-run counts what a filter selects");
    if (context.call({.method = "POST", .path = path + "/replay", .body = "{}"}) == nullptr)
        return kExitFailed;
    return o.wait ? follow_one(context, path) : print_result(context, {.replayed = 1}, false);
}

// Counted first; what is more by then than was told is not replayed.
int replay_many(CliContext& context, ReplayOptions o) {
    if (!o.filter.find(context)) return kExitFailed;
    const auto would = context.call({.method = "POST",
                                     .path = "/v2/dlq/replay",
                                     .body = o.filter.body().flag("dryRun", true).str()});
    if (would == nullptr) return kExitFailed;
    Result result;
    result.replayed = number_at(would->root, "count");
    result.left_out = number_at(would->root, "leftOut");
    if (o.dry_run) {
        if (context.json())
            context.print_json(*would);
        else
            context.out() << result.replayed << " dead letters would be delivered again\n";
        return kExitOk;
    }
    if (result.replayed == 0) {
        if (!context.json()) context.out() << "no dead letters to replay\n";
        return print_result(context, result, o.wait);
    }
    const std::string what = "deliver " + std::to_string(result.replayed) + " dead letters again";
    const Unasked unasked = o.all ? Unasked::kNeedsYes : Unasked::kGoesOn;
    if (const int code = confirm(context, what, o.yes, unasked); code != kExitOk) return code;
    if (o.stop_at_percent >= 0) {
        PortionsResult portions;
        if (!replay_in_portions(context, o.filter, o.stop_at_percent, portions)) return kExitFailed;
        return print_portions(context, portions);
    }
    JsonObject body = o.filter.body();
    if (o.rate_per_second > 0) body.real("ratePerSecond", o.rate_per_second);
    body.number("expect", result.replayed);
    const auto reply =
        context.call({.method = "POST", .path = "/v2/dlq/replay", .body = body.str()});
    if (reply == nullptr) return kExitFailed;
    return o.wait ? follow_all(context, o.filter, result) : print_result(context, result, false);
}

int replay_dlq(CliContext& context, const ReplayOptions& o) {
    if (!o.id.empty() &&
        (!o.filter.empty() || o.all || o.rate_per_second > 0 || o.stop_at_percent >= 0))
        return context.usage(
            "dlq replay takes an id, or a filter or --all with --rate or --stop-at: not both");
    if (o.all && !o.filter.empty())
        return context.usage("dlq replay takes a filter or --all: not both");
    if (!o.id.empty()) return replay_one(context, o);
    if (o.filter.empty() && !o.all)
        return context.usage(
            "dlq replay needs an id, a filter (--pattern, --handler ...) or --all");
    return replay_many(context, o);
}

}  // namespace

void add_dlq_replay(CLI::App& dlq, CliContext& context) {
    auto o = std::make_shared<ReplayOptions>();
    CLI::App* replay =
        dlq.add_subcommand("replay", "Deliver again: one, or all that a filter selects");
    replay->add_option("id", o->id);
    o->filter.add_options(*replay);
    CLI::Option* rate = replay->add_option("--rate", o->rate_per_second, "deliveries per second")
                            ->check(CLI::PositiveNumber);
    replay
        ->add_option("--stop-at", o->stop_at_percent,
                     "ten first, then more, each awaited; stop when more than so many percent of "
                     "what was tried failed again")
        ->check(CLI::Range(0.0, 100.0))
        ->excludes(rate);
    replay->add_flag("--all", o->all);
    replay->add_flag("--wait", o->wait,
                     "until each was delivered or failed again; exit code 1 when one failed");
    replay->add_flag("--dry-run", o->dry_run, "only count");
    add_yes(*replay, o->yes);
    replay->callback(
        [&context, o] { context.action = [&context, o] { return replay_dlq(context, *o); }; });
}

}  // namespace millrace::tools
