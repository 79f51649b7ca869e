// What becomes of an attempt that has ended: its outcome, its effects, what is counted with it.
#include "core/assert.h"
#include "runtime/delivery/attempt_record.h"
#include "runtime/delivery/delivery_kinds.h"
#include "runtime/delivery/delivery_run.h"

#include <utility>

namespace millrace::runtime {

std::int64_t DeliveryRun::settle(const PendingAttempt& pending, AttemptResult& result,
                                 const RegistrySnapshot& registry) {
    registry_now_ = &registry;
    now_ns_ = deps_.clock->monotonic_ns();
    if (!pending.subscription) {
        kv_was_read_ = true;  // in one of its turns, for all that is known here
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
        builder_.take(result.effects, attempt.event.tenant, wall_now_us(),
                      result.effects.emitted.empty() ? std::string() : trace_of_emitted(attempt));
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
    if (deps_.spans) [[unlikely]]
        tell_span(attempt, written);
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

}  // namespace millrace::runtime
