#include "runtime/node/trial_merge.h"

#include "runtime/node/part_bodies.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace millrace::runtime::node {
namespace {

// One of each partition, then another one of each.
void some_of_each(core::JsonWriter& json, PartValues lists) {
    std::vector<std::vector<core::JsonElement>> items;
    std::size_t longest = 0;
    for (const PartValue& list : lists) {
        core::JsonArray array;
        auto& own = items.emplace_back();
        if (!list.value.get(array)) continue;
        for (const core::JsonElement item : array) own.push_back(item);
        longest = std::max(longest, own.size());
    }
    std::size_t told = 0;
    json.begin_array();
    for (std::size_t turn = 0; turn < longest; ++turn) {
        for (const auto& own : items) {
            if (turn < own.size() && told++ < kTrialSamplesMax) json.raw(own[turn].raw());
        }
    }
    json.end_array();
}

std::uint64_t sum_in(PartValues objects, std::string_view member) {
    std::uint64_t sum = 0;
    for (const PartValue& one : objects) sum += count_in(one.value, member);
    return sum;
}

using Counted = std::pair<std::uint64_t, const std::vector<PartValue>*>;
std::vector<Counted> most_first(const Grouped& groups) {
    std::vector<Counted> out;
    for (const auto& [name, of] : groups) out.emplace_back(sum_in(of, "count"), &of);
    std::stable_sort(out.begin(), out.end(),
                     [](const Counted& a, const Counted& b) { return a.first > b.first; });
    return out;
}

void merge_patterns(core::JsonWriter& json, PartValues lists) {
    json.begin_array();
    const Grouped groups = grouped_by(lists, {"pattern"});
    for (const auto& [count, of] : most_first(groups)) {
        json.begin_object().field("pattern", text_in(of->front().value, "pattern"));
        json.field("count", count).end_object();
    }
    json.end_array();
}

constexpr std::array<MemberRule, 2> kMissRules = {
    {{"condition", first_of}, {"samples", some_of_each}}};

void merge_near_misses(core::JsonWriter& json, PartValues lists) {
    json.begin_array();
    for (const auto& [condition, of] : grouped_by(lists, {"condition"}))
        merge_members(json, of, kMissRules);
    json.end_array();
}

constexpr std::array<MemberRule, 5> kPreviewRules = {{{"byPattern", merge_patterns},
                                                      {"samples", some_of_each},
                                                      {"nearMisses", merge_near_misses},
                                                      {"gainedSamples", some_of_each},
                                                      {"lostSamples", some_of_each}}};

constexpr std::array<MemberRule, 4> kPlaceRules = {
    {{"pointer", first_of}, {"keyword", first_of}, {"message", first_of}, {"eventId", first_of}}};

void merge_places(core::JsonWriter& json, PartValues lists) {
    Grouped groups = grouped_by(lists, {"pointer", "keyword"});
    // As one server tells them.
    std::sort(groups.begin(), groups.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    json.begin_array();
    for (std::size_t i = 0; i < std::min(groups.size(), kTrialPlacesMax); ++i)
        merge_members(json, groups[i].second, kPlaceRules);
    json.end_array();
}

constexpr std::array<MemberRule, 2> kCheckRules = {
    {{"complete", true_of_all}, {"byPointer", merge_places}}};

core::Result<std::string> merged(std::span<const PartPage> parts,
                                 std::span<const MemberRule> rules) {
    PartBodies bodies;
    if (auto read = bodies.read(parts); !read) return core::fail(read.error());
    std::string out;
    core::JsonWriter json(out);
    merge_members(json, bodies.values(), rules);
    return out;
}

}  // namespace

core::Result<std::string> merge_previews(std::span<const PartPage> parts) {
    return merged(parts, kPreviewRules);
}

core::Result<std::string> merge_schema_checks(std::span<const PartPage> parts) {
    return merged(parts, kCheckRules);
}

std::size_t preview_share(std::size_t events, std::size_t partitions) {
    return std::max<std::size_t>(1, (events + partitions - 1) / partitions);
}

}  // namespace millrace::runtime::node
