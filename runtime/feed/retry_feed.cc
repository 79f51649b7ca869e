#include "runtime/feed/retry_feed.h"

#include "runtime/delivery/attempt_record.h"
#include "runtime/delivery/letter_edit.h"
#include "runtime/delivery/outcome_writer.h"
#include "runtime/delivery/placement.h"
#include "runtime/event/misfit.h"
#include "store/log/log_reader.h"
#include "store/rows/dead_letters.h"

#include <algorithm>
#include <limits>

namespace millrace::runtime {

namespace {

// What the policy can have asked for after so many attempts, with what is spread.
std::int64_t longest_wait_us(const Subscription* of, const store::RetryRow& row) {
    const EarlierAttempts earlier = decode_retry_state(row.state, row.attempt, row.created_at_us);
    const RetryPolicy policy = of ? of->retry : RetryPolicy{};
    std::int64_t ms = 1'000;
    if (earlier.counted != 0) ms = std::max(ms, retry_delay_base_ms(policy, earlier.counted));
    if (earlier.made > earlier.counted) ms = std::max(ms, kSilentMsLongest);
    return ms * 1'200;
}

// Its sender named the time. Rows from before format 5 do not always say so.
bool is_scheduled(store::Database& database, const store::RetryRow& row) {
    if (row.attempt != 0) return false;
    const auto event = database.log_reader().read_event(row.delivery.position);
    return event && *event && (*event)->event.has(store::EventFlag::kScheduled);
}

}  // namespace

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
    if (auto status = bring_near(); !status) return status;
    auto held = deps_.database->retries().visit_held_subscriptions(
        [this](core::SubscriptionId subscription) { held_.insert(subscription.value); });
    if (!held) return held;
    return deps_.database->retries().visit_all([this](const store::RetryRow& row) {
        const store::DeliveryKey& key = row.delivery;
        if (const auto created_at_us = redrive_of(row.state))
            (void)redriven_.begin({row.tenant, *created_at_us, key}, row.due_at_us);
        if (const auto hash = held_key_of(row.state)) {
            deps_.restore_head(lane_of(*hash, deps_.lanes),
                               {key.subscription, *hash, key.position});
        }
        return !row.parked();
    });
}

// The process before may have lived by another wall clock: no row waits longer than its policy can
// have asked for. Dead letters on their way back keep their pace, and the first of them comes soon.
core::Status RetryFeed::bring_near() {
    store::RowBatch moved;
    const RegistrySnapshotRef registry = deps_.registry();
    const std::int64_t now_us = deps_.due->now_us();
    std::optional<std::int64_t> ahead_us;  // of redriven ones
    const auto move = [&moved](const store::RetryRow& row, std::int64_t due_at_us) {
        store::RetryRow near = row;
        near.due_at_us = due_at_us;
        moved.erase_retry(row);
        moved.put_retry(near);
    };
    auto visited = deps_.database->retries().visit_all([&](const store::RetryRow& row) {
        if (row.held() || row.parked()) return false;
        if (waits_for_wall_clock(row.state)) return true;
        if (redrive_of(row.state)) {
            if (!ahead_us) ahead_us = row.due_at_us - now_us;
            if (*ahead_us > kRedriveAheadUsMax) move(row, row.due_at_us - *ahead_us);
            return true;
        }
        const std::int64_t longest_us =
            longest_wait_us(registry->subscription(row.delivery.subscription), row);
        if (row.due_at_us > now_us + longest_us && !is_scheduled(*deps_.database, row))
            move(row, now_us + longest_us);
        return true;
    });
    return visited ? write(moved) : visited;
}

core::Status RetryFeed::write(store::RowBatch& rows) {
    if (rows.empty()) return {};
    auto written = deps_.database->write_now(rows);
    rows.clear();
    return written;
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
    job.lost_tenant = row.tenant;
}

// Waits of a delay go by the clock of due times, what the sender named by the wall clock.
bool RetryFeed::is_due(const store::RetryRow& row, std::int64_t due_us,
                       std::int64_t wall_us) const {
    return row.due_at_us <= (waits_for_wall_clock(row.state) ? wall_us : due_us);
}

// What is due but may not run leaves the rows that are looked at again and again.
bool RetryFeed::hold_if_held(const RegistrySnapshot& registry, const store::RetryRow& row,
                             store::RowBatch& moved) {
    if (!registry.waits(row.delivery.subscription)) return false;
    store::RetryRow held = row;
    held.held_due_at_us = row.due_at_us;
    held.due_at_us = store::kHeldDueUs;
    moved.erase_retry(row);
    moved.put_retry(held);
    moved_redrive(held);
    held_.insert(row.delivery.subscription.value);
    held_seen_ = UINT64_MAX;  // it may run again by now
    return true;
}

// What finds no room on its lane is looked at much sooner, and those around it with it.
bool RetryFeed::rests(const store::RetryRow& row, std::int64_t now_ns) {
    const auto at = unread_.find({row.due_at_us, row.delivery});
    if (at == unread_.end()) return false;
    if (now_ns < at->second) return true;
    unread_.erase(at);
    return false;
}

void RetryFeed::let_rest(const store::RetryRow& row) {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (unread_.size() >= kUnreadMax)
        std::erase_if(unread_, [now_ns](const auto& one) { return one.second <= now_ns; });
    if (unread_.size() < kUnreadMax)
        unread_.insert_or_assign({row.due_at_us, row.delivery}, now_ns + kUnreadNs);
}

// Rows of subscriptions that run again fall due.
std::size_t RetryFeed::release_held() {
    if (held_.empty()) return 0;
    const RegistrySnapshotRef registry = deps_.registry();
    if (registry->version == held_seen_) return 0;
    held_seen_ = registry->version;
    std::size_t released = 0;
    for (auto at = held_.begin(); at != held_.end();) {
        if (registry->waits(core::SubscriptionId(*at))) {
            ++at;
            continue;
        }
        store::RowBatch moved;
        std::size_t rows = 0;
        auto visited = deps_.database->retries().visit_held(
            core::SubscriptionId(*at), [&](const store::RetryRow& row) {
                store::RetryRow due = row;
                due.due_at_us = row.held_due_at_us;
                // It was due when it was held, maybe by the clock of another process.
                if (!waits_for_wall_clock(row.state))
                    due.due_at_us = std::min(due.due_at_us, deps_.due->now_us());
                moved.erase_retry(row);
                moved.put_retry(due);
                moved_redrive(due);
                return ++rows < kRowsPerWrite;
            });
        if (visited) visited = write(moved);
        if (!visited) {
            deps_.log->error("retry: held rows can't be moved; they wait",
                             {{"error", visited.error().message}});
            held_seen_ = UINT64_MAX;
            return released;
        }
        released += rows;
        if (rows < kRowsPerWrite) at = held_.erase(at);
    }
    return released;
}

// Attempts that have ended mostly took their rows with them. What was put off as it stands (a dead
// letter whose subscription does not run) is looked at again. Returns how many are under way.
std::size_t RetryFeed::take_ended() {
    std::lock_guard lock(mutex_);
    for (const RetryKey& key : finished_) {
        const auto at = under_way_.find(key);
        if (at == under_way_.end()) continue;
        if (const auto of = under_way_of_.find(at->second); --of->second == 0)
            under_way_of_.erase(of);
        store::RetryRow row;
        row.due_at_us = key.first;
        row.delivery = key.second;
        row.tenant = at->second;
        deps_.database->retries().look_again(row);
        under_way_.erase(at);
    }
    finished_.clear();
    return under_way_.size();
}

// As far as what is under way says. `of_page`: of its tenant, about to be.
bool RetryFeed::has_room(core::TenantId tenant, std::size_t of_page) const {
    const auto of = under_way_of_.find(tenant);
    return (of == under_way_of_.end() ? 0 : of->second) + of_page < kUnderWayOfOneMax;
}

std::size_t RetryFeed::feed_due() {
    const std::size_t under_way = take_ended();
    if (under_way >= kUnderWayMax) return 0;
    std::vector<store::OwnedRetry> due;
    store::RowBatch moved;
    std::vector<store::RetryRow> held;
    const RegistrySnapshotRef registry = deps_.registry();
    const std::int64_t due_us = deps_.due->now_us();
    const std::int64_t wall_us = deps_.clock->wall_us();
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    store::RetrySchedule& rows = deps_.database->retries();
    const auto visited = rows.visit_due(std::max(due_us, wall_us), [&](const store::RetryRow& row) {
        if (under_way + due.size() >= kUnderWayMax || held.size() >= kRowsPerWrite)
            return store::DueVisit::kStop;
        if (!is_due(row, due_us, wall_us) || rests(row, now_ns)) return store::DueVisit::kLater;
        std::lock_guard lock(mutex_);
        // Taken before: it is looked at again when its attempt has ended.
        if (under_way_.contains({row.due_at_us, row.delivery})) return store::DueVisit::kTaken;
        const auto of_page = std::count_if(
            due.begin(), due.end(), [&](const auto& one) { return one.row.tenant == row.tenant; });
        if (!has_room(row.tenant, static_cast<std::size_t>(of_page)))
            return store::DueVisit::kTenantFull;
        if (hold_if_held(*registry, row, moved))
            held.push_back(row);
        else
            due.push_back({row, {row.state.begin(), row.state.end()}});
        return store::DueVisit::kTaken;
    });
    if (!visited)
        deps_.log->error("retry: due rows can't be read", {{"error", visited.error().message}});
    std::size_t fed = held.size();
    if (auto written = write(moved); !written) {
        deps_.log->error("retry: rows can't be held", {{"error", written.error().message}});
        for (const store::RetryRow& row : held) rows.look_again(row);
        fed = 0;
    }
    std::size_t refused = 0;
    for (store::OwnedRetry& retry : due) {
        const bool tried = refused < kRefusedMax;
        const Fed what = tried ? feed_one(retry, nullptr) : Fed::kNoRoom;
        if (what == Fed::kUnderWay) {
            ++fed;
        } else if (!tried) {
            rows.look_again(retry.row);
        } else {
            // Those behind it go to other lanes, or can be read.
            refused += what == Fed::kNoRoom;
            if (what == Fed::kNo) let_rest(retry.row);
            rows.look_later(retry.row, what == Fed::kNo ? kUnreadNs : kNoRoomNs);
        }
    }
    return fed;
}

RetryFeed::Fed RetryFeed::feed_one(store::OwnedRetry& retry,
                                   const std::shared_ptr<Ending>& ending) {
    auto job = make_job(retry.row.delivery);
    if (!job) return Fed::kNo;
    const std::string_view state(retry.bytes.data(), retry.bytes.size());
    retry.row.state = state;
    const RetryKey key{retry.row.due_at_us, retry.row.delivery};
    const auto redrive = redrive_of(state);
    if (redrive && !make_redrive(*job, retry.row, *redrive)) return Fed::kNo;
    if (!redrive) {
        job->kind = JobKind::kRetry;
        job->earlier = decode_retry_state(state, retry.row.attempt, retry.row.created_at_us);
        if (!job->single) give_up(*job, retry.row, state);
    }
    job->retry_due_at_us = retry.row.due_at_us;
    job->finished = [this, key, letter = job->redrive, ending](std::uint64_t, std::uint64_t) {
        bool all = false;
        if (letter) redriven_.end(*letter);
        {
            std::lock_guard lock(mutex_);
            finished_.push_back(key);
            all = ending && --ending->under_way == 0;
        }
        if (all) ending->done();
        deps_.wake();
    };
    {
        std::lock_guard lock(mutex_);
        under_way_.emplace(key, retry.row.tenant);
        ++under_way_of_[retry.row.tenant];
        if (ending) ++ending->under_way;
    }
    if (submit(std::move(job))) return Fed::kUnderWay;
    std::lock_guard lock(mutex_);
    under_way_.erase(key);
    if (const auto of = under_way_of_.find(retry.row.tenant); --of->second == 0)
        under_way_of_.erase(of);
    if (ending) --ending->under_way;
    return Fed::kNoRoom;
}

// ---- deliveries that were cancelled

void RetryFeed::let_end(std::vector<store::OwnedRetry>&& rows, std::function<void()> done) {
    auto ending = std::make_shared<Ending>();
    for (store::OwnedRetry& row : rows) ending->rows.push_back(std::move(row));
    ending->under_way = 1;  // until all its rows are on their way
    ending->done = std::move(done);
    {
        std::lock_guard lock(mutex_);
        asked_.push_back(std::move(ending));
    }
    deps_.wake();
}

std::size_t RetryFeed::feed_ending() {
    {
        std::lock_guard lock(mutex_);
        for (auto& ending : asked_) endings_.push_back(std::move(ending));
        asked_.clear();
    }
    std::size_t fed = 0;
    while (!endings_.empty()) {
        const std::shared_ptr<Ending> ending = endings_.front();
        while (!ending->rows.empty()) {
            if (!end_one(ending)) return fed;
            ending->rows.pop_front();
            ++fed;
        }
        endings_.pop_front();
        bool all = false;
        {
            std::lock_guard lock(mutex_);
            all = --ending->under_way == 0;
        }
        if (all) ending->done();
    }
    return fed;
}

// False: not now.
bool RetryFeed::end_one(const std::shared_ptr<Ending>& ending) {
    store::OwnedRetry& retry = ending->rows.front();
    retry.row.state = {retry.bytes.data(), retry.bytes.size()};
    {
        std::lock_guard lock(mutex_);
        if (under_way_.size() >= kUnderWayMax) return false;
        if (under_way_.contains({retry.row.due_at_us, retry.row.delivery})) return true;
    }
    const auto there = deps_.database->retries().has(retry.row);
    if (!there || !*there || redrive_of(retry.row.state)) return true;
    if (retry.row.held()) {
        store::RetryRow due = retry.row;
        due.due_at_us = std::min(retry.row.held_due_at_us, deps_.due->now_us());
        store::RowBatch moved;
        moved.erase_retry(retry.row);
        moved.put_retry(due);
        if (auto written = write(moved); !written) return false;
        retry.row = due;
    }
    return feed_one(retry, ending) != Fed::kNoRoom;
}

// ---- dead letters on their way back

core::Status RetryFeed::redrive(const std::vector<store::DeadLetterKey>& keys, double per_second,
                                const std::function<void(store::RowBatch&)>& beside) {
    const double gap_us = per_second > 0 ? 1e6 / per_second : 0;
    std::int64_t due_us = deps_.due->now_us();
    store::RowBatch rows;
    std::string state;
    std::size_t count = 0;
    if (beside) beside(rows);
    for (const store::DeadLetterKey& key : keys) {
        store::RetryRow row;
        row.due_at_us = due_us + static_cast<std::int64_t>(gap_us * static_cast<double>(count));
        if (!redriven_.begin(key, row.due_at_us)) continue;  // on its way already
        ++count;
        state = encode_redrive(key.created_at_us);
        row.delivery = key.delivery;
        row.tenant = key.tenant;
        row.created_at_us = key.created_at_us;
        row.state = state;
        rows.put_retry(row);
        if (count % kRowsPerWrite != 0) continue;
        if (auto status = write(rows); !status) return status;
    }
    if (auto status = write(rows); !status) return status;
    deps_.wake();
    return {};
}

void RetryFeed::moved_redrive(const store::RetryRow& row) {
    if (const auto created_at_us = redrive_of(row.state))
        redriven_.move({row.tenant, *created_at_us, row.delivery}, row.due_at_us);
}

// False: there is nothing to deliver any more, and the row goes.
bool RetryFeed::make_redrive(LaneJob& job, const store::RetryRow& row, std::int64_t created_at_us) {
    const store::DeadLetterKey key{row.tenant, created_at_us, row.delivery};
    auto letter = deps_.database->dead_letters().get(key);
    if (!letter) {
        deps_.log->error("redrive: a dead letter can't be read; it waits",
                         {{"error", letter.error().message}});
        return false;
    }
    if (!*letter || !job.single) {
        store::RowBatch gone;
        gone.erase_retry(row);
        if (auto written = write(gone); !written)
            deps_.log->error("redrive: a row can't be removed",
                             {{"error", written.error().message}});
        redriven_.end(key);
        return false;
    }
    auto edit = find_letter_edit(*deps_.database, key);
    if (!edit) {
        deps_.log->error("redrive: a dead letter's corrected event can't be read; it waits",
                         {{"error", edit.error().message}});
        return false;
    }
    job.redrive = key;
    if (*edit) job.edited = std::move((*edit)->event);
    if (is_misfit_letter(key.delivery.subscription)) {
        job.kind = JobKind::kReturn;
        job.items.clear();
        job.letter = std::move(**letter);
        return true;
    }
    job.kind = JobKind::kRedrive;
    if (!job.edited.empty()) job.single = with_text(*deps_.database, *job.single, job.edited);
    job.earlier.history = (*letter)->row.attempts;
    job.earlier.replay_id = decode_letter_replay((*letter)->row.extra);
    job.earlier.made = attempts_made_in(job.earlier.history);
    // Every failed attempt but the first was a retry.
    job.earlier.counted = job.earlier.made == 0 ? 0 : (*letter)->row.retry_count + 1;
    job.earlier.created_at_us = key.created_at_us;
    return true;
}

bool RetryFeed::under_way(const store::RetryRow& row) {
    std::lock_guard lock(mutex_);
    return under_way_.contains({row.due_at_us, row.delivery});
}

std::size_t RetryFeed::do_work() { return release_held() + feed_ending() + feed_due(); }

std::int64_t RetryFeed::sleep_us_max() {
    // A row may be put while we sleep, and fall due at once.
    if (deps_.database->retries().count() == 0) return kPollUsMax;
    const std::int64_t wall_us = deps_.clock->wall_us();
    const std::int64_t now_us = deps_.due->now_us();
    const std::int64_t wait_us =
        deps_.database->retries().next_due_us() - std::max(now_us, wall_us);
    // What is due already is under way (its end wakes us), or is due by the other clock.
    return wait_us <= 0 ? kPollUsMax : std::clamp(wait_us, kPollUsMin, kPollUsMax);
}

}  // namespace millrace::runtime
