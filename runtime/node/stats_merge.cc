#include "runtime/node/stats_merge.h"

#include "runtime/node/member_merge.h"
#include "runtime/node/part_bodies.h"
#include "runtime/stream/stats_series.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace millrace::runtime::node {
namespace {

std::vector<std::int64_t> whole_numbers(core::JsonElement array) {
    std::vector<std::int64_t> out;
    core::JsonArray items;
    if (!array.get(items)) return out;
    for (const core::JsonElement item : items) {
        std::int64_t number = 0;
        (void)item.get(number);
        out.push_back(number);
    }
    return out;
}

std::vector<core::JsonElement> elements(core::JsonElement object, std::string_view name) {
    core::JsonElement member;
    core::JsonArray items;
    if (!object.find(name, member) || !member.get(items)) return {};
    std::vector<core::JsonElement> out;
    for (const core::JsonElement item : items) out.push_back(item);
    return out;
}

// One partition's series, and which of its steps is whose of the whole's.
class SeriesPart {
public:
    explicit SeriesPart(core::JsonElement series) : series_(series) {
        core::JsonElement at;
        if (series.find("at", at)) at_ = whole_numbers(at);
        (void)series.find("buckets", buckets_);
    }

    const std::vector<std::int64_t>& at() const { return at_; }
    bool has_buckets() const { return buckets_.is_object(); }
    // From the newest backwards, each of its steps once: seconds of two processes do not end
    // together, and whoever is asked a moment before its second ends has one less.
    void lay_over(const std::vector<std::int64_t>& grid, std::int64_t apart_max) {
        steps_.assign(grid.size(), kNone);
        std::size_t left = at_.size();
        for (std::size_t g = grid.size(); g-- > 0;) {
            while (left > 0 && at_[left - 1] > grid[g] + apart_max) --left;
            if (left > 0 && at_[left - 1] >= grid[g] - apart_max) steps_[g] = --left;
        }
    }
    // What it has at a step of the whole, of a list of its own.
    core::JsonElement at_step(const std::vector<core::JsonElement>& list, std::size_t step) const {
        return steps_[step] < list.size() ? list[steps_[step]] : core::JsonElement();
    }
    std::vector<core::JsonElement> column(std::string_view name) const {
        return elements(series_, name);
    }
    std::vector<core::JsonElement> buckets(std::string_view name) const {
        return elements(buckets_, name);
    }

private:
    static constexpr std::size_t kNone = SIZE_MAX;
    core::JsonElement series_, buckets_;
    std::vector<std::int64_t> at_;
    std::vector<std::size_t> steps_;  // by those of the whole
};

void add_buckets(HistogramCells& cells, core::JsonElement pairs) {
    const std::vector<std::int64_t> numbers = whole_numbers(pairs);
    for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) {
        const auto bucket = static_cast<std::uint64_t>(numbers[i]);
        if (bucket < kHistogramBuckets) cells[bucket] += static_cast<std::uint64_t>(numbers[i + 1]);
    }
}

// "runMsP99": of "run", 0.99. False: it is no percentile.
bool reads_percentile(std::string_view column, std::string_view& of, double& share) {
    const std::size_t at = column.rfind("MsP");
    if (at == std::string_view::npos || column.size() != at + 5) return false;
    of = column.substr(0, at);
    share = ((column[at + 3] - '0') * 10 + (column[at + 4] - '0')) / 100.0;
    return true;
}

using SeriesParts = std::vector<SeriesPart>;

void append_percentiles(core::JsonWriter& json, const SeriesParts& parts, std::size_t steps,
                        std::string_view of, double share) {
    std::vector<std::vector<core::JsonElement>> lists;
    for (const SeriesPart& part : parts) lists.push_back(part.buckets(of));
    for (std::size_t step = 0; step < steps; ++step) {
        HistogramCells cells{};
        for (std::size_t p = 0; p < parts.size(); ++p)
            add_buckets(cells, parts[p].at_step(lists[p], step));
        json.value(percentile_ms({}, cells, share));
    }
}

void append_numbers(core::JsonWriter& json, const SeriesParts& parts, std::size_t steps,
                    std::string_view column, ValueMerge merge) {
    std::vector<std::vector<core::JsonElement>> lists;
    for (const SeriesPart& part : parts) lists.push_back(part.column(column));
    for (std::size_t step = 0; step < steps; ++step) {
        std::vector<PartValue> values;
        for (std::size_t p = 0; p < parts.size(); ++p) {
            const core::JsonElement value = parts[p].at_step(lists[p], step);
            if (value.is_number()) values.push_back({p, value});
        }
        if (values.empty())
            json.value(0);
        else
            merge(json, values);
    }
}

// The times are those of the partition that has the most of them.
SeriesParts lay_together(PartValues series, std::vector<std::int64_t>& grid) {
    SeriesParts parts;
    for (const PartValue& one : series) parts.emplace_back(one.value);
    for (const SeriesPart& part : parts) {
        if (part.at().size() > grid.size()) grid = part.at();
    }
    const std::int64_t step =
        grid.size() < 2 ? 1
                        : (grid.back() - grid.front()) / static_cast<std::int64_t>(grid.size() - 1);
    for (SeriesPart& part : parts) part.lay_over(grid, std::max<std::int64_t>(1, step));
    return parts;
}

void merge_series(core::JsonWriter& json, PartValues series) {
    std::vector<std::int64_t> grid;
    const SeriesParts parts = lay_together(series, grid);
    const bool exact = std::all_of(parts.begin(), parts.end(),
                                   [](const SeriesPart& part) { return part.has_buckets(); });
    json.begin_object().key("at").begin_array();
    for (const std::int64_t when : grid) json.value(when);
    json.end_array();
    core::JsonMembers members;
    (void)series.front().value.get(members);
    for (const core::JsonMember member : members) {
        if (member.key == "at" || member.key == "buckets") continue;
        std::string_view of;
        double share = 0;
        const bool percentile = reads_percentile(member.key, of, share);
        json.key(member.key).begin_array();
        if (percentile && exact) {
            append_percentiles(json, parts, grid.size(), of, share);
        } else {
            const bool most = percentile || member.key == "oldestMs";
            append_numbers(json, parts, grid.size(), member.key, most ? largest_of : sum_of);
        }
        json.end_array();
    }
    json.end_object();
}

constexpr std::array<MemberRule, 4> kErrorRules = {
    {{"count", sum_of}, {"first", earliest_of}, {"last", latest_of}, {"level", first_of}}};

// An error of one place in the code is one, wherever it was met.
void merge_errors(core::JsonWriter& json, PartValues lists) {
    json.begin_array();
    for (const auto& [name, of] : grouped_by(lists, {"site", "message"})) {
        json.begin_object();
        append_members(json, of, kErrorRules);
        json.key("partitions").begin_array();
        for (const PartValue& one : of) json.value(one.partition);
        json.end_array().end_object();
    }
    json.end_array();
}

void merge_behind(core::JsonWriter& json, PartValues lists) {
    std::size_t told = 0;
    json.begin_array();
    for (const PartValue& list : lists) {
        core::JsonArray places;
        if (!list.value.get(places)) continue;
        for (const core::JsonElement place : places) {
            if (told++ < kBehindMax) append_with_partition(json, {list.partition, place});
        }
    }
    json.end_array();
}

// The worst there is: a client is refused by that one.
void worst_level(core::JsonWriter& json, PartValues levels) {
    constexpr std::array<std::string_view, 3> kWorstFirst = {"short", "tight", "calm"};
    for (const std::string_view level : kWorstFirst) {
        for (const PartValue& one : levels) {
            std::string_view text;
            if (!one.value.get(text) || text != level) continue;
            json.value(level);
            return;
        }
    }
    first_of(json, levels);
}

// What is registered is copied to each partition.
constexpr std::array<MemberRule, 20> kStatsRules = {{{"ready", true_of_all},
                                                     {"reason", first_of},
                                                     {"subscriptions", largest_of},
                                                     {"scripts", largest_of},
                                                     {"version", first_of},
                                                     {"disk.freeBytes", smallest_of},
                                                     {"disk.reserveBytes", largest_of},
                                                     {"memory.level", worst_level},
                                                     {"uptimeSeconds", smallest_of},
                                                     {"errors", merge_errors},
                                                     {"shards", each_of},
                                                     {"behind", merge_behind},
                                                     {"matcher.subscriptions", largest_of},
                                                     {"matcher.unpivotedClauses", largest_of},
                                                     {"matcher.paths", largest_of},
                                                     {"matcher.entriesPerEvent", largest_of},
                                                     {"windowSeconds", largest_of},
                                                     {"stepSeconds", largest_of},
                                                     {"series", merge_series},
                                                     {"matcher.regexFailures", largest_of}}};

}  // namespace

core::Result<std::string> merge_stats(std::span<const PartPage> parts,
                                      std::span<const std::size_t> missing) {
    PartBodies bodies;
    if (auto read = bodies.read(parts); !read) return core::fail(read.error());
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    append_members(json, bodies.values(), kStatsRules);
    append_missing(json, missing);
    json.end_object();
    return out;
}

std::string newest_of(std::string_view stats) {
    std::string out;
    core::JsonWriter json(out);
    core::JsonDom dom;
    json.begin_object();
    auto root = dom.parse(stats);
    core::JsonElement series, missing;
    core::JsonMembers members;
    if (root && root->find("series", series) && series.get(members)) {
        for (const core::JsonMember member : members) {
            core::JsonElement last;
            core::JsonArray items;
            if (!member.value.get(items)) continue;
            for (const core::JsonElement item : items) last = item;
            if (!last.is_null()) json.raw_field(member.key, last.raw());
        }
    }
    if (root && root->find("missing", missing)) json.raw_field("missing", missing.raw());
    json.end_object();
    return out;
}

}  // namespace millrace::runtime::node
