#include "runtime/delivery/delivery_run.h"

#include "matcher/subscription_spec.h"
#include "runtime/delivery/delivery_events.h"
#include "runtime/delivery/delivery_kinds.h"

#include <utility>

namespace millrace::runtime {

using store::EventFlag;

DeliveryRun::DeliveryRun(const Deps& deps, ExecutorSet&& executors)
    : deps_(deps),
      executors_(std::move(executors)),
      texts_(*deps.hasher),
      builder_({deps.kv, deps.pools, &texts_}),
      outcomes_(deps.seed),
      metrics_(*deps.metrics),
      random_(deps.seed ^ 0x5eed),
      gate_(deps.behind),
      guard_(SchemaGuard::Sources{deps.schemas, deps.kv, deps.states, deps.rules.get(),
                                  &emitted_steps_}) {}

void DeliveryRun::begin(core::ShardId shard) {
    builder_.begin(shard);
    now_ns_ = deps_.clock->monotonic_ns();
    wall_minus_monotonic_us_ = deps_.clock->wall_us() - now_ns_ / 1000;
}

std::unique_ptr<LaneResult> DeliveryRun::finish() {
    for (const auto& executor : executors_) {
        if (executor) executor->keep(builder_.rows(), wall_now_us());
    }
    if (deps_.spans) [[unlikely]]
        deps_.spans->offer();
    using Runs = EmittedSteps::Runs;
    if (auto kept = emitted_steps_.result(pending_.idle() ? Runs::kAllEnded : Runs::kSomeGoOn))
        builder_.result().when_durable.push_back(std::move(kept));
    return builder_.finish(wall_now_us());
}

Attempt DeliveryRun::attempt_of(const WaitingDelivery& delivery, const Subscription& subscription) {
    const LaneJob& job = *delivery.job->job;
    const std::uint32_t index = job.items[delivery.item].event_index;
    Attempt attempt;
    attempt.job = &job;
    attempt.earlier = &job.attempts_before(index);
    attempt.subscription = &subscription;
    attempt.event = job.event(index);
    if (attempt.event.pattern.empty())
        attempt.event.pattern = texts_.envelope(attempt.event).pattern;
    attempt.event_index = static_cast<std::uint32_t>(attempt.event.position.offset.value -
                                                     job.block_position(index).offset.value);
    attempt.started_at_us = wall_now_us();
    return attempt;
}

DeliveryPlace DeliveryRun::place_of(const Attempt& attempt) const {
    return {attempt.subscription->number, attempt.event.key_hash,
            attempt.subscription->ordering == Ordering::kKey && in_order(*attempt.job) &&
                attempt.earlier->replay_id.empty()};
}

std::int64_t DeliveryRun::deliver(const WaitingDelivery& delivery,
                                  const RegistrySnapshot& registry) {
    registry_now_ = &registry;
    LaneJob& job = *delivery.job->job;
    if (job.kind == JobKind::kScriptRun) {
        start_call(*delivery.job, registry);
        return now_ns_;
    }
    const core::SubscriptionId number = job.items[delivery.item].subscription;
    const Subscription* subscription = registry.subscription(number);
    if (!subscription || !is_meant_for(delivery, *subscription)) {
        give_up(delivery, number);
        return now_ns_;
    }
    const bool held = registry.holds(*subscription);
    if (job.kind == JobKind::kBlock && is_behind(delivery, held)) return now_ns_;
    if (held) {
        leave_held(delivery, *subscription);
    } else {
        deliver_event(delivery, *subscription, registry);
    }
    return now_ns_;
}

// Events about deliveries are for those who ask for them by name.
bool DeliveryRun::is_meant_for(const WaitingDelivery& delivery, const Subscription& subscription) {
    const LaneJob& job = *delivery.job->job;
    const std::uint32_t index = job.items[delivery.item].event_index;
    if (job.block) {
        const std::uint16_t pattern = job.block.record(index).pattern_index;
        if (!is_delivery_event(job.block.pattern(pattern))) [[likely]]
            return true;
    } else {
        const store::StoredEvent event = job.event(index);
        const std::string_view pattern =
            event.pattern.empty() ? texts_.envelope(event).pattern : event.pattern;
        if (!is_delivery_event(pattern)) return true;
    }
    return !subscription.spec || asks_for_delivery_events(subscription.spec->pattern);
}

void DeliveryRun::deliver_event(WaitingDelivery delivery, const Subscription& subscription,
                                const RegistrySnapshot& registry) {
    const LaneJob& job = *delivery.job->job;
    Attempt attempt = attempt_of(delivery, subscription);
    const bool first = is_first(delivery);
    if (job.kind == JobKind::kBlock && first) begin_event(attempt.event);
    const DeliveryPlace place = place_of(attempt);
    if (!pending_.idle()) {
        WaitingDelivery waiting = delivery;
        if (first) waiting.ends_event = job.kind == JobKind::kBlock && !event_waits_;
        const auto priority = [this, &attempt] { return texts_.envelope(attempt.event).priority; };
        if (pending_.make_wait(waiting, place, priority)) {
            event_waits_ |= waiting.ends_event;
            return;
        }
    }
    // One that failed before it is the key's head now; this one stays parked.
    const bool stays = job.kind == JobKind::kParked && !order_.drains(keyed(attempt));
    if (!stays && is_cancelled(attempt)) {
        cancel(delivery, attempt);
        if (!pending_.idle()) pending_.ended(place);
        return;
    }
    if (stays || postponed(attempt, delivery) || held_by_key(attempt, delivery)) {
        end_item(*delivery.job);
        if (!pending_.idle()) pending_.ended(place);
        return;
    }
    start(delivery, attempt, place, registry);
}

void DeliveryRun::set_apart(WaitingDelivery& delivery) {
    const LaneJob& job = *delivery.job->job;
    if (job.kind == JobKind::kBlock) {
        begin_event(job.block.event(job.items[delivery.item].event_index));
        delivery.ends_event = ends_event_later(job);
    }
    delivery.apart = true;
}

void DeliveryRun::start(const WaitingDelivery& delivery, Attempt& attempt,
                        const DeliveryPlace& place, const RegistrySnapshot& registry) {
    const std::int64_t began_ns = now_ns_;
    const std::string& replay_id =
        attempt.job->kind == JobKind::kReplay ? attempt.job->replay_id : attempt.earlier->replay_id;
    const DeliveryTexts lazy{&texts_, &attempt.event, attempt.subscription, replay_id};
    AttemptInput input;
    input.ticket = pending_.next_ticket();
    input.registry = &registry;
    input.host = host_of(attempt.event.tenant);
    input.subscription = attempt.subscription;
    input.event = &attempt.event;
    input.payload_at = attempt.job->items[delivery.item].payload_at;
    if (attempt.event.has(EventFlag::kFilledEventId)) input.event_id = texts_.id(attempt.event);
    input.execution_id = {&DeliveryTexts::write_execution_id, &lazy};
    input.delivery_id = {&DeliveryTexts::write_delivery_id, &lazy};
    input.replay_json = texts_.replay_json(replay_id);
    input.attempt = attempt.earlier->made + 1;
    input.silent = attempt.earlier->made - attempt.earlier->counted;
    input.started_at_us = attempt.started_at_us;
    result_.reset();
    Executor* executor =
        executors_[static_cast<std::size_t>(attempt.subscription->executor.type)].get();
    auto started = Executor::Start::kDone;
    if (executor) {
        running_ = &attempt.event;
        started = executor->start(input, result_);
        running_ = nullptr;
    } else {
        result_.fail("this server has no executor of type \"" +
                         std::string(executor_type_text(attempt.subscription->executor.type)) +
                         "\"",
                     AttemptOutcome::kFatal);
    }
    if (started == Executor::Start::kPending) {
        remember(delivery, input, executor, place);
        now_ns_ = deps_.clock->monotonic_ns();
        return;
    }
    attempt.result = &result_;  // of one that was held too: it may say for how long
    if (started == Executor::Start::kHeld && attempt.job->kind == JobKind::kBlock && deps_.behind) {
        fall_behind(attempt.subscription->number);
        pass_over(delivery, attempt.subscription->number);
        return;
    }
    if (started == Executor::Start::kHeld) {
        hold(attempt, delivery);
    } else {
        end_attempt(delivery, attempt, result_, began_ns);
    }
    if (!pending_.idle()) pending_.ended(place);
}

void DeliveryRun::remember(const WaitingDelivery& delivery, const AttemptInput& input,
                           Executor* executor, const DeliveryPlace& place) {
    const PendingBounds bounds = executor->bounds(input);
    PendingAttempt pending;
    pending.ticket = input.ticket;
    pending.delivery = delivery;
    pending.executor = executor;
    pending.began_ns = now_ns_;
    pending.started_at_us = wall_now_us();
    pending.timeout_ms = bounds.timeout_ms;
    if (input.subscription) {
        pending.subscription =
            input.registry->subscriptions.share(input.subscription->number.value);
        pending.key_hash = place.key_hash;
        pending.keyed = place.keyed;
        if (is_first(delivery)) {
            pending.delivery.ends_event =
                delivery.job->job->kind == JobKind::kBlock && !event_waits_;
            event_waits_ |= pending.delivery.ends_event;
        }
    }
    pending_.add(std::move(pending), bounds.window);
}

}  // namespace millrace::runtime
