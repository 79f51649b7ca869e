#include "runtime/node/figures_merge.h"

#include "runtime/node/part_bodies.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime::node {
namespace {

void open_if_any(core::JsonWriter& json, PartValues breakers) {
    const bool open = std::any_of(breakers.begin(), breakers.end(), [](const PartValue& one) {
        std::string_view text;
        return one.value.get(text) && text == "open";
    });
    json.value(open ? "open" : "closed");
}

void suspended_if_any(core::JsonWriter& json, PartValues states) {
    const bool suspended = std::any_of(states.begin(), states.end(), [](const PartValue& one) {
        std::string_view text;
        return one.value.get(text) && text == "suspended";
    });
    json.value(suspended ? "suspended" : "active");
}

constexpr std::array<MemberRule, 3> kExecutorRules = {
    {{"type", first_of}, {"enabled", true_of_any}, {"breaker", open_if_any}}};

// Entities, runs, replays, streams and bytes are each partition's own.
constexpr std::array<MemberRule, 9> kUsageRules = {{{"status", suspended_if_any},
                                                    {"usage.keys", largest_of},
                                                    {"usage.links", largest_of},
                                                    {"usage.schedules", largest_of},
                                                    {"usage.scripts", largest_of},
                                                    {"usage.secrets", largest_of},
                                                    {"usage.subscriptions", largest_of},
                                                    {"usage.workflows", largest_of},
                                                    {"quotas", first_of}}};

struct Line {
    std::string_view at;
    PartValue line;
};

}  // namespace

core::Result<std::string> merge_executors(std::span<const PartPage> parts,
                                          std::span<const std::size_t> missing) {
    PartBodies bodies;
    if (auto read = bodies.read(parts); !read) return core::fail(read.error());
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().key("items").begin_array();
    for (const auto& [type, of] : grouped_by(bodies.member("items"), {"type"}))
        merge_members(json, of, kExecutorRules);
    json.end_array().key("next").value(nullptr);
    append_missing(json, missing);
    json.end_object();
    return out;
}

core::Result<std::string> merge_usage(std::span<const PartPage> parts,
                                      std::span<const std::size_t> missing) {
    PartBodies bodies;
    if (auto read = bodies.read(parts); !read) return core::fail(read.error());
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    append_members(json, bodies.values(), kUsageRules);
    append_missing(json, missing);
    json.end_object();
    return out;
}

core::Result<std::string> merge_log(std::span<const PartPage> parts,
                                    std::span<const std::size_t> missing, std::size_t limit) {
    PartBodies bodies;
    if (auto read = bodies.read(parts); !read) return core::fail(read.error());
    std::vector<Line> lines;
    for (const PartValue& list : bodies.member("items")) {
        core::JsonArray items;
        if (!list.value.get(items)) continue;
        for (const core::JsonElement item : items)
            lines.push_back({text_in(item, "time"), {list.partition, item}});
    }
    // Stable: a partition's own lines stay in their order.
    std::stable_sort(lines.begin(), lines.end(),
                     [](const Line& a, const Line& b) { return a.at > b.at; });
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().key("items").begin_array();
    for (std::size_t i = 0; i < std::min(lines.size(), limit); ++i)
        append_with_partition(json, lines[i].line);
    json.end_array().key("next").value(nullptr);
    append_missing(json, missing);
    json.end_object();
    return out;
}

}  // namespace millrace::runtime::node
