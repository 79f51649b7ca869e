#include "runtime/hub/batch_desk.h"

#include "runtime/event/tenant_names.h"
#include "store/database.h"
#include "store/log/pool_set.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <cstring>
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
            places_[{mark->edge, mark->incarnation, mark->shard}].mark = *mark;
        else
            erase_edge_mark(leftovers, *mark);
    }
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
    edges_.erase(number);
    // What is refused is erased by the next start.
    if (!result->rows.empty()) (void)deps_.submit(result->shard, result);
}

EdgeRef BatchDesk::known_by(std::string_view node, std::string_view token) const {
    EdgeRef found;
    deps_.registry()->edges.for_each([&](const EdgeRef& edge) {
        if (!found && edge->id == node && has_edge_token(*edge, token)) found = edge;
    });
    return found;
}

core::ShardId BatchDesk::home_of(const Key& key) const {
    const auto& [edge, incarnation, shard] = key;
    return core::ShardId(static_cast<std::uint16_t>((edge + shard) % deps_.shards));
}

// Nothing is wrong and `answered`: there is nothing to take, `out` says from where on there is.
core::Status BatchDesk::judge(const EdgeNode& edge, const Batch& batch, bool& answered,
                              BatchTaken& out) {
    const BatchHead& head = batch.head;
    const auto at = places_.find({edge.number.value, head.incarnation, head.shard});
    answered = false;
    // A folder that is not known yet begins where it says.
    if (at == places_.end()) return {};
    const EdgeMark& mark = at->second.mark;
    if (at->second.under_way)
        return not_now("a batch of this shard is on its way to the log; ask again");
    if (mark.to == 0) return {};
    out = {mark.to, mark.hash, 0};
    // What is behind the mark, or before it, is asked for from the mark on: what the edge has there
    // says whether it is the same edge.
    answered = head.from != mark.to;
    if (!answered && head.hash_before != mark.hash)
        return core::fail(core::ErrorCode::kConflict,
                          "edge " + edge.id + ": cloned: what this folder has before offset " +
                              std::to_string(mark.to) + " of shard " + std::to_string(head.shard) +
                              " is not what was sent from it; enroll each copy under a name of its "
                              "own");
    return {};
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

void BatchDesk::take(const EdgeRef& edge, std::string_view bytes, Done done) {
    Seen& seen = edges_[edge->number.value];
    seen.seen_us = deps_.clock->wall_us();
    const auto refuse = [&](core::Error&& error) {
        seen.last_error = error.message;
        seen.last_error_at_us = seen.seen_us;
        done(core::fail(std::move(error)));
    };
    auto batch = read_batch(bytes);
    if (!batch) return refuse(std::move(batch.error()));
    const Key key{edge->number.value, batch->head.incarnation, batch->head.shard};
    if (const auto at = places_.find(key); at != places_.end()) at->second.end = batch->head.end;
    BatchTaken known;
    bool answered = false;
    if (auto judged = judge(*edge, *batch, answered, known); !judged)
        return refuse(std::move(judged.error()));
    if (answered) return done(known);
    if (auto may = may_take_now(*edge, *batch); !may) return refuse(std::move(may.error()));

    accept(*edge, *batch, key, std::move(done));
}

void BatchDesk::accept(const EdgeNode& edge, const Batch& batch, const Key& key, Done&& done) {
    Place& place = places_[key];
    place.end = batch.head.end;
    EdgeMark next = place.mark;
    next.tenant = edge.tenant;
    next.edge = edge.number.value;
    next.incarnation = batch.head.incarnation;
    next.shard = batch.head.shard;
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
    result->duplicates = edges_[next.edge].duplicates;
    next.taken += batch.events.size() - letters;
    next.rejected += letters;
    next.skipped += batch.head.to - batch.head.from - batch.events.size();
    if (batch.head.filter_version != 0)
        note_skips(next, {batch.head.filter_version, batch.head.from, batch.head.to});
    put_edge_mark(result->rows, next);
    forget_oldest(next, result->rows);
    const auto answer = std::make_shared<Done>(std::move(done));
    result->when_durable.push_back([this, key, next, events = batch.events.size(), answer] {
        deps_.post([this, key, next, events, answer] { settle(key, next, events, *answer); });
    });
    if (!deps_.submit(result->shard, result))
        return (*answer)(not_now("the hub has more to do than it can; ask again"));
    place.under_way = true;
    edges_[edge.number.value].paid.use(batch.events.size(), batch.head.raw_bytes);
    tell_figures(edge, batch, letters);
}

void BatchDesk::settle(const Key& key, const EdgeMark& mark, std::uint64_t events,
                       const Done& done) {
    const auto at = places_.find(key);
    if (at == places_.end())
        return done(core::fail(core::ErrorCode::kNotFound, "the edge was removed"));
    at->second.mark = mark;
    at->second.under_way = false;
    done(BatchTaken{mark.to, mark.hash, events});
}

void BatchDesk::tell_figures(const EdgeNode& edge, const Batch& batch, std::size_t letters) {
    Seen& seen = edges_[edge.number.value];
    if (!seen.figures) {
        const auto counter = [&](std::string_view outcome) {
            return role_.counter(core::Metric::kEdgeEvents,
                                 {tenant_name(edge.tenant), edge.id, outcome});
        };
        seen.figures =
            Figures{counter("taken"), counter("rejected"), counter("skipped"), counter("duplicate"),
                    role_.gauge(core::Metric::kEdgeLag, {tenant_name(edge.tenant), edge.id})};
    }
    Figures& figures = *seen.figures;
    figures.taken.add(batch.events.size() - letters);
    figures.rejected.add(letters);
    figures.skipped.add(batch.head.to - batch.head.from - batch.events.size());
    // relaxed: a figure; no data behind it
    const std::uint64_t duplicates = seen.duplicates->load(std::memory_order_relaxed);
    figures.duplicates.add(duplicates - std::exchange(seen.told_duplicates, duplicates));
    std::uint64_t lag = 0;
    for (const auto& [key, place] : places_) {
        if (std::get<0>(key) == edge.number.value && std::get<1>(key) == batch.head.incarnation)
            lag += place.end - std::min(place.end, place.mark.to);
    }
    figures.lag.set(static_cast<std::int64_t>(lag));
}

void BatchDesk::forget_oldest(const EdgeMark& newest, store::RowBatch& rows) {
    std::map<std::uint64_t, std::int64_t> written;  // by folder: when last
    for (const auto& [key, place] : places_) {
        if (std::get<0>(key) != newest.edge) continue;
        std::int64_t& at_us = written[std::get<1>(key)];
        at_us = std::max(at_us, place.mark.at_us);
    }
    if (written.size() <= kIncarnationsMax) return;
    written.erase(newest.incarnation);
    const std::uint64_t oldest =
        std::min_element(written.begin(), written.end(), [](const auto& a, const auto& b) {
            return a.second < b.second;
        })->first;
    std::erase_if(places_, [&](const auto& entry) {
        const auto& [edge, incarnation, shard] = entry.first;
        if (edge != newest.edge || incarnation != oldest || entry.second.under_way) return false;
        erase_edge_mark(rows, entry.second.mark);
        return true;
    });
}

EdgeStatus BatchDesk::look(EdgeNumber number) const {
    EdgeStatus out;
    if (const auto at = edges_.find(number.value); at != edges_.end()) {
        out.seen_us = at->second.seen_us;
        out.last_error = at->second.last_error;
        out.last_error_at_us = at->second.last_error_at_us;
        out.duplicates = at->second.duplicates->load(std::memory_order_relaxed);  // a figure
    }
    const auto first = places_.lower_bound({number.value, 0, 0});
    for (auto at = first; at != places_.end() && std::get<0>(at->first) == number.value; ++at)
        if (at->second.mark.to > 0) out.shards.push_back({at->second.mark, at->second.end});
    return out;
}

}  // namespace millrace::runtime::hub
