#include "runtime/server/delivery_tester.h"

#include "core/made_id.h"
#include "runtime/executors/webhook_answer.h"
#include "runtime/executors/webhook_call.h"

#include <utility>

namespace millrace::runtime {

void DeliveryTester::test(const SubscriptionRef& subscription, const std::string& event,
                          Done done) {
    api::DeliveryTest refused;
    if (!subscription->executor.webhook) {
        refused.status = core::fail(
            core::Error(core::ErrorCode::kValidation, "executor.type: only webhooks are tested")
                .in("executor.type"));
        return done(std::move(refused));
    }
    std::string text = event;
    text.append(core::kPaddingBytes, ' ');
    OutgoingEvent outgoing;
    const auto parsed = parser_.parse_one(std::string_view(text).substr(0, event.size()), nullptr,
                                          outgoing.envelope, nullptr);
    const std::string made_id = core::make_id("evt_test_", *deps_.random, 12);
    outgoing.event_id = outgoing.envelope.event_id.empty() ? made_id : outgoing.envelope.event_id;
    outgoing.received_at_us = deps_.clock->wall_us();
    const std::string delivery_id = core::make_id("dv_test_", *deps_.random, 21);
    const RegistrySnapshotRef registry = deps_.registry();
    auto call = make_webhook_call(
        {subscription.get(), &outgoing, delivery_id, 1, deps_.clock->wall_us()},
        [&](std::string_view name, std::string& value) {
            const SecretRef secret = secrets_.find(*registry, subscription->tenant, name);
            if (secret) value = secret->value;
            return secret != nullptr;
        });
    if (!parsed || !call) {
        refused.status = core::fail(parsed ? call.error() : parsed.error());
        return done(std::move(refused));
    }
    call->group = 0;  // it waits for nobody
    call->group_calls_max = 0;
    call->group_per_second_max = 0;
    const std::uint64_t ticket = ++last_ticket_;
    bool room = false;
    {
        const std::lock_guard lock(mutex_);
        room = tests_.size() < kTestsMax;
        if (room) tests_.emplace(ticket, Test{done, delivery_id, deps_.clock->monotonic_ns()});
    }
    if (room && deps_.http->send(*this, ticket, std::move(*call))) return;
    const std::lock_guard lock(mutex_);
    tests_.erase(ticket);
    refused.status =
        core::fail(core::Error(core::ErrorCode::kRateLimited, "too many calls wait to be made")
                       .retry_after(1));
    done(std::move(refused));
}

void DeliveryTester::receive(std::uint64_t ticket, courier::HttpAnswer&& answer) {
    Test test;
    {
        const std::lock_guard lock(mutex_);
        const auto at = tests_.find(ticket);
        if (at == tests_.end()) return;
        test = std::move(at->second);
        tests_.erase(at);
    }
    AttemptResult result;
    judge_answer(answer, 0, deps_.clock->wall_us(), result);
    auto told = std::make_shared<api::DeliveryTest>();
    told->delivered = result.outcome == AttemptOutcome::kOk;
    told->outcome = result.outcome_text;
    told->error = result.error;
    told->result_json = result.result_json;
    told->delivery_id = test.delivery_id;
    told->duration_us = (deps_.clock->monotonic_ns() - test.began_ns) / 1000;
    deps_.post([told, done = std::move(test.done)] { done(std::move(*told)); });
}

}  // namespace millrace::runtime
