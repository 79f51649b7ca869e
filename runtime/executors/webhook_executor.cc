#include "runtime/executors/webhook_executor.h"

#include "runtime/delivery/event_input.h"
#include "runtime/executors/webhook_answer.h"
#include "runtime/executors/webhook_call.h"

#include <algorithm>

namespace millrace::runtime {

Executor::Start WebhookExecutor::start(const AttemptInput& input, AttemptResult& result) {
    const Subscription& subscription = *input.subscription;
    if (!deps_.enabled) {
        result.fail("webhooks are switched off (executors.webhook.enabled)");
        return Start::kHeld;
    }
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (!deps_.endpoints->lets_through(subscription.number, now_ns)) {
        result.fail("the receiver keeps failing and is left alone for a while");
        result.retry_after_ms = deps_.endpoints->left_alone_ms(subscription.number, now_ns);
        return Start::kHeld;
    }
    const OutgoingEvent event = outgoing_.event_of(input);
    const std::string id = OutgoingEvents::delivery_id_of(input);
    Reshaped reshaped;
    OutgoingAttempt attempt{&subscription, &event, id, input.attempt, deps_.clock->wall_us()};
    attempt.replay = input.replay_json;
    attempt.sample = deps_.traces.sample;
    attempt.epoch = deps_.epoch;
    if (!subscription.executor.webhook->transform_script_id.empty()) {
        EventInput seen = event_input_of(*input.event, input.payload_at);
        seen.event_id = input.event_id;
        const Start left = transform_.reshape(
            {subscription.executor.transform, subscription.executor.webhook->transform_script_id},
            input, {&subscription, &seen, event.envelope.pattern, id, input.attempt}, reshaped,
            result);
        if (left != Start::kPending) return not_sent(input, left);
        attempt.reshaped = &reshaped;
    }
    auto call = make_webhook_call(attempt, [&](std::string_view name, std::string& value) {
        return input.host->secret(name, value);
    });
    if (!call) {
        result.fail(call.error().message);
        return not_sent(input, Start::kDone);
    }
    const std::uint64_t ticket = input.ticket.value;
    {
        const std::lock_guard lock(mutex_);
        pending_.emplace(ticket,
                         Pending{subscription.number, input.silent, std::move(reshaped.logs_json)});
    }
    if (deps_.http->send(*this, ticket, std::move(*call))) return Start::kPending;
    {
        const std::lock_guard lock(mutex_);
        pending_.erase(ticket);
    }
    result.fail("too many calls wait to be made");
    return not_sent(input, Start::kHeld);
}

// Nothing of it says anything about the receiver.
Executor::Start WebhookExecutor::not_sent(const AttemptInput& input, Start how) {
    deps_.endpoints->passed(input.subscription->number);
    return how;
}

PendingBounds WebhookExecutor::bounds(const AttemptInput& input) const {
    const WebhookSpec& spec = *input.subscription->executor.webhook;
    PendingBounds out;
    out.window = spec.concurrency_max;
    // What waits for its second waits in the log.
    if (spec.per_second_max > 0)
        out.window = std::min(out.window, static_cast<std::uint32_t>(spec.per_second_max) + 1);
    out.timeout_ms = spec.timeout_ms + kGraceMs;
    return out;
}

void WebhookExecutor::receive(std::uint64_t ticket, courier::HttpAnswer&& answer) {
    Pending pending;
    {
        const std::lock_guard lock(mutex_);
        const auto at = pending_.find(ticket);
        if (at == pending_.end()) return;  // abandoned meanwhile
        pending = std::move(at->second);
        pending_.erase(at);
    }
    const std::int64_t now_us = deps_.clock->wall_us();
    AttemptResult result;
    judge_answer(answer, pending.silent, now_us, result);
    result.logs_json = std::move(pending.logs_json);
    deps_.endpoints->ended(pending.subscription, deps_.clock->monotonic_ns(), now_us, result);
    answers_.tell(AttemptTicket(ticket), std::move(result));
}

void WebhookExecutor::abandon(AttemptTicket ticket) {
    {
        const std::lock_guard lock(mutex_);
        const auto at = pending_.find(ticket.value);
        if (at == pending_.end()) return;
        deps_.endpoints->passed(at->second.subscription);
        pending_.erase(at);
    }
    deps_.http->cancel(*this, ticket.value);
}

}  // namespace millrace::runtime
