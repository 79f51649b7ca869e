// The part of BatchDesk that asks edges for what filters have left out.
#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/hub/backfill.h"
#include "runtime/hub/batch_desk.h"
#include "store/database.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <set>
#include <utility>

namespace millrace::runtime::hub {
namespace {

// Rows of filters as they were told: "had" of a backfill.
constexpr std::string_view kEdgeFilterKind = "edge_filter";

std::string filter_row_id(std::uint32_t tenant, std::uint64_t version) {
    return std::to_string(tenant) + "/" + hash_text(version);
}

struct FilterRow {
    std::uint32_t tenant = 0;
    std::uint64_t version = 0;
    std::string told;
};

core::Result<FilterRow> read_filter_row(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "filter of edges");
    if (!in) return core::fail(std::move(in.error()));
    FilterRow out;
    in->integer_as("tenant", out.tenant, 0, UINT32_MAX, core::Presence::kRequired);
    std::string digits;
    if (in->text("version", digits, {.presence = core::Presence::kRequired}) &&
        !read_hash_text(digits, out.version))
        in->refuse("version", "is no hash");
    if (const auto told = in->any("told")) core::append_json(out.told, *told);
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    return out;
}

}  // namespace

// Those that no mark names any more go. One that does not read is one that is not known.
core::Status BatchDesk::load_filters() {
    auto rows = deps_.database->registry().load_all(kEdgeFilterKind);
    if (!rows) return core::fail(std::move(rows.error()));
    std::set<FilterKey> named;
    for (const auto& [key, place] : places_) {
        const EdgeMark& mark = place.mark;
        for (const SkipRun& run : mark.skips) named.insert({mark.tenant.value, run.filter_version});
        if (mark.backfill) named.insert({mark.tenant.value, mark.backfill->filter_version});
    }
    store::RowBatch leftovers;
    for (const store::RegistryDocument& row : *rows) {
        auto filter = read_filter_row(row.json);
        if (filter && named.contains({filter->tenant, filter->version}))
            kept_filters_[{filter->tenant, filter->version}] = std::move(filter->told);
        else
            leftovers.erase_registry(kEdgeFilterKind, row.id);
    }
    return leftovers.empty() ? core::Status{} : deps_.database->write_now(leftovers);
}

// True: its row goes into this commit.
bool BatchDesk::keeps_filter(const EdgeNode& edge, std::uint64_t version,
                             store::RowBatch& rows) const {
    if (kept_filters_.size() >= kFiltersKeptMax ||
        kept_filters_.contains({edge.tenant.value, version}))
        return false;
    const std::string* const told = filters_.text_of(edge.tenant, version);
    if (!told) return false;
    std::string text;
    core::JsonWriter json(text);
    json.begin_object().field("tenant", edge.tenant.value).field("version", hash_text(version));
    json.raw_field("told", *told).end_object();
    rows.put_registry(kEdgeFilterKind, filter_row_id(edge.tenant.value, version), 1,
                      deps_.clock->wall_us(), text);
    return true;
}

std::string BatchDesk::told_to(const EdgeNode& edge) const {
    std::string out = filters_.of(edge.tenant).json;
    out.pop_back();
    out += R"(,"traces":true})";
    std::string list;
    std::size_t told = 0;
    each_place_of(edge.number.value, [&](const Key& key, const Place& place) {
        const EdgeMark& tail = place.tail;
        if (!tail.backfill || tail.done() || told == kBackfillsTold) return;
        ++told;
        const auto had = kept_filters_.find({edge.tenant.value, tail.backfill->filter_version});
        if (!list.empty()) list += ',';
        append_backfill(
            list, {tail.lane, tail.to, tail.hash}, std::get<1>(key), tail.backfill->to,
            had == kept_filters_.end() ? std::string_view() : std::string_view(had->second));
    });
    if (list.empty()) return out;
    out.pop_back();
    return out + R"(,"backfills":[)" + list + "]}";
}

// A backfill of the same lane and run is not done yet, or has brought what is wanted now.
bool BatchDesk::is_asked_for(const EdgeMark& of, const SkipRun& run) const {
    const std::uint64_t wanted = filters_.of(of.tenant).version;
    // What this filter had chosen has nothing left over.
    bool found = run.filter_version == wanted;
    each_place_of(of.edge, [&](const Key& key, const Place& place) {
        const EdgeMark& mark = place.tail;
        found |=
            std::get<1>(key) == of.incarnation && mark.backfill &&
            shard_of(mark.lane) == shard_of(of.lane) &&
            part_of(mark.lane) % 2 == part_of(of.lane) % 2 &&
            (mark.done() ? place.mark.has_brought(run, wanted) : mark.backfill->from == run.from);
    });
    return found;
}

std::vector<EdgeMark> BatchDesk::new_backfills(const EdgeNode& edge,
                                               std::uint64_t incarnation) const {
    std::vector<EdgeMark> out;
    std::size_t open = 0;
    std::uint32_t last = kFirstBackfill;
    each_place_of(edge.number.value, [&](const Key& key, const Place& place) {
        if (std::get<1>(key) != incarnation || !place.tail.backfill) return;
        open += place.tail.done() ? 0 : 1;
        last = std::max(last, part_of(place.tail.lane));
    });
    each_place_of(edge.number.value, [&](const Key& key, const Place& place) {
        if (std::get<1>(key) != incarnation || place.tail.backfill) return;
        for (const SkipRun& run : place.mark.skips) {
            if (open + out.size() >= kBackfillsMax || is_asked_for(place.mark, run)) continue;
            // An even number for each, so that a part says whose rest it is.
            last = last + 2 - last % 2;
            if (last + kUrgentPart >= kPartsMax) continue;
            EdgeMark mark;
            mark.tenant = edge.tenant;
            mark.edge = edge.number.value;
            mark.incarnation = incarnation;
            mark.lane = shard_of(place.mark.lane) + kPartStep * (last + part_of(place.mark.lane));
            mark.to = run.from;
            mark.at_us = deps_.clock->wall_us();
            mark.backfill = run;
            out.push_back(std::move(mark));
        }
    });
    return out;
}

void BatchDesk::ask_for_the_rest(const EdgeRef& edge, Asked done) {
    std::optional<std::uint64_t> incarnation;
    std::int64_t heard_us = 0;
    each_place_of(edge->number.value, [&](const Key& key, const Place& place) {
        if (place.tail.backfill || (incarnation && place.tail.at_us < heard_us)) return;
        incarnation = std::get<1>(key);
        heard_us = place.tail.at_us;
    });
    std::vector<EdgeMark> asks;
    if (incarnation) asks = new_backfills(*edge, *incarnation);
    if (asks.empty()) return done(std::move(asks));
    auto result = std::make_unique<LaneResult>();
    std::vector<Key> ended;
    each_place_of(edge->number.value, [&](const Key& key, const Place& place) {
        if (!place.mark.done() || place.under_way > 0) return;
        // One that is the reason why nothing is asked for stays.
        if (place.mark.has_brought(*place.mark.backfill, filters_.of(edge->tenant).version)) return;
        ended.push_back(key);
        erase_edge_mark(result->rows, place.mark);
    });
    for (const EdgeMark& mark : asks) put_edge_mark(result->rows, mark);
    result->shard = home_of({edge->number.value, *incarnation, 0});
    const auto answer = std::make_shared<Asked>(std::move(done));
    result->when_durable.push_back([this, asks, answer] {
        deps_.post([asks, answer] { (*answer)(std::vector<EdgeMark>(asks)); });
    });
    if (!deps_.submit(result->shard, result))
        return (*answer)(core::fail(core::Error(core::ErrorCode::kUnavailable,
                                                "the hub has more to do than it can; ask again")
                                        .retry_after(1)));
    for (const Key& key : ended) places_.erase(key);
    for (const EdgeMark& mark : asks)
        places_[{mark.edge, mark.incarnation, mark.lane}] = {.mark = mark, .tail = mark};
}

}  // namespace millrace::runtime::hub
