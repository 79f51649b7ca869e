// The feeder's side: reading, choosing, handing over, settling.
#include "runtime/delivery/lane_split.h"
#include "runtime/replay/replay_runner.h"
#include "store/log/log_reader.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

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
    if (replay.ending.empty() && is_cancelled(replay)) {
        replay.ending = "cancelled";
        drop_refused(replay);
    }
    const bool handed_over = flush_jobs(replay);
    std::size_t done = settle_blocks(replay);
    if (!replay.ending.empty()) {
        // acquire: see ReplayBlock::ended()
        if (replay.jobs.load(std::memory_order_acquire) != 0) return done;
        done += settle_blocks(replay);
        if (std::string error = error_of(replay); !error.empty()) {
            replay.ending = "failed";
            replay.ending_error = std::move(error);
        }
        finish(replay, replay.ending, replay.ending_error);
        return done + 1;
    }
    if (!handed_over || waits_to_be_read(replay)) return done;
    std::size_t read = 0;
    while (read < kEventsPerTurn) {
        if (replay.blocks.empty() || replay.blocks.back()->left() == 0) {
            const std::size_t events = next_block(replay, matcher);
            if (events == 0) break;
            read += events;
            ++done;
        }
        if (replay.blocks.empty()) continue;  // retention took it
        ReplayBlock& block = *replay.blocks.back();
        done += deliver_due(replay, block);
        if (block.left() != 0 || !replay.refused.empty() || replay.shadow_job) break;
    }
    return done;
}

// One that does not read now would be passed over, and get nothing of what it was to get.
bool ReplayRunner::waits_to_be_read(const Running& replay) const {
    const std::vector<core::SubscriptionId>& only = replay.state.spec.subscriptions;
    if (only.empty()) return false;
    const RegistrySnapshotRef registry = deps_.registry();
    return std::any_of(only.begin(), only.end(),
                       [&](core::SubscriptionId one) { return registry->may_be_set_aside(one); });
}

bool ReplayRunner::is_cancelled(const Running& replay) {
    std::lock_guard lock(mutex_);
    return replay.state.progress.status == "cancelled";
}

// They were never handed over.
void ReplayRunner::drop_refused(Running& replay) {
    const auto drop = [&](const store::EventBlock& events, std::size_t deliveries) {
        const auto block =
            std::find_if(replay.blocks.begin(), replay.blocks.end(), [&](const auto& one) {
                return one->shard == events.shard() && one->end == events.end_offset();
            });
        // Not ended(): its place is not passed.
        (*block)->next_item -= deliveries;
        end_job(replay, **block, {deliveries, events.body().size()});
    };
    for (const auto& [lane, job] : replay.refused) drop(job->block, job->items.size());
    replay.refused.clear();
    if (replay.shadow_job) drop(replay.shadow_job->block, replay.shadow_job->items.size());
    replay.shadow_job.reset();
}

// The shard to go on with; their count when all are done. At the original pace the one whose next
// event came first: shards were filled side by side. Else one after the other.
std::size_t ReplayRunner::next_shard(const Running& replay) {
    const ReplayState& state = replay.state;
    const std::size_t none = replay.read.size();
    std::size_t chosen = none;
    std::int64_t chosen_us = 0;
    for (std::size_t i = 0; i < none; ++i) {
        if (replay.read[i] >= state.end[i]) continue;
        if (state.spec.pace != ReplayPace::kOriginal) return i;
        const core::ShardId shard(static_cast<std::uint16_t>(i));
        const auto block = deps_.database->log_reader().read_block(shard, replay.read[i]);
        if (!block || !*block) return i;  // told, or stepped over, by the caller
        const core::LogOffset first = std::max(replay.read[i], block->first_offset());
        const std::int64_t us = block->record(block->index_of(first)).received_at_us;
        if (chosen == none || us < chosen_us) {
            chosen = i;
            chosen_us = us;
        }
    }
    return chosen;
}

// The number of events that were read; 0: not now, or it is ending.
std::size_t ReplayRunner::next_block(Running& replay, BlockMatcher& matcher) {
    if (replay.blocks.size() >= kBlocksMax) return 0;
    const std::size_t index = next_shard(replay);
    if (index == replay.read.size()) {
        replay.ending = "completed";
        return 0;
    }
    const core::ShardId shard(static_cast<std::uint16_t>(index));
    auto events = deps_.database->log_reader().read_block(shard, replay.read[index]);
    if (!events) {
        replay.ending = "failed";
        replay.ending_error = events.error().message;
        return 0;
    }
    if (!*events) {  // retention took the rest
        std::lock_guard lock(mutex_);
        replay.read[index] = replay.state.end[index];
        return 1;
    }
    if (before_first_delivery(replay, *events) || !may_begin(replay, *events)) return 0;
    const std::size_t count = events->count();
    take_block(replay, std::move(*events), matcher);
    return replay.ending.empty() ? count : 0;
}

bool ReplayRunner::before_first_delivery(const Running& replay,
                                         const store::EventBlock& block) const {
    return deps_.delivered && !replay.state.spec.dry_run &&
           deps_.delivered(block.shard()) < block.end_offset();
}

// Only what the record on the disk allows: after a start it says how far to look for outcomes.
bool ReplayRunner::may_begin(Running& replay, const store::EventBlock& block) {
    const std::size_t shard = block.shard().value;
    if (replay.state.spec.dry_run) return true;
    const auto allowed = [&] {
        std::lock_guard lock(mutex_);
        return std::min(block.end_offset(), replay.state.end[shard]) <= replay.allowed[shard];
    };
    if (allowed()) return true;
    {
        // Retention may have taken what was between.
        std::lock_guard lock(mutex_);
        replay.read[shard] = std::max(replay.read[shard], block.first_offset());
    }
    return persist(replay) && allowed();
}

void ReplayRunner::take_block(Running& replay, store::EventBlock&& events, BlockMatcher& matcher) {
    const std::size_t shard = events.shard().value;
    auto block = std::make_shared<ReplayBlock>();
    block->shard = events.shard();
    block->end = events.end_offset();
    block->events = std::move(events);
    const RegistrySnapshotRef registry = deps_.registry();
    replay.choice->choose(matcher,
                          {.from = replay.read[shard],
                           .end = replay.state.end[shard],
                           .registry = registry.get(),
                           .now_us = deps_.clock->wall_us()},
                          *block);
    if (shard < replay.asked.size() && block->events.first_offset() < replay.asked[shard]) {
        if (auto left_out =
                ReplayChoice::leave_out_done(*deps_.database, replay.state.progress.id, *block);
            !left_out) {
            replay.ending = "failed";
            replay.ending_error = left_out.error().message;
            return;
        }
    }
    if (block->items.empty()) block->events = {};
    std::lock_guard lock(mutex_);
    replay.read[shard] = block->end;
    replay.blocks.push_back(std::move(block));
}

bool ReplayRunner::has_room(const Running& replay, const UnderWay& more) const {
    // Bounds: what the others count down meanwhile is seen at the next turn.
    if (replay.jobs.load(std::memory_order_relaxed) == 0) return true;
    return jobs_.load(std::memory_order_relaxed) < kJobsMax &&
           replay.deliveries.load(std::memory_order_relaxed) + more.deliveries <= kDeliveriesMax &&
           replay.bytes.load(std::memory_order_relaxed) + more.bytes <= kBytesMax;
}

std::size_t ReplayRunner::deliver_due(Running& replay, ReplayBlock& block) {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    ReplayPacer pacer = replay.pacer;
    std::size_t end = block.next_item;
    for (; end < block.items.size(); ++end) {
        const store::StoredEvent event = block.events.event(block.items[end].event_index);
        if (!pacer.let_through(replay.state.spec, event.position, event.received_at_us, now_ns))
            break;
    }
    const std::size_t count = end - block.next_item;
    if (count == 0 || !has_room(replay, {count, block.events.body().size()})) return 0;
    replay.pacer = pacer;
    std::vector<DeliveryItem> due(
        block.items.begin() + static_cast<std::ptrdiff_t>(block.next_item),
        block.items.begin() + static_cast<std::ptrdiff_t>(end));
    block.next_item = end;
    if (replay.state.spec.dry_run) {
        deliver_in_shadow(replay, block, std::move(due));
    } else {
        deliver_to_lanes(replay, block, due);
    }
    if (block.left() == 0) block.events = {};
    return count;
}

std::shared_ptr<ReplayRunner::Running> ReplayRunner::share(const Running& replay) {
    std::lock_guard lock(mutex_);
    return running_.find(replay.state.progress.id)->second;
}

// Before anybody can finish it.
void ReplayRunner::begin_job(Running& replay, ReplayBlock& block, const UnderWay& job) {
    block.jobs.fetch_add(1, std::memory_order_relaxed);
    replay.jobs.fetch_add(1, std::memory_order_relaxed);
    replay.deliveries.fetch_add(job.deliveries, std::memory_order_relaxed);
    replay.bytes.fetch_add(job.bytes, std::memory_order_relaxed);
    jobs_.fetch_add(1, std::memory_order_relaxed);
}

// On any thread.
void ReplayRunner::end_job(Running& replay, ReplayBlock& block, const UnderWay& job) {
    jobs_.fetch_sub(1, std::memory_order_relaxed);
    replay.bytes.fetch_sub(job.bytes, std::memory_order_relaxed);
    replay.deliveries.fetch_sub(job.deliveries, std::memory_order_relaxed);
    // release: what came of it is counted; pairs with ReplayBlock::ended() and step()
    block.jobs.fetch_sub(1, std::memory_order_release);
    replay.jobs.fetch_sub(1, std::memory_order_release);
}

void ReplayRunner::deliver_in_shadow(Running& replay, ReplayBlock& block,
                                     std::vector<DeliveryItem>&& due) {
    auto job = std::make_unique<ShadowJob>();
    job->replay_id = replay.state.progress.id;
    job->spec = replay.state.spec.shadow;
    job->block = block.events;
    job->items = std::move(due);
    job->registry = deps_.registry();
    const UnderWay under_way{job->items.size(), job->block.body().size()};
    begin_job(replay, block, under_way);
    job->done = [this, self = share(replay), shared = replay.blocks.back(), under_way](
                    const ShadowTotals& totals, std::string error) {
        {
            std::lock_guard lock(mutex_);
            self->state.progress.shadow.add(totals);
            if (self->state.progress.error.empty()) self->state.progress.error = std::move(error);
        }
        end_job(*self, *shared, under_way);
        deps_.wake();
    };
    replay.shadow_job = std::move(job);
    flush_jobs(replay);
}

void ReplayRunner::deliver_to_lanes(Running& replay, ReplayBlock& block,
                                    const std::vector<DeliveryItem>& due) {
    ColdBlock split = split_by_lane(block.events, due, deps_.lanes);
    for (auto& [lane, job] : split.jobs) {
        job->kind = JobKind::kReplay;
        job->replay_id = replay.state.progress.id;
        const UnderWay under_way{job->items.size(), block.events.body().size()};
        begin_job(replay, block, under_way);
        job->finished = [this, self = share(replay), shared = replay.blocks.back(), under_way](
                            std::uint64_t delivered, std::uint64_t failed) {
            shared->delivered.fetch_add(delivered, std::memory_order_relaxed);
            shared->failed.fetch_add(failed, std::memory_order_relaxed);
            end_job(*self, *shared, under_way);
            deps_.wake();
        };
        replay.refused.emplace_back(lane, std::move(job));
    }
    flush_jobs(replay);
}

// Whether all is handed over.
bool ReplayRunner::flush_jobs(Running& replay) {
    if (replay.shadow_job) deps_.shadow->submit(replay.shadow_job);
    std::erase_if(replay.refused,
                  [this](auto& entry) { return deps_.submit_aside(entry.first, entry.second); });
    return replay.refused.empty() && !replay.shadow_job;
}

// In the order in which they were read: below `next` nothing is under way.
std::size_t ReplayRunner::settle_blocks(Running& replay) {
    std::size_t settled = 0;
    for (; !replay.blocks.empty() && replay.blocks.front()->ended(); ++settled) {
        const ReplayBlock& block = *replay.blocks.front();
        count(block);
        std::lock_guard lock(mutex_);
        replay.state.progress.add(block.so_far());
        replay.state.next[block.shard.value] = block.end;
        replay.blocks.pop_front();
        replay.settled_some = true;
    }
    if (!replay.ending.empty()) return settled;
    if (std::string error = error_of(replay); !error.empty()) {
        replay.ending = "failed";
        replay.ending_error = std::move(error);
        return settled;
    }
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (!replay.settled_some || now_ns - replay.persisted_ns < kPersistUs * 1000) return settled;
    replay.persisted_ns = now_ns;
    replay.settled_some = false;
    (void)persist(replay);
    return settled;
}

}  // namespace millrace::runtime
