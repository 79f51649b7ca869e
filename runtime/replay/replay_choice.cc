#include "runtime/replay/replay_choice.h"

#include "store/rows/executions.h"

#include <algorithm>
#include <map>
#include <utility>

namespace millrace::runtime {

core::Result<std::unique_ptr<ReplayChoice>> ReplayChoice::make(const ReplaySpec& spec) {
    std::unique_ptr<ReplayChoice> choice(new ReplayChoice(spec));
    auto filter = EventFilter::make(spec.criteria);
    if (!filter) return core::fail(std::move(filter.error()));
    choice->filter_ = std::move(*filter);
    return choice;
}

void ReplayChoice::choose(BlockMatcher& matcher, const Request& request, ReplayBlock& block) {
    const store::EventBlock& events = block.events;
    matcher.match({.block = &events,
                   .from = request.from,
                   .registry = request.registry,
                   .done = nullptr,
                   .history = BlockMatcher::History::kAll},
                  matched_);
    std::uint32_t last_index = ~0u;
    Share share = Share::kNone;
    for (const DeliveryItem& item : matched_) {
        if (item.event_index != last_index) {
            last_index = item.event_index;
            share = share_of(events.event(item.event_index), request);
        }
        if (share == Share::kNone || !wants(item.subscription, *request.registry)) continue;
        if (share == Share::kNotDue)
            ++block.tally.not_due;
        else
            block.items.push_back(item);
    }
    block.tally.scanned =
        events.end_offset().value - std::max(events.first_offset(), request.from).value;
    block.tally.matched = block.items.size();
}

bool ReplayChoice::wants(core::SubscriptionId id, const RegistrySnapshot& registry) const {
    const auto& only = spec_.subscriptions;
    if (!only.empty() && std::find(only.begin(), only.end(), id) == only.end()) return false;
    const Script* script = spec_.shadow ? spec_.shadow->script.get() : nullptr;
    if (!script) return true;
    const Subscription* subscription = registry.subscription(id);
    return subscription && subscription->executor.script_id == script->id;
}

ReplayChoice::Share ReplayChoice::share_of(const store::StoredEvent& event,
                                           const Request& request) {
    if (event.tenant != spec_.tenant || event.received_at_us < spec_.from_us ||
        event.received_at_us >= spec_.to_us || event.position.offset >= request.end ||
        !filter_->accepts(event))
        return Share::kNone;
    if (!event.has(store::EventFlag::kScheduled)) return Share::kDeliver;
    core::Envelope envelope;
    core::Error error;
    if (!parser_.begin(event.raw, core::BatchFormat::kJson) ||
        parser_.next(nullptr, envelope, nullptr, error) != core::ParseOutcome::kEvent)
        return Share::kDeliver;  // it was parsed when it came
    return envelope.scheduled_at_us > request.now_us ? Share::kNotDue : Share::kDeliver;
}

core::Status ReplayChoice::leave_out_done(store::Database& database, std::string_view replay_id,
                                          ReplayBlock& block) {
    const core::LogPosition first{block.shard, block.events.first_offset()};
    struct First {
        std::uint32_t attempt = 0;
        store::DeliveryStatus status = store::DeliveryStatus::kCompleted;
    };
    std::map<std::pair<std::uint32_t, std::uint32_t>, First> done;
    auto read = database.executions().of_replay(
        first, replay_id, [&](const store::DeliveryKey& delivery, const auto& attempt) {
            const auto index =
                static_cast<std::uint32_t>(delivery.position.offset.value - first.offset.value);
            const auto [at, added] = done.try_emplace({index, delivery.subscription.value},
                                                      First{attempt.attempt, attempt.status});
            if (!added && attempt.attempt < at->second.attempt)
                at->second = {attempt.attempt, attempt.status};
        });
    if (!read) return read;
    if (done.empty()) return {};
    for (const auto& [key, outcome] : done) {
        if (outcome.attempt == 0) continue;  // put off: neither
        ++(outcome.status == store::DeliveryStatus::kCompleted ? block.tally.delivered
                                                               : block.tally.failed);
    }
    std::erase_if(block.items, [&](const DeliveryItem& item) {
        return done.contains({item.event_index, item.subscription.value});
    });
    // Also those whose subscription is gone by now.
    block.tally.matched = block.items.size() + done.size();
    return {};
}

}  // namespace millrace::runtime
