#include "runtime/delivery/delivery_run.h"

#include "core/assert.h"
#include "matcher/subscription_spec.h"
#include "runtime/delivery/attempt_record.h"
#include "runtime/delivery/delivery_events.h"
#include "runtime/delivery/script_emit.h"
#include "runtime/entity/order_key.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

using store::DeliveryStatus;
using store::EventFlag;

namespace {

KeyedDelivery keyed(const Attempt& attempt) {
    return {attempt.subscription->number, attempt.event.key_hash, attempt.event.position};
}

// It comes with the other deliveries of its event.
bool is_first(const WaitingDelivery& delivery) {
    return delivery.turn == WaitingDelivery::Turn::kFirst && !delivery.apart;
}

// Attempts of a replay, and of dead letters on their way back, are out of order.
bool in_order(const LaneJob& job) {
    return job.kind == JobKind::kBlock || job.kind == JobKind::kRetry ||
           job.kind == JobKind::kParked || job.kind == JobKind::kBehind;
}

// The event comes for the first time.
bool is_first_time(const LaneJob& job) {
    return job.kind == JobKind::kBlock || job.kind == JobKind::kBehind;
}

}  // namespace

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

KvAnswer DeliveryRun::Host::kv_get(KvSpace space, std::string_view key, std::string& value_json) {
    return run_.builder_.kv().read(tenant_, space, key, wall_us(), value_json);
}

KvAnswer DeliveryRun::Host::kv_list(KvSpace space, std::string_view prefix, KvVisitor& visitor) {
    return run_.builder_.kv().list(tenant_, space, prefix, wall_us(), visitor);
}

bool DeliveryRun::Host::secret(std::string_view name, std::string& value) {
    if (!run_.deps_.registry) return false;
    const RegistrySnapshotRef registry = run_.deps_.registry();
    const SecretRef found = run_.secrets_.find(*registry, tenant_, name);
    if (!found) return false;
    value += found->value;
    run_.mask_.add(tenant_, found->value);
    return true;
}

bool DeliveryRun::Host::takes_event(std::string_view pattern, std::string_view envelope,
                                    std::string& why) {
    run_.guard_.refresh();
    if (run_.deps_.may_store) {
        if (auto may = run_.deps_.may_store(tenant_, envelope.size()); !may) {
            why = std::move(may.error().message);
            return false;
        }
    }
    if (!run_.guard_.any()) return true;
    return run_.guard_.takes_emitted(pattern, envelope, tenant_, wall_us(),
                                     SchemaGuard::Asker::kHandler, why);
}

bool DeliveryRun::Host::hide_secrets(std::string& text) {
    return run_.mask_.known(tenant_).hide(text);
}

EmitCause DeliveryRun::Host::emit_cause() {
    EmitCause cause;
    if (const store::StoredEvent* event = run_.running_) {
        cause = emit_cause_of(tenant_, run_.texts_.envelope(*event), run_.texts_.id(*event),
                              run_.emit_context_);
    } else {
        cause.key = cause_key(tenant_, {}, run_.running_call_);
        cause.event_id = run_.running_call_;
    }
    cause.now_us = run_.wall_now_us();
    return cause;
}

DeliveryRun::Host* DeliveryRun::host_of(core::TenantId tenant) {
    if (last_host_ && last_host_->tenant() == tenant) return last_host_;
    for (Host& host : hosts_) {
        if (host.tenant() == tenant) return last_host_ = &host;
    }
    return last_host_ = &hosts_.emplace_back(*this, tenant);
}

void DeliveryRun::begin(core::ShardId shard) {
    builder_.begin(shard);
    now_ns_ = deps_.clock->monotonic_ns();
    wall_minus_monotonic_us_ = deps_.clock->wall_us() - now_ns_ / 1000;
}

std::unique_ptr<LaneResult> DeliveryRun::finish() {
    for (const auto& executor : executors_) {
        if (executor) executor->keep(builder_.rows(), wall_now_us());
    }
    using Runs = EmittedSteps::Runs;
    if (auto kept = emitted_steps_.result(pending_.idle() ? Runs::kAllEnded : Runs::kSomeGoOn))
        builder_.result().when_durable.push_back(std::move(kept));
    return builder_.finish(wall_now_us());
}

// ---- prepare

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

// ---- falling behind

void DeliveryRun::fall_behind(core::SubscriptionId subscription) {
    gate_.fall(subscription, deps_.shards);
    pending_.let_out_live(subscription);
}

// Whether a delivery that comes with its shard's block is not for now: the feeder brings it when
// its turn has come, or it waits here for those before it.
bool DeliveryRun::is_behind(const WaitingDelivery& delivery, bool held) {
    if (!held && gate_.open()) [[likely]]
        return false;
    const LaneJob& job = *delivery.job->job;
    const DeliveryItem& item = job.items[delivery.item];
    const store::StoredEvent event = job.block.event(item.event_index);
    auto way = gate_.way_of(item.subscription, event.position);
    if (held && way != BehindGate::Way::kPassOver && deps_.behind) {
        fall_behind(item.subscription);
        way = BehindGate::Way::kPassOver;
    }
    if (way == BehindGate::Way::kDeliver) return false;
    if (is_first(delivery)) begin_event(event);
    if (way == BehindGate::Way::kPassOver) {
        pass_over(delivery, item.subscription);
        return true;
    }
    WaitingDelivery waiting = delivery;
    if (is_first(delivery)) waiting.ends_event = ends_event_later(job);
    waiting.apart = true;
    gate_.wait(item.subscription, event.position.shard, waiting);
    return true;
}

bool DeliveryRun::is_behind_now(const WaitingDelivery& delivery) {
    const LaneJob& job = *delivery.job->job;
    if (job.kind != JobKind::kBlock || gate_.open()) return false;
    const DeliveryItem& item = job.items[delivery.item];
    core::LogPosition position = job.block_position(item.event_index);
    position.offset.value += item.event_index;
    return gate_.way_of(item.subscription, position) != BehindGate::Way::kDeliver;
}

void DeliveryRun::pass_over(const WaitingDelivery& delivery, core::SubscriptionId subscription) {
    LaneResult& result = builder_.result();
    const LaneJob& job = *delivery.job->job;
    gate_.tell(subscription, result.shard, result.behind);
    auto& passed = result.passed_over;
    if (passed.empty() || passed.back().first != subscription) passed.emplace_back(subscription, 0);
    ++passed.back().second;
    const std::uint32_t key_hash = job.event(job.items[delivery.item].event_index).key_hash;
    end_item(*delivery.job);
    if (!pending_.idle()) {
        pending_.ended({subscription, key_hash, delivery.turn == WaitingDelivery::Turn::kFromKey});
    }
}

// Its subscription does not run, and it does not come with its shard's block: what the feeder
// brought from the log it will bring again; a row waits on.
void DeliveryRun::leave_held(const WaitingDelivery& delivery, const Subscription& subscription) {
    Attempt attempt = attempt_of(delivery, subscription);
    if (attempt.job->kind == JobKind::kParked && !order_.drains(keyed(attempt))) {
        end_item(*delivery.job);
    } else if (is_cancelled(attempt)) {
        cancel(delivery, attempt);
    } else {
        hold(attempt, delivery);
    }
    if (!pending_.idle()) {
        pending_.ended({subscription.number, attempt.event.key_hash,
                        delivery.turn == WaitingDelivery::Turn::kFromKey});
    }
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
        if (pending_.make_wait(waiting, place)) {
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

// ---- start

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

// ---- settle

std::int64_t DeliveryRun::settle(const PendingAttempt& pending, AttemptResult& result,
                                 const RegistrySnapshot& registry) {
    registry_now_ = &registry;
    now_ns_ = deps_.clock->monotonic_ns();
    if (!pending.subscription) {
        end_call(*pending.delivery.job, registry, result, pending.began_ns);
        return now_ns_;
    }
    Attempt attempt = attempt_of(pending.delivery, *pending.subscription);
    attempt.started_at_us = pending.started_at_us;
    end_attempt(pending.delivery, attempt, result, pending.began_ns);
    return now_ns_;
}

// A delivery that leaves no text pays four comparisons.
void DeliveryRun::hide_secrets(core::TenantId tenant, const Subscription* subscription,
                               AttemptResult& result) {
    constexpr std::size_t kMin = HiddenTexts::kHiddenBytesMin;
    if (result.error.size() < kMin && result.result_json.size() < kMin && result.logs_json.empty())
        return;
    const auto hide = [&](const HiddenTexts& texts) {
        if (texts.empty()) return;
        texts.hide(result.error);
        texts.hide_in_json(result.result_json, kHiddenJson);
        texts.hide_in_json(result.logs_json, kHiddenLogs);
    };
    hide(mask_.of(*registry_now_, tenant));
    if (!subscription || !subscription->executor.secrets) return;
    if (const auto& own = subscription->executor.secrets->hidden) hide(*own);
}

void DeliveryRun::end_attempt(const WaitingDelivery& delivery, Attempt& attempt,
                              AttemptResult& told, std::int64_t began_ns) {
    hide_secrets(attempt.event.tenant, attempt.subscription, told);
    attempt.result = &told;
    now_ns_ = deps_.clock->monotonic_ns();
    attempt.duration_us = static_cast<std::uint32_t>((now_ns_ - began_ns + 500) / 1000);
    attempt.ended_due_us = due_now_us();
    const AttemptResult& result = *attempt.result;
    const bool ok = result.outcome == AttemptOutcome::kOk;
    if (ok) {
        builder_.take(result.effects, attempt.event.tenant, wall_now_us());
    } else {
        attempt.keyed = is_keyed(attempt);
        attempt.cancelled = is_cancelled(attempt);
    }
    const std::uint32_t index = delivery.job->job->items[delivery.item].event_index;
    builder_.open_outcomes(attempt.job->block_position(index));
    const WrittenOutcome written = outcomes_.write(
        attempt, ok ? std::string_view{} : texts_.id(attempt.event), builder_.rows());
    if (!ok && deps_.log) deps_.log->tell(attempt, texts_.id(attempt.event), written, now_ns_);
    keep_order(attempt, written);
    if (written.dead_letter) builder_.alert(attempt, *written.dead_letter);
    if (attempt.subscription->executor.type != ExecutorType::kScript)
        builder_.tell(attempt, written);
    if (result.kept_state) {
        const std::string row = std::to_string(attempt.subscription->number.value);
        if (result.kept_state->empty())
            builder_.rows().erase_registry(kExecutorStateKind, row);
        else
            builder_.rows().put_registry(kExecutorStateKind, row, 1, wall_now_us(),
                                         *result.kept_state);
    }
    if (result.pauses && deps_.pause) {
        builder_.result().when_durable.push_back(
            [this, tenant = attempt.event.tenant, id = attempt.subscription->id] {
                deps_.pause(tenant, id);
            });
    }
    count_end(delivery, attempt, written, began_ns);
    end_item(*delivery.job);
}

void DeliveryRun::count_kill(const AttemptResult& result) {
    if (result.stopped()) metrics_.count_kill(result.outcome_text == "memory");
}

void DeliveryRun::count_end(const WaitingDelivery& delivery, const Attempt& attempt,
                            const WrittenOutcome& written, std::int64_t began_ns) {
    const bool ok = attempt.result->outcome == AttemptOutcome::kOk;
    RunMetrics::Type* type = metrics_.type(attempt.event.pattern);
    metrics_.count_attempt(*type, *attempt.subscription, written.status,
                           static_cast<std::uint64_t>(now_ns_ - began_ns));
    if (attempt.subscription->executor.type == ExecutorType::kScript) count_kill(*attempt.result);
    ++(ok ? delivery.job->delivered : delivery.job->failed);
    if (attempt.earlier->made != 0) metrics_.count_retry(ok);
    const bool ends_event =
        delivery.ends_event || (attempt.earlier->ends_event && attempt.earlier->made == 0);
    if (is_first_time(*attempt.job))
        metrics_.count_queue_time(attempt.started_at_us - attempt.event.received_at_us);
    if (attempt.job->kind == JobKind::kBlock) {
        if (attempt.event.position == event_at_ && !ends_event) {
            event_type_ = type;
            event_failed_ |= !ok;
        }
    }
    if (ends_event) (ok ? type->completed : type->failed).add();
}

void DeliveryRun::end_item(OpenJob& job) {
    MR_DCHECK(job.left > 0);
    --job.left;
    if (job.job->kind == JobKind::kBlock) ++builder_.result().deliveries;
}

void DeliveryRun::end_job(OpenJob& open) {
    LaneJob& job = *open.job;
    LaneResult& result = builder_.result();
    if (job.kind == JobKind::kParked) drain_later(order_.end_drain(job.drain, job.drain_complete));
    if (job.kind == JobKind::kReturn) return_misfit(job);
    if (job.kind == JobKind::kForget) order_.forget(job.lost.subscription);
    if (job.kind == JobKind::kLostEvent) {
        result.rows.erase_retry(job.retry_due_at_us, job.lost_tenant,
                                {job.lost.position, job.lost.subscription});
        drain_later(order_.release(job.lost));
    }
    if (job.kind == JobKind::kBlock) result.finished_parts.push_back(job.block_position(0).offset);
    if (job.behind_done) {
        result.when_durable.push_back(
            [done = std::move(job.behind_done), left_out = open.left_out] { done(left_out); });
    }
    if (job.finished) {
        result.when_durable.push_back([done = std::move(job.finished), delivered = open.delivered,
                                       failed = open.failed] { done(delivered, failed); });
    }
    texts_.forget();
}

// ---- which event counts when

// Whether the event's end is counted with this delivery, which ends later than its neighbours.
bool DeliveryRun::ends_event_later(const LaneJob& job) {
    if (job.kind != JobKind::kBlock || event_waits_) return false;
    event_waits_ = true;
    return true;
}

void DeliveryRun::begin_event(const store::StoredEvent& event) {
    if (event.position == event_at_) return;
    count_event_end();
    event_at_ = event.position;
}

void DeliveryRun::count_event_end() {
    if (event_type_ && !event_waits_)
        (event_failed_ ? event_type_->failed : event_type_->completed).add();
    event_type_ = nullptr;
    event_failed_ = false;
    event_waits_ = false;
}

// ---- deliveries that wait without an attempt

void DeliveryRun::put_off(const Attempt& attempt, const WaitingDelivery& delivery,
                          std::int64_t until_us, By by) {
    const bool first = is_first(delivery);
    const bool ends_event = first ? ends_event_later(*attempt.job) : delivery.ends_event;
    const std::uint32_t index = delivery.job->job->items[delivery.item].event_index;
    builder_.open_outcomes(attempt.job->block_position(index));
    outcomes_.put_off(attempt, {until_us, by == By::kWallClock, ends_event}, builder_.rows());
}

bool DeliveryRun::postponed(const Attempt& attempt, const WaitingDelivery& delivery) {
    if (!is_first_time(*attempt.job) || !attempt.event.has(EventFlag::kScheduled)) return false;
    const std::int64_t until_us = texts_.envelope(attempt.event).scheduled_at_us;
    if (until_us <= attempt.started_at_us) return false;
    put_off(attempt, delivery, until_us, By::kWallClock);
    return true;
}

bool DeliveryRun::held_by_key(const Attempt& attempt, const WaitingDelivery& delivery) {
    const LaneJob& job = *attempt.job;
    if (order_.empty() || attempt.subscription->ordering != Ordering::kKey) return false;
    if (!is_first_time(job) && job.kind != JobKind::kRetry) return false;
    const KeyedDelivery place = keyed(attempt);
    if (!attempt.earlier->replay_id.empty() || !order_.holds(place)) return false;
    order_.park(place);
    put_off(attempt, delivery, store::kParkedDueUs, By::kDueClock);
    return true;
}

// It does not run now. The later ones of its key wait behind it; a dead letter on its way back
// stays what it is, and what the feeder brought from the log it will bring again.
void DeliveryRun::hold(Attempt& attempt, const WaitingDelivery& delivery) {
    if (attempt.job->kind == JobKind::kBehind) {
        ++delivery.job->left_out;
    } else if (attempt.job->kind != JobKind::kRedrive) {
        attempt.keyed = is_keyed(attempt);
        // Its executor may know for how long; one that does not run was not asked.
        const std::int64_t asked_us = attempt.result ? attempt.result->retry_after_ms * 1000 : 0;
        const std::int64_t wait_us = std::max(kHeldUs, asked_us);
        put_off(attempt, delivery, due_now_us() + wait_us, By::kDueClock);
        if (attempt.keyed) order_.block(keyed(attempt));
    }
    end_item(*delivery.job);
}

// Whether later events of its key have to wait while it waits. Not asked of
// what went well.
bool DeliveryRun::is_keyed(const Attempt& attempt) {
    const LaneJob& job = *attempt.job;
    if (attempt.earlier->holds_key) return true;
    return in_order(job) && attempt.subscription->ordering == Ordering::kKey &&
           attempt.earlier->replay_id.empty() &&
           (job.kind == JobKind::kParked || order_.has_room()) &&
           !order_key(texts_.envelope(attempt.event), attempt.event.has(EventFlag::kEmitted))
                .empty();
}

void DeliveryRun::keep_order(const Attempt& attempt, const WrittenOutcome& written) {
    if (written.status == DeliveryStatus::kRetrying && attempt.keyed)
        order_.block(keyed(attempt));
    else if (attempt.earlier->holds_key)
        drain_later(order_.release(keyed(attempt)));
}

// What is parked can be read when what this lane did so far is durable.
void DeliveryRun::drain_later(const std::optional<DrainRequest>& request) {
    if (request)
        builder_.result().when_durable.push_back(
            [this, request = *request] { deps_.drain(request); });
}

// A replay brings what it is asked to.
bool DeliveryRun::is_cancelled(const Attempt& attempt) const {
    return deps_.cancelled && deps_.cancelled->any() && in_order(*attempt.job) &&
           attempt.earlier->replay_id.empty() && deps_.cancelled->holds(attempt.event.position);
}

// It ends without an attempt.
void DeliveryRun::cancel(const WaitingDelivery& delivery, Attempt& attempt) {
    result_.reset();
    result_.fail(kCancelledText, AttemptOutcome::kFatal);
    attempt.result = &result_;
    const std::uint32_t index = delivery.job->job->items[delivery.item].event_index;
    builder_.open_outcomes(attempt.job->block_position(index));
    const WrittenOutcome written = outcomes_.write_cancelled(attempt, builder_.rows());
    keep_order(attempt, written);
    count_end(delivery, attempt, written, now_ns_);
    end_item(*delivery.job);
}

// Removed since it matched: nothing is owed any more, a waiting row goes too.
void DeliveryRun::give_up(const WaitingDelivery& delivery, core::SubscriptionId subscription) {
    OpenJob& open = *delivery.job;
    const LaneJob& job = *open.job;
    const DeliveryItem& item = job.items[delivery.item];
    const store::StoredEvent event = job.event(item.event_index);
    const KeyedDelivery place{subscription, event.key_hash, event.position};
    if (job.kind != JobKind::kParked || order_.drains(place)) {
        OutcomeWriter::erase_waiting(job, event, subscription, builder_.rows());
        if (job.attempts_before(item.event_index).holds_key) drain_later(order_.release(place));
    }
    end_item(open);
    if (!pending_.idle()) {
        pending_.ended(
            {subscription, event.key_hash, delivery.turn == WaitingDelivery::Turn::kFromKey});
    }
}

}  // namespace millrace::runtime
