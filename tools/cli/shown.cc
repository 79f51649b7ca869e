#include "tools/cli/shown.h"

#include "core/timestamp.h"
#include "tools/cli/json.h"

#include <algorithm>
#include <iterator>

namespace millrace::tools {

namespace {

constexpr std::size_t kShortestId = 8;

std::size_t common_prefix(std::string_view a, std::string_view b) {
    std::size_t length = 0;
    while (length < a.size() && length < b.size() && a[length] == b[length]) ++length;
    return length;
}

}  // namespace

std::string relative_time(std::string_view rfc3339, std::int64_t now_us) {
    std::int64_t at_us = 0;
    if (!core::parse_timestamp(rfc3339, at_us)) return std::string(rfc3339);
    const std::int64_t seconds = (now_us > at_us ? now_us - at_us : at_us - now_us) / 1'000'000;
    constexpr std::int64_t kMinute = 60, kHour = 3600, kDay = 86'400;
    if (seconds == 0) return "now";
    if (seconds >= 60 * kDay) return std::string(rfc3339.substr(0, 10));
    std::string amount;
    if (seconds < 2 * kMinute)
        amount = std::to_string(seconds) + " s";
    else if (seconds < 2 * kHour)
        amount = std::to_string(seconds / kMinute) + " min";
    else if (seconds < 2 * kDay)
        amount = std::to_string(seconds / kHour) + " h";
    else
        amount = std::to_string(seconds / kDay) + " d";
    return at_us <= now_us ? amount + " ago" : "in " + amount;
}

std::string time_cell(const CliContext& context, std::string_view rfc3339) {
    if (!context.shortens()) return std::string(rfc3339);
    return relative_time(rfc3339, wall_clock_us());
}

ShortIds::ShortIds(const CliContext& context, std::vector<std::string> ids) {
    if (!context.shortens()) return;
    ids_ = std::move(ids);
    std::sort(ids_.begin(), ids_.end());
    ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
}

std::string ShortIds::operator()(const std::string& id) const {
    const auto at = std::lower_bound(ids_.begin(), ids_.end(), id);
    if (at == ids_.end() || *at != id) return id;
    std::size_t needed = kShortestId;
    if (at != ids_.begin()) needed = std::max(needed, common_prefix(*std::prev(at), id) + 1);
    if (std::next(at) != ids_.end())
        needed = std::max(needed, common_prefix(*std::next(at), id) + 1);
    // One letter less is no shorter.
    return needed + 3 >= id.size() ? id : id.substr(0, needed);
}

HandlerNames::HandlerNames(CliContext& context, core::JsonElement page)
    : short_id_(context, ids_at(page, "subscriptionId")) {
    if (!context.shortens() || ids_at(page, "subscriptionId").empty()) return;
    const auto reply = context.send({.path = "/v2/subscriptions?limit=1000"});
    core::JsonDom parser;
    core::JsonElement root;
    if (reply == nullptr || !reply->ok() || !parser.read(reply->body, root)) return;
    std::map<std::string, int> uses;
    bool found = false;
    for (const core::JsonElement item : array_at(root, "items", found)) {
        std::string name = text_at(item, "name");
        if (name.empty()) continue;
        ++uses[name];
        names_.emplace(text_at(item, "id"), std::move(name));
    }
    // A name of several says nothing.
    std::erase_if(names_, [&uses](const auto& one) { return uses[one.second] > 1; });
}

std::string HandlerNames::operator()(const std::string& id) const {
    const auto named = names_.find(id);
    return named != names_.end() ? named->second : short_id_(id);
}

std::vector<std::string> ids_at(core::JsonElement page, std::string_view path) {
    std::vector<std::string> ids;
    bool found = false;
    for (const core::JsonElement item : array_at(page, "items", found)) {
        std::string id = text_at(item, path);
        if (!id.empty()) ids.push_back(std::move(id));
    }
    return ids;
}

}  // namespace millrace::tools
