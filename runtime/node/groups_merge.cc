#include "runtime/node/groups_merge.h"

#include "runtime/node/part_bodies.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace millrace::runtime::node {
namespace {

struct Group {
    std::vector<PartValue> of;
    std::uint64_t count = 0;
    const PartValue* newest = nullptr;  // by its last letter
    const PartValue* marked = nullptr;  // by when somebody gave it a state
    bool came_again = false;
    std::string_view state;
};

Group group_of(std::vector<PartValue>&& parts) {
    Group out;
    out.of = std::move(parts);
    for (const PartValue& one : out.of) {
        out.count += count_in(one.value, "count");
        if (!out.newest || text_in(one.value, "lastAt") > text_in(out.newest->value, "lastAt"))
            out.newest = &one;
        const std::string_view at = text_in(one.value, "stateAt");
        if (!at.empty() && (!out.marked || at > text_in(out.marked->value, "stateAt")))
            out.marked = &one;
        core::JsonElement again;
        bool came = false;
        if (one.value.find("cameAgain", again) && again.get(came)) out.came_again |= came;
    }
    const bool open = out.came_again || !out.marked;
    out.state = open ? std::string_view("open") : text_in(out.marked->value, "state");
    return out;
}

// As many as one server tells, each once.
void few_of_all(core::JsonWriter& json, PartValues lists) {
    std::vector<std::string_view> told;
    json.begin_array();
    for (const PartValue& list : lists) {
        core::JsonArray names;
        if (!list.value.get(names)) continue;
        for (const core::JsonElement name : names) {
            if (told.size() == kGroupNamesMax) break;
            if (std::find(told.begin(), told.end(), name.raw()) != told.end()) continue;
            told.push_back(name.raw());
            json.raw(name.raw());
        }
    }
    json.end_array();
}

constexpr std::array<MemberRule, 6> kGroupRules = {{{"firstAt", earliest_of},
                                                    {"lastAt", latest_of},
                                                    {"subscriptionIds", few_of_all},
                                                    {"scriptIds", few_of_all},
                                                    {"eventTypes", few_of_all},
                                                    {"sample", few_of_all}}};

void append_group(core::JsonWriter& json, const Group& group) {
    json.begin_object().field("fingerprint", text_in(group.newest->value, "fingerprint"));
    json.field("count", group.count).field("state", group.state);
    json.field("cameAgain", group.came_again);
    json.field_or_null("stateAt", group.marked ? text_in(group.marked->value, "stateAt") : "");
    json.field_or_null("stateBy", group.marked ? text_in(group.marked->value, "stateBy") : "");
    json.field("error", text_in(group.newest->value, "error"));
    for (const MemberRule& rule : kGroupRules) {
        json.key(rule.path);
        rule.merge(json, values_of(group.of, rule.path));
    }
    json.end_object();
}

std::uint64_t sum_of_all(const PartBodies& bodies, std::string_view member) {
    std::uint64_t sum = 0;
    for (const PartValue& one : bodies.values()) sum += count_in(one.value, member);
    return sum;
}

}  // namespace

core::Result<std::string> merge_groups(std::span<const PartPage> parts,
                                       std::span<const std::size_t> missing,
                                       const GroupsAsked& asked) {
    PartBodies bodies;
    if (auto read = bodies.read(parts); !read) return core::fail(read.error());
    std::vector<Group> groups;
    for (auto& [fingerprint, of] : grouped_by(bodies.member("items"), {"fingerprint"})) {
        Group group = group_of(std::move(of));
        if (asked.state.empty() || asked.state == group.state) groups.push_back(std::move(group));
    }
    std::stable_sort(groups.begin(), groups.end(),
                     [](const Group& a, const Group& b) { return a.count > b.count; });
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().key("items").begin_array();
    for (std::size_t i = 0; i < std::min(groups.size(), asked.limit); ++i)
        append_group(json, groups[i]);
    json.end_array().key("next").value(nullptr);
    json.field("groups", groups.size()).field("letters", sum_of_all(bodies, "letters"));
    json.field("lettersBeyond", sum_of_all(bodies, "lettersBeyond"));
    append_missing(json, missing);
    json.end_object();
    return out;
}

}  // namespace millrace::runtime::node
