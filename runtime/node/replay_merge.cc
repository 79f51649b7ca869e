#include "runtime/node/replay_merge.h"

#include "core/json_dom.h"
#include "core/json_writer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace millrace::runtime::node {
namespace {

constexpr std::array<std::string_view, 5> kSums = {"scanned", "matched", "notDue", "delivered",
                                                   "failed"};
constexpr std::array<std::string_view, 10> kDiffSums = {"compared", "same",  "different", "missing",
                                                        "status",   "error", "result",    "emitted",
                                                        "kv",       "kept"};

core::Error unreadable_replay(std::size_t partition) {
    return {core::ErrorCode::kInternal,
            "what partition " + std::to_string(partition) + " tells of its replays does not read"};
}

struct ReplayPart {
    std::size_t partition = 0;
    core::JsonElement root;

    std::string_view text(std::string_view name) const {
        core::JsonElement member;
        std::string_view out;
        if (root.find(name, member)) member.get(out);
        return out;
    }
};

std::uint64_t replay_number(const core::JsonElement& of, std::string_view name) {
    core::JsonElement member;
    std::uint64_t number = 0;
    if (of.find(name, member)) member.get(number);
    return number;
}

// Places in the logs of all: [{"partition":0,"shard":0,...},...]; null where nobody knows one.
void append_places(core::JsonWriter& json, std::string_view name,
                   std::span<const ReplayPart> parts) {
    std::string out;
    for (const ReplayPart& part : parts) {
        core::JsonElement member;
        core::JsonArray places;
        if (!part.root.find(name, member) || !member.get(places)) continue;
        for (const core::JsonElement place : places) {
            const std::string_view raw = place.raw();
            if (!place.is_object() || raw.size() < 3) continue;
            out += out.empty() ? "[" : ",";
            out += "{\"partition\":" + std::to_string(part.partition) + ",";
            out += raw.substr(1);
        }
    }
    json.raw_field(name, out.empty() ? "null" : out + "]");
}

void append_diff(core::JsonWriter& json, std::span<const ReplayPart> parts) {
    core::JsonElement diff;
    if (!parts.front().root.find("diff", diff)) return;
    json.key("diff").begin_object();
    for (const std::string_view name : kDiffSums) {
        std::uint64_t sum = 0;
        for (const ReplayPart& part : parts) {
            if (part.root.find("diff", diff)) sum += replay_number(diff, name);
        }
        json.field(name, sum);
    }
    json.end_object();
}

void append_merged(core::JsonWriter& json, std::span<const ReplayPart> parts) {
    std::vector<std::string_view> statuses;
    std::string error;
    std::string_view created = parts.front().text("createdAt"), updated;
    for (const ReplayPart& part : parts) {
        statuses.push_back(part.text("status"));
        created = std::min(created, part.text("createdAt"));
        updated = std::max(updated, part.text("updatedAt"));
        if (const std::string_view why = part.text("error"); !why.empty() && error.empty())
            error = "partition " + std::to_string(part.partition) + ": " + std::string(why);
    }
    json.begin_object().field("id", parts.front().text("id"));
    json.field("status", merged_status(statuses));
    for (const std::string_view name : kSums) {
        std::uint64_t sum = 0;
        for (const ReplayPart& part : parts) sum += replay_number(part.root, name);
        json.field(name, sum);
    }
    core::JsonElement member;
    const bool dry = parts.front().root.find("dryRun", member) && member.raw() == "true";
    json.field("dryRun", dry);
    append_diff(json, parts);
    append_places(json, "range", parts);
    append_places(json, "position", parts);
    json.field_or_null("error", error).field("createdAt", created).field("updatedAt", updated);
    json.raw_field("request", parts.front().root.find("request", member) ? member.raw() : "{}");
    json.end_object();
}

struct ListedReplay {
    std::int64_t at = 0;
    std::string_view id, next;
    std::vector<ReplayPart> parts;
};
using Listed = std::map<std::pair<std::int64_t, std::string_view>, ListedReplay>;

// The newest first, as each of them has it.
bool read_page(const PartPage& page, core::JsonDom& dom, Listed& listed, bool& more) {
    auto root = dom.parse(page.body);
    core::JsonElement member;
    core::JsonArray items, places;
    if (!root || !root->find("items", member) || !member.get(items)) return false;
    if (!root->find("places", member) || !member.get(places)) return false;
    if (items.size() != places.size() || !root->find("next", member)) return false;
    more = more || !member.is_null();
    auto place = places.begin();
    for (const core::JsonElement item : items) {
        const core::JsonElement where = *place;
        ++place;
        ReplayPart part{page.partition, item};
        ListedReplay one;
        core::JsonElement part_member;
        one.id = part.text("id");
        if (one.id.empty() || !where.find("at", part_member) || !part_member.get(one.at))
            return false;
        if (!where.find("next", part_member) || !part_member.get(one.next)) return false;
        auto& into = listed.try_emplace({-one.at, one.id}, one).first->second;
        into.parts.push_back(part);
    }
    return true;
}

}  // namespace

std::string_view merged_status(std::span<const std::string_view> statuses) {
    for (const std::string_view first : {"running", "failed", "cancelled"}) {
        if (std::find(statuses.begin(), statuses.end(), first) != statuses.end()) return first;
    }
    return "completed";
}

core::Result<std::string> merge_replay(std::span<const PartReplay> parts) {
    std::vector<std::unique_ptr<core::JsonDom>> doms;
    std::vector<ReplayPart> read;
    for (const PartReplay& part : parts) {
        auto root = doms.emplace_back(std::make_unique<core::JsonDom>())->parse(part.json);
        if (!root || !root->is_object()) return core::fail(unreadable_replay(part.partition));
        read.push_back({part.partition, *root});
    }
    std::string out;
    core::JsonWriter json(out);
    append_merged(json, read);
    return out;
}

core::Result<std::string> merge_replay_pages(std::span<const PartPage> pages, std::size_t limit) {
    std::vector<std::unique_ptr<core::JsonDom>> doms;
    Listed listed;
    bool more = false;
    for (const PartPage& page : pages) {
        if (!read_page(page, *doms.emplace_back(std::make_unique<core::JsonDom>()), listed, more))
            return core::fail(unreadable_replay(page.partition));
    }
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().key("items").begin_array();
    // Whatever is among the first of all is among the first of whoever has it.
    std::size_t taken = 0;
    std::string_view next;
    for (const auto& [key, replay] : listed) {
        if (taken == limit) break;
        append_merged(json, replay.parts);
        next = replay.next;
        ++taken;
    }
    more = more || taken < listed.size();
    json.end_array().field_or_null("next", more ? next : std::string_view()).end_object();
    return out;
}

}  // namespace millrace::runtime::node
