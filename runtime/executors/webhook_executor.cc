#include "runtime/executors/webhook_executor.h"

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
    OutgoingEvent event;
    parser_.extract(input.event->raw, no_fields_, &event.envelope, fields_);
    event.event_id = input.event_id.empty() ? event.envelope.event_id : input.event_id;
    event.received_at_us = input.event->received_at_us;
    char id[128];
    const std::size_t id_bytes = input.delivery_id.write(input.delivery_id.self, id, sizeof id);
    auto call = make_webhook_call(
        {&subscription, &event, {id, id_bytes}, input.attempt, deps_.clock->wall_us()},
        [&](std::string_view name, std::string& value) { return input.host->secret(name, value); });
    if (!call) {
        deps_.endpoints->passed(subscription.number);
        result.fail(call.error().message);
        return Start::kDone;
    }
    const std::uint64_t ticket = input.ticket.value;
    {
        const std::lock_guard lock(mutex_);
        pending_.emplace(ticket, Pending{subscription.number, input.silent});
    }
    if (deps_.http->send(*this, ticket, std::move(*call))) return Start::kPending;
    const std::lock_guard lock(mutex_);
    pending_.erase(ticket);
    deps_.endpoints->passed(subscription.number);
    result.fail("too many calls wait to be made");
    return Start::kHeld;
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
        pending = at->second;
        pending_.erase(at);
    }
    const std::int64_t now_us = deps_.clock->wall_us();
    AttemptResult result;
    judge_answer(answer, pending.silent, now_us, result);
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
