#include "runtime/replay/replay_runner.h"

#include "runtime/delivery/lane_split.h"
#include "store/log/log_reader.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace millrace::runtime {

namespace {

std::string position_json(const std::vector<core::LogOffset>& next) {
    std::string out = "[";
    for (std::size_t i = 0; i < next.size(); ++i) {
        if (i != 0) out += ',';
        out += "{\"shard\":" + std::to_string(i) + ",\"offset\":" + std::to_string(next[i].value) +
               "}";
    }
    return out + "]";
}

}  // namespace

core::Status ReplayRunner::load(const FindScriptVersion& find, SetAside& aside) {
    auto documents = deps_.database->registry().load_all(kReplayKind);
    if (!documents) return core::fail(std::move(documents.error()));
    for (const store::RegistryDocument& document : *documents) {
        auto state = parse_replay_document(document.json);
        auto taken = state ? take_up(document, std::move(*state), find)
                           : core::Status(core::fail(state.error()));
        if (!taken) aside.add(kReplayKind, document.id, taken.error());
    }
    return {};
}

core::Status ReplayRunner::take_up(const store::RegistryDocument& document, ReplayState&& state,
                                   const FindScriptVersion& find) {
    if (state.progress.status != "running") return {};
    auto replay = std::make_shared<Running>();
    if (state.spec.dry_run) {
        // Its overlay is gone: it begins anew.
        auto again = parse_replay_document(document.json, find);
        if (!again) {
            replay->state = std::move(state);
            finish(*replay, "failed", again.error().message);
            return {};
        }
        state = std::move(*again);
        state.progress.scanned = state.progress.matched = state.progress.not_due = 0;
        state.progress.shadow = {};
        if (auto found = find_range(state); !found) return found;
    }
    replay->state = std::move(state);
    if (auto armed = arm(*replay); !armed) return armed;
    running_.emplace(document.id, std::move(replay));
    return {};
}

core::Status ReplayRunner::arm(Running& replay) {
    const ReplaySpec& spec = replay.state.spec;
    auto filter = EventFilter::make({.pattern = spec.pattern,
                                     .pattern_prefix = spec.pattern_prefix,
                                     .source_type = {},
                                     .source_id = {},
                                     .correlation_id = {},
                                     .causation_id = {},
                                     .context_id = {},
                                     .filter = spec.filter});
    if (!filter) return core::fail(std::move(filter.error()));
    replay.filter = std::move(*filter);
    replay.delivered = replay.state.progress.delivered;
    replay.failed = replay.state.progress.failed;
    return {};
}

core::Result<std::string> ReplayRunner::start(ReplaySpec&& spec, const std::string& id) {
    auto replay = std::make_shared<Running>();
    ReplayState& state = replay->state;
    state.progress.id = id;
    state.progress.tenant = spec.tenant;
    state.progress.status = "running";
    state.progress.document = spec.document;
    state.progress.created_at_us = state.progress.updated_at_us = deps_.clock->wall_us();
    state.spec = std::move(spec);
    state.progress.dry_run = state.spec.dry_run;
    if (auto admitted = admit(state.spec.tenant); !admitted)
        return core::fail(std::move(admitted.error()));
    if (auto found = find_range(state); !found) return core::fail(std::move(found.error()));
    if (auto armed = arm(*replay); !armed) return core::fail(std::move(armed.error()));
    if (state.spec.dry_run) forget_old_dry_runs(state.spec.tenant);
    // Whoever is told its id may rely on it: it is there after a restart, too.
    if (auto kept = persist(*replay); !kept) return core::fail(std::move(kept.error()));
    {
        std::lock_guard lock(mutex_);
        running_.emplace(id, std::move(replay));
    }
    deps_.wake();
    return id;
}

core::Status ReplayRunner::admit(core::TenantId tenant) {
    std::lock_guard lock(mutex_);
    std::size_t own = 0;
    for (const auto& [id, replay] : running_) own += replay->state.spec.tenant == tenant;
    const bool too_many = own >= kReplaysPerTenantMax;
    if (!too_many && running_.size() < kReplaysMax) return {};
    const std::size_t limit = too_many ? kReplaysPerTenantMax : kReplaysMax;
    return core::fail(core::Error(core::ErrorCode::kRateLimited,
                                  std::to_string(limit) + " replays " +
                                      (too_many ? "of this tenant " : "") + "are running already")
                          .bound(limit)
                          .retry_after(10));
}

// Where each shard begins, and the end of the log as it is now.
core::Status ReplayRunner::find_range(ReplayState& state) {
    state.next.clear();
    state.end.clear();
    for (std::size_t i = 0; i < deps_.database->shards(); ++i) {
        const core::ShardId shard(static_cast<std::uint16_t>(i));
        auto from = deps_.database->log_reader().offset_at_time(shard, state.spec.from_us);
        if (!from) return core::fail(std::move(from.error()));
        state.next.push_back(*from);
        state.end.push_back(deps_.database->durable_end(shard));
    }
    return {};
}

void ReplayRunner::forget_old_dry_runs(core::TenantId tenant) {
    std::vector<std::string> old;
    std::size_t kept = 1;  // the one that begins
    for (const ReplayProgress& one : list(tenant)) {
        if (one.dry_run && ++kept > kDryRunsKept && one.shadow.different > 0) old.push_back(one.id);
    }
    if (!old.empty()) deps_.shadow->forget(std::move(old));
}

core::Result<ReplayProgress> ReplayRunner::progress(core::TenantId tenant, std::string_view id) {
    const auto missing = [&] {
        return core::fail(core::ErrorCode::kNotFound,
                          "replay '" + std::string(id.substr(0, 64)) + "' does not exist");
    };
    {
        std::lock_guard lock(mutex_);
        const auto it = running_.find(id);
        if (it != running_.end()) {
            if (it->second->state.spec.tenant != tenant) return missing();
            ReplayProgress progress = it->second->state.progress;
            progress.delivered = it->second->delivered.load(std::memory_order_relaxed);
            progress.failed = it->second->failed.load(std::memory_order_relaxed);
            progress.position = position_json(it->second->state.next);
            return progress;
        }
    }
    auto document = deps_.database->registry().get(kReplayKind, id);
    if (!document) return core::fail(std::move(document.error()));
    if (!*document) return missing();
    auto state = parse_replay_document((*document)->json);
    if (!state) return core::fail(std::move(state.error()));
    if (state->spec.tenant != tenant) return missing();
    state->progress.position = position_json(state->next);
    return state->progress;
}

core::Status ReplayRunner::cancel(core::TenantId tenant, std::string_view id) {
    std::shared_ptr<Running> running;
    {
        std::lock_guard lock(mutex_);
        const auto it = running_.find(id);
        if (it != running_.end() && it->second->state.spec.tenant == tenant) {
            running = it->second;
            running->state.progress.status = "cancelled";
        }
    }
    if (running) {
        deps_.wake();
        return persist(*running);
    }
    auto there = progress(tenant, id);
    if (!there) return core::fail(std::move(there.error()));
    if (there->status == "cancelled") return {};
    return core::fail(core::ErrorCode::kConflict,
                      "replay '" + there->id + "' is " + there->status + " already");
}

std::vector<ReplayProgress> ReplayRunner::list(core::TenantId tenant) {
    std::vector<ReplayProgress> all;
    auto documents = deps_.database->registry().load_all(kReplayKind);
    if (!documents) return all;
    for (const store::RegistryDocument& document : *documents) {
        if (auto one = progress(tenant, document.id)) all.push_back(std::move(*one));
    }
    std::sort(all.begin(), all.end(), [](const ReplayProgress& a, const ReplayProgress& b) {
        return a.created_at_us > b.created_at_us;
    });
    return all;
}

std::vector<core::LogOffset> ReplayRunner::floors() {
    std::lock_guard lock(mutex_);
    std::vector<core::LogOffset> floors(deps_.database->shards(), core::LogOffset{UINT64_MAX});
    for (const auto& [id, replay] : running_) {
        const ReplayState& state = replay->state;
        for (std::size_t i = 0; i < state.next.size() && i < floors.size(); ++i) {
            if (state.next[i] < state.end[i]) floors[i] = std::min(floors[i], state.next[i]);
        }
    }
    return floors;
}

std::size_t ReplayRunner::do_work(BlockMatcher& matcher) {
    std::vector<std::shared_ptr<Running>> now;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [id, replay] : running_) now.push_back(replay);
    }
    std::size_t done = 0;
    for (const auto& replay : now) done += step(*replay, matcher);
    return done;
}

std::size_t ReplayRunner::step(Running& replay, BlockMatcher& matcher) {
    bool cancelled = false;
    {
        std::lock_guard lock(mutex_);
        cancelled = replay.state.progress.status == "cancelled";
    }
    flush_jobs(replay);
    if (cancelled) {
        replay.refused.clear();
        if (replay.shadow_job) {
            replay.shadow_job.reset();
            replay.under_way.fetch_sub(1, std::memory_order_relaxed);  // it was never handed over
        }
        if (replay.under_way.load(std::memory_order_acquire) == 0) finish(replay, "cancelled", "");
        return 0;
    }
    if (!replay.refused.empty() || replay.shadow_job) return 0;
    if (replay.block) {
        if (replay.next_item < replay.items.size()) return deliver_due(replay);
        // pairs with the release below
        if (replay.under_way.load(std::memory_order_acquire) != 0) return 0;
        settle_block(replay);
        return 1;
    }
    return next_block(replay, matcher) ? 1 : 0;
}

// The shard to go on with; their count when all are done. At the original pace the one whose next
// event came first: shards were filled side by side. Else one after the other.
std::size_t ReplayRunner::next_shard(const Running& replay) {
    const ReplayState& state = replay.state;
    const std::size_t none = state.next.size();
    std::size_t chosen = none;
    std::int64_t chosen_us = 0;
    for (std::size_t i = 0; i < none; ++i) {
        if (state.next[i] >= state.end[i]) continue;
        if (state.spec.pace != ReplayPace::kOriginal) return i;
        const core::ShardId shard(static_cast<std::uint16_t>(i));
        const auto block = deps_.database->log_reader().read_block(shard, state.next[i]);
        if (!block || !*block) return i;  // told, or stepped over, by the caller
        const core::LogOffset first = std::max(state.next[i], block->first_offset());
        const std::int64_t us = block->record(block->index_of(first)).received_at_us;
        if (chosen == none || us < chosen_us) {
            chosen = i;
            chosen_us = us;
        }
    }
    return chosen;
}

bool ReplayRunner::next_block(Running& replay, BlockMatcher& matcher) {
    ReplayState& state = replay.state;
    replay.shard = next_shard(replay);
    if (replay.shard == state.next.size()) {
        finish(replay, "completed", "");
        return false;
    }
    const core::ShardId shard(static_cast<std::uint16_t>(replay.shard));
    auto block = deps_.database->log_reader().read_block(shard, state.next[replay.shard]);
    if (!block) {
        finish(replay, "failed", block.error().message);
        return false;
    }
    if (!*block) {
        std::lock_guard lock(mutex_);
        state.next[replay.shard] = state.end[replay.shard];
        return true;
    }
    if (before_first_delivery(replay, *block)) return false;
    replay.block = std::move(*block);
    const RegistrySnapshotRef registry = deps_.registry();
    std::vector<DeliveryItem> matched;
    matcher.match({.block = &replay.block,
                   .from = state.next[replay.shard],
                   .registry = registry.get(),
                   .done = nullptr,
                   .history = BlockMatcher::History::kAll},
                  matched);
    replay.items.clear();
    replay.next_item = 0;
    std::uint32_t last_index = ~0u;
    std::uint64_t not_due = 0;
    Share share = Share::kNone;
    const auto& only = state.spec.subscriptions;
    const Script* script = state.spec.shadow ? state.spec.shadow->script.get() : nullptr;
    for (const DeliveryItem& item : matched) {
        if (item.event_index != last_index) {
            last_index = item.event_index;
            share = share_of(replay, replay.block.event(item.event_index));
        }
        if (share == Share::kNone ||
            (!only.empty() && std::find(only.begin(), only.end(), item.subscription) == only.end()))
            continue;
        if (script) {
            const Subscription* subscription = registry->subscription(item.subscription);
            if (!subscription || subscription->executor.script_id != script->id) continue;
        }
        if (share == Share::kNotDue)
            ++not_due;
        else
            replay.items.push_back(item);
    }
    std::lock_guard lock(mutex_);
    state.progress.scanned += replay.block.end_offset().value -
                              std::max(replay.block.first_offset(), state.next[replay.shard]).value;
    state.progress.matched += replay.items.size();
    state.progress.not_due += not_due;
    return true;
}

ReplayRunner::Share ReplayRunner::share_of(const Running& replay, const store::StoredEvent& event) {
    const ReplaySpec& spec = replay.state.spec;
    if (event.tenant != spec.tenant || event.received_at_us < spec.from_us ||
        event.received_at_us >= spec.to_us ||
        event.position.offset >= replay.state.end[replay.shard] || !replay.filter->accepts(event))
        return Share::kNone;
    if (!event.has(store::EventFlag::kScheduled)) return Share::kDeliver;
    core::Envelope envelope;
    core::Error error;
    if (!parser_.begin(event.raw, core::BatchFormat::kJson) ||
        parser_.next(nullptr, envelope, nullptr, error) != core::ParseOutcome::kEvent)
        return Share::kDeliver;  // it was parsed when it came
    return envelope.scheduled_at_us > deps_.clock->wall_us() ? Share::kNotDue : Share::kDeliver;
}

bool ReplayRunner::before_first_delivery(const Running& replay,
                                         const store::EventBlock& block) const {
    return deps_.delivered && !replay.state.spec.dry_run &&
           deps_.delivered(block.shard()) < block.end_offset();
}

bool ReplayRunner::is_due(Running& replay, const store::StoredEvent& event) {
    if (replay.state.spec.pace == ReplayPace::kInstant) return true;
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (replay.pace_began_ns == 0) {
        replay.pace_began_ns = now_ns;
        replay.pace_first_us = event.received_at_us;
    }
    const double elapsed_us = static_cast<double>(now_ns - replay.pace_began_ns) / 1000.0;
    if (replay.state.spec.pace == ReplayPace::kOriginal) {
        return static_cast<double>(event.received_at_us - replay.pace_first_us) <=
               elapsed_us * replay.state.spec.speed;
    }
    return static_cast<double>(replay.paced_events) <=
           elapsed_us * replay.state.spec.events_per_second / 1e6;
}

std::size_t ReplayRunner::deliver_due(Running& replay) {
    std::vector<DeliveryItem> due;
    while (replay.next_item < replay.items.size()) {
        const DeliveryItem item = replay.items[replay.next_item];
        if (!is_due(replay, replay.block.event(item.event_index))) break;
        ++replay.paced_events;
        ++replay.next_item;
        due.push_back(item);
    }
    if (due.empty()) return 0;
    const std::size_t count = due.size();
    if (replay.state.spec.dry_run) {
        deliver_in_shadow(replay, std::move(due));
    } else {
        deliver_to_lanes(replay, due);
    }
    return count;
}

std::shared_ptr<ReplayRunner::Running> ReplayRunner::share(const Running& replay) {
    std::lock_guard lock(mutex_);
    return running_.find(replay.state.progress.id)->second;
}

void ReplayRunner::deliver_in_shadow(Running& replay, std::vector<DeliveryItem>&& due) {
    auto job = std::make_unique<ShadowJob>();
    job->replay_id = replay.state.progress.id;
    job->spec = replay.state.spec.shadow;
    job->block = replay.block;
    job->items = std::move(due);
    job->registry = deps_.registry();
    replay.under_way.fetch_add(1, std::memory_order_relaxed);  // before anybody can finish it
    job->done = [this, self = share(replay)](const ShadowTotals& totals, std::string error) {
        {
            std::lock_guard lock(mutex_);
            self->state.progress.shadow.add(totals);
            if (self->state.progress.error.empty()) self->state.progress.error = std::move(error);
        }
        self->under_way.fetch_sub(1, std::memory_order_release);  // pairs with the acquire in step
        deps_.wake();
    };
    replay.shadow_job = std::move(job);
    flush_jobs(replay);
}

void ReplayRunner::deliver_to_lanes(Running& replay, const std::vector<DeliveryItem>& due) {
    ColdBlock split = split_by_lane(replay.block, due, deps_.lanes);
    for (auto& [lane, job] : split.jobs) {
        job->kind = JobKind::kReplay;
        job->replay_id = replay.state.progress.id;
        replay.under_way.fetch_add(1, std::memory_order_relaxed);  // before anybody can finish it
        job->finished = [self = share(replay), wake = deps_.wake](std::uint64_t delivered,
                                                                  std::uint64_t failed) {
            self->delivered.fetch_add(delivered, std::memory_order_relaxed);
            self->failed.fetch_add(failed, std::memory_order_relaxed);
            // pairs with the acquire in step
            self->under_way.fetch_sub(1, std::memory_order_release);
            wake();
        };
        replay.refused.emplace_back(lane, std::move(job));
    }
    flush_jobs(replay);
}

void ReplayRunner::flush_jobs(Running& replay) {
    if (replay.shadow_job) deps_.shadow->submit(replay.shadow_job);
    std::erase_if(replay.refused,
                  [this](auto& entry) { return deps_.submit_aside(entry.first, entry.second); });
}

void ReplayRunner::settle_block(Running& replay) {
    {
        std::lock_guard lock(mutex_);
        replay.state.next[replay.shard] = replay.block.end_offset();
        ReplayProgress& progress = replay.state.progress;
        completed_.add(replay.delivered.load(std::memory_order_relaxed) - progress.delivered);
        failed_.add(replay.failed.load(std::memory_order_relaxed) - progress.failed);
        progress.delivered = replay.delivered.load(std::memory_order_relaxed);
        progress.failed = replay.failed.load(std::memory_order_relaxed);
    }
    replay.block = {};
    if (std::string error = error_of(replay); !error.empty())
        return finish(replay, "failed", std::move(error));
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (now_ns - replay.persisted_ns < kPersistUs * 1000) return;
    replay.persisted_ns = now_ns;
    (void)persist(replay);
}

std::string ReplayRunner::error_of(const Running& replay) {
    std::lock_guard lock(mutex_);
    return replay.state.progress.error;
}

core::Status ReplayRunner::persist(Running& replay) {
    std::lock_guard in_order(persist_mutex_);
    std::string document;
    const std::int64_t now_us = deps_.clock->wall_us();
    {
        std::lock_guard lock(mutex_);
        replay.state.progress.updated_at_us = now_us;
        document = replay_document(replay.state);
    }
    store::RowBatch rows;
    rows.put_registry(kReplayKind, replay.state.progress.id, 1, now_us, document);
    auto written = deps_.database->write_now(rows);
    if (!written) {
        deps_.log->error("replay: its state can't be kept",
                         {{"id", replay.state.progress.id}, {"error", written.error().message}});
    }
    return written;
}

void ReplayRunner::finish(Running& replay, std::string status, std::string error) {
    {
        std::lock_guard lock(mutex_);
        // Who cancelled it was told so already.
        if (replay.state.progress.status != "cancelled") {
            replay.state.progress.status = std::move(status);
            replay.state.progress.error = std::move(error);
        }
        replay.state.progress.delivered = replay.delivered.load(std::memory_order_relaxed);
        replay.state.progress.failed = replay.failed.load(std::memory_order_relaxed);
    }
    (void)persist(replay);
    if (replay.state.spec.dry_run) deps_.shadow->end(replay.state.progress.id);
    std::lock_guard lock(mutex_);
    running_.erase(replay.state.progress.id);
}

std::int64_t ReplayRunner::sleep_us_max() {
    std::lock_guard lock(mutex_);
    return running_.empty() ? std::numeric_limits<std::int64_t>::max() : kPaceTickUs;
}

}  // namespace millrace::runtime
