#include "runtime/feed/parked_feed.h"

#include "runtime/delivery/outcome_writer.h"
#include "runtime/delivery/placement.h"
#include "store/log/log_reader.h"
#include "store/rows/retry_schedule.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace millrace::runtime {

core::Status ParkedFeed::load_keys() {
    return deps_.database->retries().visit_parked_keys(
        [this](core::SubscriptionId subscription, std::uint32_t key_hash) {
            const std::uint32_t lane = lane_of(key_hash, deps_.lanes);
            if (const auto request = deps_.restore_parked(lane, subscription, key_hash))
                drain(*request);
        });
}

void ParkedFeed::drain(const DrainRequest& request) {
    {
        std::lock_guard lock(mutex_);
        waiting_.push_back({request, 0});
    }
    deps_.wake();
}

bool ParkedFeed::under_way(core::SubscriptionId subscription) {
    std::lock_guard lock(mutex_);
    return in_lanes_.contains(subscription.value);
}

std::int64_t ParkedFeed::sleep_us_max() {
    std::lock_guard lock(mutex_);
    return waiting_.empty() && !any_refused() ? std::numeric_limits<std::int64_t>::max() : kAgainUs;
}

std::uint32_t ParkedFeed::lane_for(const DrainRequest& request) const {
    return lane_of(request.key_hash, deps_.lanes);
}

std::size_t ParkedFeed::submit_refused() {
    std::size_t done = 0;
    for (std::uint32_t lane = 0; any_refused() && lane < refused_.size(); ++lane) {
        if (!refused_[lane] || !deps_.submit_aside(lane, refused_[lane])) continue;
        refused_[lane].reset();
        --refused_count_;
        ++done;
    }
    return done;
}

std::optional<DrainRequest> ParkedFeed::next_request() {
    std::lock_guard lock(mutex_);
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    for (std::size_t i = std::min(waiting_.size(), kLooksPerTurn); i > 0; --i) {
        const Waiting next = waiting_.front();
        waiting_.pop_front();
        const bool room = !any_refused() || !refused_[lane_for(next.request)];
        if (room && next.not_before_ns <= now_ns) return next.request;
        waiting_.push_back(next);  // others may be due
    }
    return std::nullopt;
}

void ParkedFeed::ask_again(const DrainRequest& request, std::int64_t in_us) {
    std::lock_guard lock(mutex_);
    waiting_.push_back({request, deps_.clock->monotonic_ns() + in_us * 1000});
}

// False when the event can't be read now.
bool ParkedFeed::add(LaneJob& job, const store::RetryRow& row) {
    auto event = deps_.database->log_reader().read_event(row.delivery.position);
    if (!event) {
        deps_.log->error("parked: the event can't be read; its key waits",
                         {{"shard", row.delivery.position.shard.value},
                          {"offset", row.delivery.position.offset.value},
                          {"error", event.error().message}});
        return false;
    }
    if (!*event) return true;  // erased by read()
    job.items.push_back({static_cast<std::uint32_t>(job.parked.size()), row.delivery.subscription});
    job.parked.push_back(
        {std::move(**event), decode_retry_state(row.state, row.attempt, row.created_at_us)});
    return true;
}

void ParkedFeed::erase(const std::vector<store::RetryRow>& lost) {
    if (lost.empty()) return;
    store::RowBatch rows;
    for (const store::RetryRow& row : lost) {
        deps_.log->error("parked: the event is no longer kept; the delivery is given up",
                         {{"shard", row.delivery.position.shard.value},
                          {"offset", row.delivery.position.offset.value}});
        rows.erase_parked(row.key_hash, row.tenant, row.delivery);
    }
    if (auto written = deps_.database->write_now(rows); !written)
        deps_.log->error("parked: rows can't be removed", {{"error", written.error().message}});
}

std::unique_ptr<LaneJob> ParkedFeed::read(const DrainRequest& request) {
    auto job = std::make_unique<LaneJob>();
    job->kind = JobKind::kParked;
    job->drain = request;
    std::vector<store::RetryRow> lost;
    std::size_t bytes = 0;
    bool readable = true;
    const auto complete = deps_.database->retries().visit_parked(
        request.subscription, request.key_hash, request.from, [&](const store::RetryRow& row) {
            if (job->parked.size() == kRowsMax || bytes >= kBytesMax) return false;
            const std::size_t before = job->parked.size();
            readable = add(*job, row);
            if (!readable) return false;
            if (job->parked.size() == before)
                lost.push_back(row);
            else
                bytes += job->parked.back().event.event.raw.size();
            return true;
        });
    if (!complete) {
        deps_.log->error("parked: rows can't be read; their key waits",
                         {{"error", complete.error().message}});
        return nullptr;
    }
    for (store::RetryRow& row : lost) row.state = {};
    erase(lost);
    if (!readable && job->parked.empty()) return nullptr;
    job->drain_complete = *complete;
    {
        std::lock_guard lock(mutex_);
        ++in_lanes_[request.subscription.value];
    }
    job->finished = [this, of = request.subscription.value](std::uint64_t, std::uint64_t) {
        std::lock_guard lock(mutex_);
        if (--in_lanes_[of] == 0) in_lanes_.erase(of);
    };
    return job;
}

std::size_t ParkedFeed::do_work() {
    std::size_t done = submit_refused();
    while (done < kJobsPerTurn) {
        const auto request = next_request();
        if (!request) break;
        // Its subscription does not run: its parked rows wait where they are.
        if (deps_.registry()->waits(request->subscription)) {
            ask_again(*request, kHeldUs);
            ++done;
            continue;
        }
        std::unique_ptr<LaneJob> job = read(*request);
        if (!job) {
            ask_again(*request, kAgainUs);
            break;
        }
        const std::uint32_t lane = lane_for(*request);
        if (deps_.submit_aside(lane, job)) {
            ++done;
        } else {
            refused_[lane] = std::move(job);
            ++refused_count_;
        }
    }
    return done;
}

}  // namespace millrace::runtime
