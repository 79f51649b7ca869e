#include "runtime/feed/retry_feed.h"

#include "runtime/delivery/attempt_record.h"
#include "runtime/delivery/outcome_writer.h"
#include "runtime/delivery/placement.h"
#include "store/log/log_reader.h"
#include "store/rows/dead_letters.h"
#include "store/rows/retry_schedule.h"

#include <algorithm>
#include <limits>

namespace millrace::runtime {

std::unique_ptr<LaneJob> RetryFeed::make_job(const store::DeliveryKey& delivery) {
    auto event = deps_.database->log_reader().read_event(delivery.position);
    if (!event) {
        deps_.log->error("retry: the event can't be read; the delivery waits",
                         {{"shard", delivery.position.shard.value},
                          {"offset", delivery.position.offset.value},
                          {"error", event.error().message}});
        return nullptr;
    }
    auto job = std::make_unique<LaneJob>();
    job->items.push_back({0, delivery.subscription});
    if (*event) job->single = std::move(**event);
    return job;
}

core::Status RetryFeed::load_keys() {
    return deps_.database->retries().visit_due(
        std::numeric_limits<std::int64_t>::max(), [this](const store::RetryRow& row) {
            const store::DeliveryKey& key = row.delivery;
            if (const auto hash = held_key_of(row.state)) {
                deps_.restore_head(lane_of(*hash, deps_.lanes),
                                   {key.subscription, *hash, key.position});
            }
            return true;
        });
}

bool RetryFeed::submit(std::unique_ptr<LaneJob> job) {
    const std::uint32_t hash = job->single ? job->single->event.key_hash : job->lost.key_hash;
    return deps_.submit_aside(lane_of(hash, deps_.lanes), job);
}

// The lane removes the row, and lets the next of its key go where it was the head.
void RetryFeed::give_up(LaneJob& job, const store::RetryRow& row, std::string_view state) {
    deps_.log->error("retry: the event is no longer kept; the delivery is given up",
                     {{"shard", row.delivery.position.shard.value},
                      {"offset", row.delivery.position.offset.value}});
    job.kind = JobKind::kLostEvent;
    job.items.clear();
    job.lost = {row.delivery.subscription, held_key_of(state).value_or(0), row.delivery.position};
}

std::size_t RetryFeed::feed_due() {
    std::vector<store::OwnedRetry> due;
    {
        std::lock_guard lock(mutex_);
        // Only here, before the scan takes its view of the rows: a row whose attempt ends while
        // the scan goes on still stands in that view, and must still be known as under way.
        for (const RetryKey& key : finished_) under_way_.erase(key);
        finished_.clear();
        if (under_way_.size() >= kUnderWayMax) return 0;
    }
    const auto visited = deps_.database->retries().visit_due(
        deps_.clock->wall_us(), [&](const store::RetryRow& row) {
            std::lock_guard lock(mutex_);
            if (under_way_.size() + due.size() >= kUnderWayMax) return false;
            if (under_way_.contains({row.due_at_us, row.delivery})) return true;
            due.push_back({row, {row.state.begin(), row.state.end()}});
            return true;
        });
    if (!visited)
        deps_.log->error("retry: due rows can't be read", {{"error", visited.error().message}});
    std::size_t fed = 0;
    for (store::OwnedRetry& retry : due) {
        auto job = make_job(retry.row.delivery);
        if (!job) continue;
        const std::string_view state(retry.bytes.data(), retry.bytes.size());
        const RetryKey key{retry.row.due_at_us, retry.row.delivery};
        job->kind = JobKind::kRetry;
        job->retry_due_at_us = retry.row.due_at_us;
        job->earlier = decode_retry_state(state, retry.row.attempt, retry.row.created_at_us);
        if (!job->single) give_up(*job, retry.row, state);
        job->finished = [this, key](std::uint64_t, std::uint64_t) {
            {
                std::lock_guard lock(mutex_);
                finished_.push_back(key);
            }
            deps_.wake();
        };
        {
            std::lock_guard lock(mutex_);
            under_way_.insert(key);
        }
        if (!submit(std::move(job))) {
            std::lock_guard lock(mutex_);
            under_way_.erase(key);
            break;
        }
        ++fed;
    }
    return fed;
}

void RetryFeed::redrive(std::vector<store::DeadLetterKey>&& keys, double per_second) {
    {
        std::lock_guard lock(mutex_);
        const std::int64_t now_ns = deps_.clock->monotonic_ns();
        const double gap_ns = per_second > 0 ? 1e9 / per_second : 0;
        for (std::size_t i = 0; i < keys.size(); ++i) {
            if (!redriven_.insert(keys[i]).second) continue;  // on its way already
            redrives_.push_back(
                {keys[i], now_ns + static_cast<std::int64_t>(gap_ns * static_cast<double>(i))});
        }
    }
    deps_.wake();
}

std::size_t RetryFeed::feed_redrives() {
    std::size_t fed = 0;
    for (;;) {
        Redrive next;
        {
            std::lock_guard lock(mutex_);
            if (redrives_.empty() || redrives_.front().not_before_ns > deps_.clock->monotonic_ns())
                return fed;
            next = redrives_.front();
        }
        const auto done = [this](const store::DeadLetterKey& key) {
            std::lock_guard lock(mutex_);
            redriven_.erase(key);
        };
        auto letter = deps_.database->dead_letters().get(next.key);
        std::unique_ptr<LaneJob> job;
        if (letter && *letter) job = make_job(next.key.delivery);
        if (job && job->single) {
            job->kind = JobKind::kRedrive;
            job->redrive = next.key;
            job->earlier.history = (*letter)->row.attempts;
            job->earlier.replay_id = decode_letter_replay((*letter)->row.extra);
            job->earlier.made = attempts_made_in(job->earlier.history);
            // Every failed attempt but the first was a retry.
            job->earlier.counted = job->earlier.made == 0 ? 0 : (*letter)->row.retry_count + 1;
            job->earlier.created_at_us = next.key.created_at_us;
            job->finished = [done, key = next.key](std::uint64_t, std::uint64_t) { done(key); };
            if (!submit(std::move(job))) return fed;
            ++fed;
        } else {
            done(next.key);
        }
        std::lock_guard lock(mutex_);
        redrives_.pop_front();
    }
}

std::size_t RetryFeed::do_work() { return feed_due() + feed_redrives(); }

std::int64_t RetryFeed::sleep_us_max() {
    {
        std::lock_guard lock(mutex_);
        if (!redrives_.empty()) return kPollUsMax;
    }
    // A row may be put while we sleep, and fall due at once.
    if (deps_.database->retries().count() == 0) return kPollUsMax;
    const auto next_us = deps_.database->retries().next_due_us();
    const std::int64_t wait_us = next_us ? *next_us - deps_.clock->wall_us() : 0;
    // What is due already is under way: its end wakes us.
    return wait_us <= 0 ? kPollUsMax : std::clamp(wait_us, kPollUsMin, kPollUsMax);
}

}  // namespace millrace::runtime
