#include "runtime/hub/batch_desk.h"

#include "runtime/event/tenant_names.h"
#include "store/database.h"
#include "store/log/pool_set.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

namespace millrace::runtime::hub {
namespace {

constexpr std::int64_t kBusySeconds = 1;

tl::unexpected<core::Error> not_now(std::string why) {
    return core::fail(
        core::Error(core::ErrorCode::kUnavailable, std::move(why)).retry_after(kBusySeconds));
}

}  // namespace

BatchDesk::BatchDesk(Deps deps)
    : deps_(std::move(deps)), role_(deps_.metrics->role()), events_(deps_.event_bytes_max) {}

core::Status BatchDesk::load(SetAside& aside) {
    auto rows = deps_.database->registry().load_all(kEdgeMarkKind);
    if (!rows) return core::fail(std::move(rows.error()));
    const RegistrySnapshotRef registry = deps_.registry();
    filters_.load(*registry);
    store::RowBatch leftovers;
    for (const store::RegistryDocument& row : *rows) {
        auto mark = read_edge_mark(row.json);
        if (!mark)
            aside.add(kEdgeMarkKind, row.id, mark.error());
        else if (registry->edges.find(mark->edge))
            places_[{mark->edge, mark->incarnation, mark->lane}] = {.mark = *mark, .tail = *mark};
        else if (!aside.any_of(document_kind<EdgeNode>().name))
            erase_edge_mark(leftovers, *mark);
    }
    if (auto loaded = load_filters(); !loaded) return loaded;
    return leftovers.empty() ? core::Status{} : deps_.database->write_now(leftovers);
}

// With an edge goes what was kept of it; one that is enrolled again has another number.
void BatchDesk::changed(const DocumentChange<EdgeNode>& change) {
    if (change.after || !change.before) return;
    const std::uint32_t number = change.before->number.value;
    auto result = std::make_unique<LaneResult>();
    std::erase_if(places_, [&](const auto& entry) {
        if (std::get<0>(entry.first) != number) return false;
        erase_edge_mark(result->rows, entry.second.mark);
        return true;
    });
    end_early(core::Error(core::ErrorCode::kNotFound, "the edge was removed"),
              [number](const Early& early) { return early.edge->number.value == number; });
    forget_figures(*change.before);
    edges_.erase(number);
    // What is refused is erased by the next start.
    if (!result->rows.empty()) (void)deps_.submit(result->shard, result);
}

core::ShardId BatchDesk::home_of(const Key& key) const {
    const auto& [edge, incarnation, lane] = key;
    return core::ShardId(static_cast<std::uint16_t>((edge + shard_of(lane)) % deps_.shards));
}

// kKnown: there is nothing to take, `known` says from where on there is.
core::Result<BatchDesk::Verdict> BatchDesk::judge(const EdgeNode& edge, const Batch& batch,
                                                  Follows follows, BatchTaken& known) const {
    const BatchHead& head = batch.head;
    const auto at = places_.find({edge.number.value, head.incarnation, head.lane});
    // A folder that is not known yet begins where it says, but with nothing that has a predecessor.
    if (at == places_.end()) {
        if (part_of(head.lane) > kUrgentPart)
            return core::fail(core::ErrorCode::kNotFound, "nobody has asked for this");
        if (follows == Follows::kMaybe) return Verdict::kTake;
        return not_now("what comes before this batch is not here; send it first");
    }
    const Place& place = at->second;
    if (place.tail.backfill && head.to > place.tail.backfill->to)
        return core::fail(core::ErrorCode::kValidation, "batch: goes beyond what was asked for");
    if (head.from == place.tail.to) {
        if (head.hash_before != place.tail.hash)
            return core::fail(
                core::ErrorCode::kConflict,
                "edge " + edge.id + ": cloned: what this folder has before offset " +
                    std::to_string(head.from) + " of shard " + std::to_string(shard_of(head.lane)) +
                    " is not what was sent from it; enroll each copy under a name of its own");
        if (place.under_way < kUnderWayMax) return Verdict::kTake;
        return not_now("the hub has more of this shard than it can write; ask again");
    }
    if (head.from > place.tail.to && follows == Follows::kYes) return Verdict::kEarly;
    if (place.under_way > 0)
        return not_now("a batch of this shard is on its way to the log; ask again");
    // What is behind the mark, or before it, is asked for from the mark on: what the edge has there
    // says whether it is the same edge.
    known = {place.mark.to, place.mark.hash, 0};
    return Verdict::kKnown;
}

core::Status BatchDesk::may_take_now(const EdgeNode& edge, const Batch& batch) {
    if (deps_.registry()->is_suspended(edge.tenant))
        return core::fail(core::ErrorCode::kForbidden, "the edge's tenant is suspended");
    if (deps_.holds()) return not_now("the hub takes no events now: it is short of room");
    return edges_[edge.number.value].paid.pay(batch.events.size(), batch.head.raw_bytes,
                                              [&](std::size_t events, std::size_t bytes) {
                                                  return deps_.may_take(edge.tenant, events, bytes);
                                              });
}

void BatchDesk::refuse(const EdgeNode& edge, core::Error&& error, const Done& done) {
    Seen& seen = edges_[edge.number.value];
    seen.last_error = error.message;
    seen.last_error_at_us = deps_.clock->wall_us();
    done(core::fail(std::move(error)));
}

void BatchDesk::take(const EdgeRef& edge, std::string_view bytes, Follows follows, Done done) {
    heard(*edge);
    if (!early_.empty()) {
        const std::int64_t long_ago_ns = deps_.clock->monotonic_ns() - kEarlyNs;
        end_early(not_now("what comes before this batch has not come; send it first").value(),
                  [long_ago_ns](const Early& early) { return early.since_ns < long_ago_ns; });
    }
    auto batch = read_batch(bytes);
    if (!batch) return refuse(*edge, std::move(batch.error()), done);
    const Key key{edge->number.value, batch->head.incarnation, batch->head.lane};
    if (const auto at = places_.find(key); at != places_.end()) at->second.end = batch->head.end;
    offer(edge, std::move(*batch), follows, std::move(done));
    take_early(key);
}

void BatchDesk::offer(const EdgeRef& edge, Batch&& batch, Follows follows, Done&& done) {
    const Key key{edge->number.value, batch.head.incarnation, batch.head.lane};
    BatchTaken known;
    const auto verdict = judge(*edge, batch, follows, known);
    if (!verdict) return refuse(*edge, core::Error(verdict.error()), done);
    if (*verdict == Verdict::kKnown) return done(known);
    if (*verdict == Verdict::kEarly)
        return keep_early(edge, std::move(batch), key, std::move(done));
    if (auto may = may_take_now(*edge, batch); !may)
        return refuse(*edge, std::move(may.error()), done);
    accept(*edge, batch, key, std::move(done));
}

// ---- what has overtaken its predecessor

void BatchDesk::keep_early(const EdgeRef& edge, Batch&& batch, const Key& key, Done&& done) {
    const auto first = early_.lower_bound(EarlyKey{key, 0});
    const auto count = std::count_if(
        first, early_.end(), [&key](const auto& entry) { return entry.first.first == key; });
    const std::size_t bytes = batch.raw.size();
    const EarlyKey place{key, batch.head.from};
    if (static_cast<std::size_t>(count) >= kEarlyMax || early_bytes_ + bytes > kEarlyBytesMax ||
        early_.contains(place))
        return refuse(*edge, not_now("what comes before this batch is not here yet").value(), done);
    early_bytes_ += bytes;
    early_[place] = {edge, std::move(batch), std::move(done), deps_.clock->monotonic_ns()};
}

void BatchDesk::take_early(const Key& key) {
    for (;;) {
        const auto place = places_.find(key);
        if (place == places_.end()) return;
        auto next = early_.extract(EarlyKey{key, place->second.tail.to});
        if (next.empty()) return;
        Early early = std::move(next.mapped());
        early_bytes_ -= early.batch.raw.size();
        offer(early.edge, std::move(early.batch), Follows::kYes, std::move(early.done));
    }
}

void BatchDesk::end_early(const core::Error& why, const std::function<bool(const Early&)>& over) {
    std::vector<Done> ended;
    std::erase_if(early_, [&](auto& entry) {
        if (!over(entry.second)) return false;
        early_bytes_ -= entry.second.batch.raw.size();
        ended.push_back(std::move(entry.second.done));
        return true;
    });
    for (const Done& done : ended) done(core::fail(why));
}

// ---- into the log

void BatchDesk::accept(const EdgeNode& edge, const Batch& batch, const Key& key, Done&& done) {
    EdgeMark next;
    if (const auto at = places_.find(key); at != places_.end()) next = at->second.tail;
    next.tenant = edge.tenant;
    next.edge = edge.number.value;
    next.incarnation = batch.head.incarnation;
    next.lane = batch.head.lane;
    if (next.backfill) note_wanted(next, batch.head.filter_version);
    next.to = batch.head.to;
    next.hash = batch.head.hash_after;
    next.at_us = deps_.clock->wall_us();
    auto result = std::make_unique<LaneResult>();
    result->shard = home_of(key);
    lines_.clear();
    const std::size_t letters = events_.append(edge, batch, lines_, *result);
    if (!lines_.empty()) {
        result->emitted = deps_.database->pools().acquire(lines_.size());
        std::memcpy(result->emitted.data(), lines_.data(), lines_.size());
        result->emitted.set_size(lines_.size());
    }
    result->when_counted = [known = edges_[next.edge].duplicates](
                               store::RowBatch&, std::span<const std::uint32_t> there) {
        known->fetch_add(there.size(), std::memory_order_relaxed);  // a figure
    };
    next.taken += batch.events.size() - letters;
    next.rejected += letters;
    next.skipped += batch.head.to - batch.head.from - batch.events.size();
    const bool is_filtered = batch.head.filter_version != 0 && !next.backfill;
    const bool keeps = is_filtered && keeps_filter(edge, batch.head.filter_version, result->rows);
    if (is_filtered) note_skips(next, {batch.head.filter_version, batch.head.from, batch.head.to});
    put_edge_mark(result->rows, next);
    const auto forgotten = folder_to_forget(next);
    each_place_of(next.edge, [&](const Key& of, const Place& place) {
        if (std::get<1>(of) == forgotten) erase_edge_mark(result->rows, place.mark);
    });
    const auto answer = std::make_shared<Done>(std::move(done));
    result->when_durable.push_back([this, key, next, events = batch.events.size(), answer] {
        deps_.post([this, key, next, events, answer] { settle(key, next, events, *answer); });
    });
    if (!deps_.submit(result->shard, result))
        return (*answer)(not_now("the hub has more to do than it can; ask again"));
    // From here on it happens.
    if (keeps)
        kept_filters_[{edge.tenant.value, batch.head.filter_version}] =
            *filters_.text_of(edge.tenant, batch.head.filter_version);
    std::erase_if(places_, [&](const auto& entry) {
        return std::get<0>(entry.first) == next.edge && std::get<1>(entry.first) == forgotten;
    });
    Place& place = places_[key];
    place.end = batch.head.end;
    place.tail = next;
    ++place.under_way;
    edges_[edge.number.value].paid.use(batch.events.size(), batch.head.raw_bytes);
    tell_figures(edge, batch, letters);
}

void BatchDesk::settle(const Key& key, const EdgeMark& mark, std::uint64_t events,
                       const Done& done) {
    const auto at = places_.find(key);
    if (at == places_.end())
        return done(core::fail(core::ErrorCode::kNotFound, "the edge was removed"));
    at->second.mark = mark;
    --at->second.under_way;
    tell_durable_figures(std::get<0>(key), std::get<1>(key));
    done(BatchTaken{mark.to, mark.hash, events});
}

void BatchDesk::tell_figures(const EdgeNode& edge, const Batch& batch, std::size_t letters) {
    Seen& seen = edges_[edge.number.value];
    if (!seen.figures) {
        const std::string_view tenant = tenant_name(edge.tenant);
        seen.figures.emplace();
        for (const auto& [outcome, counter] : kOutcomes)
            (*seen.figures).*counter =
                role_.counter(core::Metric::kEdgeEvents, {tenant, edge.id, outcome});
        seen.figures->lag = role_.gauge(core::Metric::kEdgeLag, {tenant, edge.id});
    }
    Figures& figures = *seen.figures;
    figures.taken.add(batch.events.size() - letters);
    figures.rejected.add(letters);
    // Of each offset once: the other lanes are of the same ones.
    if (part_of(batch.head.lane) == 0)
        figures.skipped.add(batch.head.to - batch.head.from - batch.events.size());
}

// Whoever watches them is not told of the lag of an edge that is no more.
void BatchDesk::forget_figures(const EdgeNode& edge) {
    const auto seen = edges_.find(edge.number.value);
    if (seen == edges_.end() || !seen->second.figures) return;
    seen->second.figures.reset();
    const std::string_view tenant = tenant_name(edge.tenant);
    for (const auto& [outcome, counter] : kOutcomes)
        role_.forget(core::Metric::kEdgeEvents, {tenant, edge.id, outcome});
    role_.forget(core::Metric::kEdgeLag, {tenant, edge.id});
}

// Known when a batch is durable: no other batch may come for a long time.
void BatchDesk::tell_durable_figures(std::uint32_t edge, std::uint64_t incarnation) {
    Seen& seen = edges_[edge];
    if (!seen.figures) return;
    // relaxed: a figure; no data behind it
    const std::uint64_t duplicates = seen.duplicates->load(std::memory_order_relaxed);
    seen.figures->duplicates.add(duplicates - std::exchange(seen.told_duplicates, duplicates));
    seen.figures->lag.set(static_cast<std::int64_t>(lag_of(edge, incarnation)));
}

// Of each shard its slowest lane.
std::uint64_t BatchDesk::lag_of(std::uint32_t edge, std::uint64_t incarnation) const {
    std::map<std::uint32_t, std::uint64_t> of_shards;
    each_place_of(edge, [&](const Key& key, const Place& place) {
        const std::uint32_t lane = std::get<2>(key);
        if (std::get<1>(key) != incarnation || is_backfill(lane)) return;
        std::uint64_t& lag = of_shards[shard_of(lane)];
        lag = std::max(lag, place.end - std::min(place.end, place.mark.to));
    });
    std::uint64_t out = 0;
    for (const auto& [shard, lag] : of_shards) out += lag;
    return out;
}

std::optional<std::uint64_t> BatchDesk::folder_to_forget(const EdgeMark& newest) const {
    struct Folder {
        std::int64_t at_us = 0;  // when it was heard of last
        bool under_way = false;
    };
    std::map<std::uint64_t, Folder> folders;
    each_place_of(newest.edge, [&](const Key& key, const Place& place) {
        Folder& folder = folders[std::get<1>(key)];
        folder.at_us = std::max(folder.at_us, place.tail.at_us);
        folder.under_way |= place.under_way > 0;
    });
    folders.erase(newest.incarnation);
    if (folders.size() < kIncarnationsMax) return std::nullopt;
    std::erase_if(folders, [](const auto& folder) { return folder.second.under_way; });
    if (folders.empty()) return std::nullopt;
    return std::min_element(
               folders.begin(), folders.end(),
               [](const auto& a, const auto& b) { return a.second.at_us < b.second.at_us; })
        ->first;
}

EdgeStatus BatchDesk::look(EdgeNumber number) const {
    EdgeStatus out;
    if (const auto at = edges_.find(number.value); at != edges_.end()) {
        out.seen_us = at->second.seen_us;
        out.last_error = at->second.last_error;
        out.last_error_at_us = at->second.last_error_at_us;
        out.duplicates = at->second.duplicates->load(std::memory_order_relaxed);  // a figure
    }
    each_place_of(number.value, [&out](const Key&, const Place& place) {
        if (place.mark.backfill)
            out.backfills.push_back(place.mark);
        else if (place.mark.to > 0)
            out.shards.push_back({place.mark, place.end});
    });
    return out;
}

}  // namespace millrace::runtime::hub
