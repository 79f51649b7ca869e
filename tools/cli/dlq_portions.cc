#include "tools/cli/dlq_portions.h"

#include "tools/cli/progress.h"

#include <algorithm>
#include <chrono>
#include <span>
#include <thread>
#include <vector>

namespace millrace::tools {

namespace {

constexpr std::chrono::milliseconds kAskEvery{200};
constexpr long kGone = 404;

// Those that are on their way already are left to whoever sent them.
bool collect(CliContext& context, const DlqFilter& filter, std::vector<std::string>& ids) {
    std::string cursor;
    do {
        const auto page =
            context.get("/v2/dlq" + filter.query().add("limit", 1000).add("cursor", cursor).str());
        if (page == nullptr) return false;
        bool found = false;
        for (const core::JsonElement item : array_at(page->root, "items", found)) {
            if (text_at(item, "nextRetryAt").empty()) ids.push_back(text_at(item, "id"));
        }
        cursor = text_at(page->root, "next");
    } while (!cursor.empty());
    return true;
}

bool send_portion(CliContext& context, std::span<const std::string> portion) {
    std::string ids = "[";
    for (const std::string& id : portion) ids += (ids.size() > 1 ? "," : "") + json_quoted(id);
    return context.call({.method = "POST",
                         .path = "/v2/dlq/replay",
                         .body = JsonObject().raw("ids", ids + "]").str()}) != nullptr;
}

// Gone: delivered. There, and due no more: it has failed again. False after an error has been
// printed.
bool look_at(CliContext& context, const std::string& id, bool& waits, PortionsResult& result) {
    const auto reply = context.send({.path = "/v2/dlq/" + url_escaped(id)});
    if (reply == nullptr) return false;
    waits = false;
    if (reply->status == kGone) {
        ++result.delivered;
        return true;
    }
    if (!reply->ok()) {
        context.failed(*reply);
        return false;
    }
    core::JsonDom parser;
    core::JsonElement root;
    waits = !parser.read(reply->body, root) || !text_at(root, "nextRetryAt").empty();
    if (!waits) {
        ++result.failed;
        result.error = text_at(root, "error");
    }
    return true;
}

}  // namespace

bool too_many_failed(const PortionsResult& result, double percent) {
    return static_cast<double>(result.failed) * 100 >
           percent * static_cast<double>(result.failed + result.delivered);
}

bool replay_in_portions(CliContext& context, const DlqFilter& filter, double percent,
                        PortionsResult& result) {
    std::vector<std::string> ids;
    if (!collect(context, filter, ids)) return false;
    Progress progress(context.err(), {.label = "replaying",
                                      .unit = "dead letters",
                                      .total = ids.size(),
                                      .enabled = context.progress_enabled()});
    std::size_t at = 0;
    for (std::size_t size = kPortionFirst; at < ids.size() && !too_many_failed(result, percent);
         size = std::min(kPortionMax, size * 2)) {
        const std::size_t count = std::min(size, ids.size() - at);
        if (!send_portion(context, {ids.data() + at, count})) return false;
        std::vector<std::string> waiting(ids.begin() + static_cast<std::ptrdiff_t>(at),
                                         ids.begin() + static_cast<std::ptrdiff_t>(at + count));
        at += count;
        while (!waiting.empty()) {
            std::vector<std::string> still;
            for (const std::string& id : waiting) {
                bool waits = false;
                if (!look_at(context, id, waits, result)) return false;
                if (waits) still.push_back(id);
            }
            waiting = std::move(still);
            const auto tried = static_cast<std::uint64_t>(result.delivered + result.failed);
            progress.update(tried, tried);
            if (!waiting.empty()) std::this_thread::sleep_for(kAskEvery);
        }
    }
    progress.finish();
    result.left = static_cast<std::int64_t>(ids.size() - at);
    return true;
}

}  // namespace millrace::tools
