#include "runtime/shard/feeder.h"

#include "runtime/delivery/delivery_tracker.h"
#include "runtime/delivery/lane_split.h"
#include "store/rows/executions.h"

#include <charconv>
#include <utility>

namespace millrace::runtime {

Feeder::Feeder(Deps deps)
    : deps_(std::move(deps)),
      matcher_(std::move(deps_.matcher_reader)),
      metrics_(*deps_.metrics),
      retries_({feed_deps(), deps_.restore_head, deps_.due}),
      parked_({feed_deps(), deps_.restore_parked}),
      behind_({feed_deps(), deps_.behind, deps_.behind_shards}),
      burials_({feed_deps(), deps_.behind, deps_.behind_shards, &retries_, &parked_, &behind_}),
      replays_({feed_deps(), deps_.metrics, deps_.shadow, deps_.delivered}),
      places_({deps_.clock, deps_.log, deps_.database, deps_.appended, deps_.looked}),
      done_(deps_.database->shards()),
      done_end_(deps_.database->shards()) {}

FeedDeps Feeder::feed_deps() {
    FeedDeps deps = deps_;
    deps.wake = [this] { wake(); };
    return deps;
}

core::Status Feeder::load_done() {
    for (std::size_t i = 0; i < done_.size(); ++i) {
        const core::ShardId shard(static_cast<std::uint16_t>(i));
        done_end_[i] = deps_.database->durable_end(shard);
        const core::LogPosition cursor{shard, deps_.database->cursor(kDeliveryCursor, shard)};
        auto loaded = deps_.database->executions().done_since(
            cursor, [this, i](const store::DeliveryKey& key) { done_[i].insert(key); });
        if (!loaded) return loaded;
    }
    if (auto loaded = retries_.load_keys(); !loaded) return loaded;
    if (auto loaded = parked_.load_keys(); !loaded) return loaded;
    return load_behind();
}

// The places that were written down; and of those that are off, and are not matched any more, the
// ones whose fall the process before did not come to write down.
core::Status Feeder::load_behind() {
    auto loaded = deps_.database->visit_cursors(
        kBehindCursorPrefix, [this](std::string_view name, core::LogPosition place) {
            std::uint32_t number = 0;
            name.remove_prefix(kBehindCursorPrefix.size());
            std::from_chars(name.data(), name.data() + name.size(), number);
            if (place.shard.value < done_.size())
                deps_.behind->begin(core::SubscriptionId(number), place.shard, place.offset);
        });
    if (!loaded) return loaded;
    store::RowBatch rows;
    deps_.registry()->subscriptions.for_each([&](const SubscriptionRef& subscription) {
        if (subscription->active || subscription->off_periods.empty()) return;
        for (std::size_t i = 0; i < done_.size(); ++i) {
            const core::ShardId shard(static_cast<std::uint16_t>(i));
            const core::LogOffset from = deps_.database->cursor(kDeliveryCursor, shard);
            if (subscription->off_periods.back().holds({shard, from})) continue;
            if (deps_.behind->begin(subscription->number, shard, from))
                rows.put_cursor(behind_cursor(subscription->number), {shard, from});
        }
    });
    return rows.empty() ? core::Status{} : deps_.database->write_now(rows);
}

void Feeder::request(core::ShardId shard, core::LogOffset from, core::LogOffset, std::uint32_t) {
    {
        std::lock_guard lock(mutex_);
        requests_.push_back({shard, from, 0});
    }
    wake();
}

void Feeder::look(IngestRequest& request) {
    places_.ask(request);
    wake();
}

void Feeder::wait(std::int64_t timeout_us) {
    matcher_.offline();
    core::Agent::wait(std::min({timeout_us, retries_.sleep_us_max(), parked_.sleep_us_max(),
                                behind_.sleep_us_max(), burials_.sleep_us_max(),
                                replays_.sleep_us_max(), places_.sleep_us_max()}));
}

std::size_t Feeder::do_work() {
    std::size_t done = feed_one() + places_.do_work();
    if (stopping_.load(std::memory_order_relaxed)) return done;
    done += retries_.do_work();
    done += parked_.do_work();
    done += behind_.do_work();
    done += burials_.do_work();
    done += replays_.do_work(matcher_);
    return done;
}

std::size_t Feeder::feed_one() {
    if (pending_) {
        if (!deps_.give_cold(pending_shard_, pending_)) return 0;
        pending_.reset();
    }
    std::optional<ColdRequest> request;
    {
        std::lock_guard lock(mutex_);
        const std::int64_t now_ns = deps_.clock->monotonic_ns();
        for (auto it = requests_.begin(); it != requests_.end(); ++it) {
            if (it->not_before_ns > now_ns) continue;
            request = *it;
            requests_.erase(it);
            break;
        }
    }
    if (!request) return 0;
    pending_ = read_and_match(*request);
    if (!pending_) {
        std::lock_guard lock(mutex_);
        request->not_before_ns = deps_.clock->monotonic_ns() + kReadRetryUs * 1000;
        requests_.push_back(*request);
        return 0;
    }
    pending_shard_ = request->shard;
    if (deps_.give_cold(pending_shard_, pending_)) pending_.reset();
    return 1;
}

std::unique_ptr<ColdBlock> Feeder::read_and_match(const ColdRequest& request) {
    const auto block = deps_.database->log_reader().read_block(request.shard, request.from);
    if (!block) {
        deps_.log->error("feeder: a block of the log can't be read; its deliveries wait",
                         {{"shard", request.shard.value},
                          {"offset", request.from.value},
                          {"error", block.error().message}});
        return nullptr;
    }
    if (!*block) return nullptr;  // not there yet: asked again
    DoneSet& done = done_[request.shard.value];
    const RegistrySnapshotRef registry = deps_.registry();
    matcher_.match({.block = &*block,
                    .from = request.from,
                    .registry = registry.get(),
                    .done = done.empty() ? nullptr : &done},
                   items_);
    if (!done.empty() && block->end_offset() >= done_end_[request.shard.value])
        DoneSet().swap(done);

    metrics_.count_unmatched(*block, request.from, items_);
    auto cold = std::make_unique<ColdBlock>(split_by_lane(*block, items_, deps_.lanes));
    // The shard asked from here: retention may have taken what was between.
    cold->first = request.from;
    return cold;
}

}  // namespace millrace::runtime
