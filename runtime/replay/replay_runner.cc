#include "runtime/replay/replay_runner.h"

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

std::string range_json(const ReplayState& state) {
    if (state.first.empty()) return {};
    std::string out = "[";
    for (std::size_t i = 0; i < state.first.size(); ++i) {
        if (i != 0) out += ',';
        out += "{\"shard\":" + std::to_string(i) +
               ",\"from\":" + std::to_string(state.first[i].value) +
               ",\"to\":" + std::to_string(state.end[i].value) + "}";
    }
    return out + "]";
}

}  // namespace

// Jobs that nobody took hold their replay.
ReplayRunner::~ReplayRunner() {
    for (auto& [id, replay] : running_) {
        replay->refused.clear();
        replay->shadow_job.reset();
    }
}

core::Status ReplayRunner::load(const FindScriptVersion& find, SetAside& aside) {
    auto documents = deps_.database->registry().load_all(kReplayKind);
    if (!documents) return core::fail(std::move(documents.error()));
    for (const store::RegistryDocument& document : *documents) {
        auto state = parse_replay_document(document.json);
        if (state) remember(*state);
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
        static_cast<ReplayTally&>(state.progress) = {};
        state.progress.shadow = {};
        state.next = state.begun = state.first;
        if (state.first.empty()) {
            if (auto found = find_range(state); !found) return found;
        }
    }
    replay->state = std::move(state);
    if (auto armed = arm(*replay); !armed) return armed;
    if (!replay->state.spec.dry_run) replay->asked = replay->state.begun;
    running_.emplace(document.id, std::move(replay));
    return {};
}

core::Status ReplayRunner::arm(Running& replay) {
    auto choice = ReplayChoice::make(replay.state.spec);
    if (!choice) return core::fail(std::move(choice.error()));
    replay.choice = std::move(*choice);
    replay.read = replay.kept = replay.state.next;
    replay.allowed = replay.state.begun;
    replay.persisted_ns = deps_.clock->monotonic_ns();
    return {};
}

core::Result<std::string> ReplayRunner::start(ReplaySpec&& spec, const std::string& id) {
    const auto there = is_there(spec, id);
    if (!there) return core::fail(there.error());
    if (*there) return id;
    auto replay = std::make_shared<Running>();
    ReplayState& state = replay->state;
    state.progress.id = id;
    state.progress.tenant = spec.tenant;
    state.progress.status = "running";
    state.progress.document = spec.document;
    state.progress.updated_at_us = deps_.clock->wall_us();
    state.progress.created_at_us =
        spec.created_at_us != 0 ? spec.created_at_us : state.progress.updated_at_us;
    const auto beside = std::exchange(spec.beside, {});
    state.spec = std::move(spec);
    state.progress.dry_run = state.spec.dry_run;
    if (auto admitted = admit(state.spec.tenant); !admitted)
        return core::fail(std::move(admitted.error()));
    if (auto found = find_range(state); !found) return core::fail(std::move(found.error()));
    if (auto armed = arm(*replay); !armed) return core::fail(std::move(armed.error()));
    if (state.spec.dry_run) forget_old_dry_runs(state.spec.tenant);
    // Whoever is told its id may rely on it: it is there after a restart, too.
    if (auto kept = persist(*replay, {}, beside); !kept) return core::fail(std::move(kept.error()));
    {
        std::lock_guard lock(mutex_);
        remember(state);
        running_.emplace(id, std::move(replay));
    }
    deps_.wake();
    return id;
}

core::Result<bool> ReplayRunner::is_there(const ReplaySpec& spec, const std::string& id) {
    if (spec.id.empty()) return false;  // it was made just now
    const auto own = progress(spec.tenant, id);
    if (own && own->document == spec.document) return true;
    if (!own) {
        const auto row = deps_.database->registry().get(kReplayKind, id);
        if (!row) return core::fail(row.error());
        if (!*row) return false;
    }
    return core::fail(asked_otherwise(id));
}

core::Error ReplayRunner::asked_otherwise(std::string_view id) {
    return core::Error(core::ErrorCode::kConflict,
                       "id: \"" + std::string(id) + "\" is a replay that was asked for otherwise")
        .in("id");
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

// Where each shard begins, and where it ends: the log's end as it is now, at most, or as it was
// when its events were counted.
core::Status ReplayRunner::find_range(ReplayState& state) {
    ReplaySpec& spec = state.spec;
    if (!spec.ranges.empty()) {
        spec.from_us = 0;
        spec.to_us = std::numeric_limits<std::int64_t>::max();
    }
    state.first.clear();
    state.end.clear();
    for (std::size_t i = 0; i < deps_.database->shards(); ++i) {
        const core::ShardId shard(static_cast<std::uint16_t>(i));
        core::LogOffset end = deps_.database->durable_end(shard);
        if (i < spec.counted_to.size()) end = std::min(end, spec.counted_to[i]);
        if (spec.ranges.empty()) {
            auto from = deps_.database->log_reader().offset_at_time(shard, spec.from_us);
            if (!from) return core::fail(std::move(from.error()));
            state.first.push_back(*from);
            state.end.push_back(end);
        } else {
            const LogRange range = i < spec.ranges.size() ? spec.ranges[i] : LogRange{};
            state.first.push_back(std::min(range.from, end));
            state.end.push_back(std::min(range.to, end));
        }
    }
    state.next = state.begun = state.first;  // persist() moves `begun` on
    return {};
}

void ReplayRunner::remember(const ReplayState& state) {
    const bool running = state.progress.status == "running";
    history_.add(state.spec.tenant,
                 {.created_at_us = state.progress.created_at_us,
                  .id = state.progress.id,
                  .running = running,
                  .has_differences =
                      state.spec.dry_run && (running || state.progress.shadow.different > 0)});
}

void ReplayRunner::forget_old_dry_runs(core::TenantId tenant) {
    std::vector<std::string> old;
    {
        std::lock_guard lock(mutex_);
        old = history_.old_differences(tenant);
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
            return progress_of(*it->second);
        }
    }
    auto document = deps_.database->registry().get(kReplayKind, id);
    if (!document) return core::fail(std::move(document.error()));
    if (!*document) return missing();
    auto state = parse_replay_document((*document)->json);
    if (!state) return core::fail(std::move(state.error()));
    if (state->spec.tenant != tenant) return missing();
    state->progress.position = position_json(state->next);
    state->progress.range = range_json(*state);
    return state->progress;
}

// Under mutex_: with what is under way.
ReplayProgress ReplayRunner::progress_of(const Running& replay) const {
    ReplayProgress progress = replay.state.progress;
    for (const auto& block : replay.blocks) progress.add(block->so_far());
    progress.position = position_json(replay.state.next);
    progress.range = range_json(replay.state);
    return progress;
}

core::Status ReplayRunner::cancel(core::TenantId tenant, std::string_view id,
                                  const std::function<void(store::RowBatch&)>& beside) {
    std::shared_ptr<Running> running;
    {
        std::lock_guard lock(mutex_);
        const auto it = running_.find(id);
        if (it != running_.end() && it->second->state.spec.tenant == tenant &&
            it->second->state.progress.status == "running") {
            running = it->second;
            running->state.progress.status = "cancelled";
        }
    }
    if (running) {
        deps_.wake();
        return persist(*running, {}, [&beside](store::RowBatch& rows, std::string_view) {
            if (beside) beside(rows);
        });
    }
    auto there = progress(tenant, id);
    if (!there) return core::fail(std::move(there.error()));
    if (there->status == "cancelled") return {};
    return core::fail(core::ErrorCode::kConflict,
                      "replay '" + there->id + "' is " + there->status + " already");
}

core::Result<ReplayPage> ReplayRunner::list(core::TenantId tenant, std::string_view behind,
                                            std::size_t limit) {
    core::Result<ReplayHistory::Page> ids;
    {
        std::lock_guard lock(mutex_);
        ids = history_.page(tenant, behind, limit);
    }
    if (!ids) return core::fail(std::move(ids.error()));
    ReplayPage page;
    page.next = std::move(ids->next);
    for (const std::string& id : ids->ids) {
        // One that has left meanwhile is no part of the list any more.
        if (auto one = progress(tenant, id)) page.replays.push_back(std::move(*one));
    }
    return page;
}

std::vector<core::LogOffset> ReplayRunner::floors() {
    std::lock_guard lock(mutex_);
    std::vector<core::LogOffset> floors(deps_.database->shards(), core::LogOffset{UINT64_MAX});
    for (const auto& [id, replay] : running_) {
        // What lies behind the place on record may be counted again from its outcomes.
        for (std::size_t i = 0; i < replay->kept.size() && i < floors.size(); ++i) {
            if (replay->kept[i] < replay->state.end[i])
                floors[i] = std::min(floors[i], replay->kept[i]);
        }
    }
    return floors;
}

void ReplayRunner::count(const ReplayBlock& block) const {
    completed_.add(block.delivered.load(std::memory_order_relaxed));
    failed_.add(block.failed.load(std::memory_order_relaxed));
}

// Of a dry run: why it can't go on.
std::string ReplayRunner::error_of(const Running& replay) {
    if (!replay.state.spec.dry_run) return {};
    std::lock_guard lock(mutex_);
    return replay.state.progress.error;
}

core::Status ReplayRunner::persist(
    Running& replay, const std::vector<ReplayHistory::Entry>& leaving,
    const std::function<void(store::RowBatch&, std::string_view id)>& beside) {
    std::lock_guard in_order(persist_mutex_);
    std::string document;
    const std::int64_t now_us = deps_.clock->wall_us();
    std::vector<core::LogOffset> next, begun;
    {
        std::lock_guard lock(mutex_);
        ReplayState& state = replay.state;
        for (std::size_t i = 0; i < replay.read.size(); ++i) {
            const core::LogOffset ahead{replay.read[i].value + deps_.begun_ahead};
            state.begun[i] = std::max(state.begun[i], std::min(ahead, state.end[i]));
        }
        state.progress.updated_at_us = now_us;
        document = replay_document(state);
        next = state.next;
        begun = state.begun;
    }
    store::RowBatch rows;
    rows.put_registry(kReplayKind, replay.state.progress.id, 1, now_us, document);
    for (const ReplayHistory::Entry& entry : leaving) rows.erase_registry(kReplayKind, entry.id);
    if (beside) beside(rows, replay.state.progress.id);
    auto written = deps_.database->write_now(rows);
    if (!written) {
        deps_.log->error("replay: its state can't be kept",
                         {{"id", replay.state.progress.id}, {"error", written.error().message}});
        return written;
    }
    std::lock_guard lock(mutex_);
    replay.kept = std::move(next);
    replay.allowed = std::move(begun);
    return {};
}

void ReplayRunner::finish(Running& replay, const std::string& status, const std::string& error) {
    std::vector<ReplayHistory::Entry> leaving;
    {
        std::lock_guard lock(mutex_);
        ReplayProgress& progress = replay.state.progress;
        // Who cancelled it was told so already.
        if (progress.status != "cancelled") {
            progress.status = status;
            progress.error = error;
        }
        // Of a block that was begun and is not ended.
        for (const auto& block : replay.blocks) {
            count(*block);
            progress.add(block->so_far());
        }
        replay.blocks.clear();
        leaving = history_.end(replay.state.spec.tenant, progress.id);
    }
    (void)persist(replay, leaving);
    std::vector<std::string> forgotten;
    for (ReplayHistory::Entry& entry : leaving) {
        if (entry.has_differences) forgotten.push_back(std::move(entry.id));
    }
    if (!forgotten.empty()) deps_.shadow->forget(std::move(forgotten));
    if (replay.state.spec.dry_run) deps_.shadow->end(replay.state.progress.id);
    std::lock_guard lock(mutex_);
    running_.erase(replay.state.progress.id);
}

std::int64_t ReplayRunner::sleep_us_max() {
    std::lock_guard lock(mutex_);
    return running_.empty() ? std::numeric_limits<std::int64_t>::max() : kPaceTickUs;
}

}  // namespace millrace::runtime
