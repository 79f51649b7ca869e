#include "runtime/node/replay_merge.h"

#include "core/json_writer.h"
#include "runtime/node/part_bodies.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace millrace::runtime::node {
namespace {

core::Error unreadable_replay(std::size_t partition) {
    return {core::ErrorCode::kInternal,
            "what partition " + std::to_string(partition) + " tells of its replays does not read"};
}

void status_of_all(core::JsonWriter& json, PartValues values) {
    std::vector<std::string_view> statuses;
    for (const PartValue& one : values) {
        std::string_view status;
        if (one.value.get(status)) statuses.push_back(status);
    }
    json.value(merged_status(statuses));
}

// Places in the logs of all; null where nobody knows one.
void places_of_all(core::JsonWriter& json, PartValues values) {
    const bool any = std::any_of(values.begin(), values.end(), [](const PartValue& one) {
        core::JsonArray places;
        return one.value.get(places) && places.size() != 0;
    });
    if (any)
        each_of(json, values);
    else
        json.value(nullptr);
}

void error_of_one(core::JsonWriter& json, PartValues values) {
    for (const PartValue& one : values) {
        std::string_view why;
        if (!one.value.get(why) || why.empty()) continue;
        json.value("partition " + std::to_string(one.partition) + ": " + std::string(why));
        return;
    }
    json.value(nullptr);
}

// What was done is summed, and so are the differences of a dry run.
constexpr std::array kReplayRules = {
    MemberRule{"status", status_of_all},   MemberRule{"range", places_of_all},
    MemberRule{"position", places_of_all}, MemberRule{"error", error_of_one},
    MemberRule{"createdAt", earliest_of},  MemberRule{"updatedAt", latest_of},
    MemberRule{"request", first_of}};

struct ListedReplay {
    std::string_view next;
    std::vector<PartValue> parts;
};
using Listed = std::map<std::pair<std::int64_t, std::string_view>, ListedReplay>;

// The newest first, as each of them has it.
bool read_page(const PartValue& page, Listed& listed, bool& more) {
    core::JsonElement member;
    core::JsonArray items, places;
    if (!page.value.find("items", member) || !member.get(items)) return false;
    if (!page.value.find("places", member) || !member.get(places)) return false;
    if (items.size() != places.size() || !page.value.find("next", member)) return false;
    more = more || !member.is_null();
    auto place = places.begin();
    for (const core::JsonElement item : items) {
        const core::JsonElement where = *place;
        ++place;
        const std::string_view id = text_in(item, "id");
        std::int64_t at = 0;
        ListedReplay one;
        if (id.empty() || !where.find("at", member) || !member.get(at)) return false;
        if (!where.find("next", member) || !member.get(one.next)) return false;
        listed.try_emplace({-at, id}, one).first->second.parts.push_back({page.partition, item});
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

core::Result<std::string> merge_replay(std::span<const PartPage> parts) {
    PartBodies bodies;
    if (auto read = bodies.read(parts); !read) return core::fail(std::move(read.error()));
    std::string out;
    core::JsonWriter json(out);
    merge_members(json, bodies.values(), kReplayRules);
    return out;
}

core::Result<std::string> merge_replay_pages(std::span<const PartPage> pages, std::size_t limit) {
    PartBodies bodies;
    if (auto read = bodies.read(pages); !read) return core::fail(std::move(read.error()));
    Listed listed;
    bool more = false;
    for (const PartValue& page : bodies.values()) {
        if (!read_page(page, listed, more)) return core::fail(unreadable_replay(page.partition));
    }
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().key("items").begin_array();
    // Whatever is among the first of all is among the first of whoever has it.
    std::size_t taken = 0;
    std::string_view next;
    for (const auto& [key, replay] : listed) {
        if (taken == limit) break;
        merge_members(json, replay.parts, kReplayRules);
        next = replay.next;
        ++taken;
    }
    more = more || taken < listed.size();
    json.end_array().field_or_null("next", more ? next : std::string_view()).end_object();
    return out;
}

}  // namespace millrace::runtime::node
