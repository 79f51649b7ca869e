#include "runtime/server/delivery_tester.h"

#include "core/made_id.h"
#include "runtime/delivery/event_input.h"
#include "runtime/executors/command_executor.h"
#include "runtime/executors/command_job.h"
#include "runtime/executors/reading_host.h"
#include "runtime/executors/webhook_answer.h"

#include <algorithm>
#include <string>
#include <utility>

namespace millrace::runtime {

bool DeliveryTester::reshape(const RegistrySnapshot& registry, OutgoingAttempt& attempt,
                             const FindSecret& find_secret, Reshaped& out, AttemptResult& told) {
    const Subscription& subscription = *attempt.subscription;
    if (!subscription.executor.webhook ||
        subscription.executor.webhook->transform_script_id.empty())
        return false;
    const Script* script = registry.script(subscription.executor.transform);
    if (!script) {
        told.fail(std::string(kTransformFailed) + "its script does not exist");
        return true;
    }
    Script bounded = *script;
    bounded.timeout_ms = std::min(bounded.timeout_ms, kTransformMsMax);
    EventInput event = event_input_of(attempt.event->envelope.raw, subscription.tenant,
                                      attempt.event->received_at_us);
    event.event_id = attempt.event->event_id;
    // It sees kv as it is, and the tenant's secrets.
    ReadingHost host({deps_.clock, deps_.random, deps_.kv}, subscription.tenant, find_secret);
    const TransformInput input{&subscription, &event, attempt.event->envelope.pattern,
                               attempt.delivery_id, attempt.attempt};
    if (!transform_.run(bounded, input, host, out, told)) return true;
    attempt.reshaped = &out;
    if (!out.skipped) return false;
    told.outcome = AttemptOutcome::kOk;
    told.outcome_text = "completed";
    told.result_json = kSkippedJson;
    return true;
}

// False: there is no room. An error in `status` is the call's.
bool DeliveryTester::hand_over(const OutgoingAttempt& attempt, const FindSecret& find_secret,
                               std::uint64_t ticket, core::Status& status) {
    if (attempt.subscription->executor.command && deps_.commands) {
        auto job = make_command_job(attempt, find_secret);
        if (job) return deps_.commands->run(*this, ticket, std::move(*job));
        status = core::fail(std::move(job.error()));
        return true;
    }
    if (!attempt.subscription->executor.webhook || !deps_.http) {
        status = core::fail(
            core::Error(core::ErrorCode::kValidation, "executor.type: nothing of it can be tested")
                .in("executor.type"));
        return true;
    }
    auto call = make_webhook_call(attempt, find_secret);
    if (!call) {
        status = core::fail(std::move(call.error()));
        return true;
    }
    call->group = 0;  // it waits for nobody
    call->group_calls_max = 0;
    call->group_per_second_max = 0;
    return deps_.http->send(*this, ticket, std::move(*call));
}

void DeliveryTester::test(const SubscriptionRef& subscription, const std::string& event,
                          Done done) {
    std::string text = event;
    text.append(core::kPaddingBytes, ' ');
    OutgoingEvent outgoing;
    api::DeliveryTest refused;
    refused.status = parser_.parse_one(std::string_view(text).substr(0, event.size()), nullptr,
                                       outgoing.envelope, nullptr);
    if (!refused.status) return done(std::move(refused));
    const std::string made_id = core::make_id("evt_test_", *deps_.random, 12);
    outgoing.event_id = outgoing.envelope.event_id.empty() ? made_id : outgoing.envelope.event_id;
    outgoing.received_at_us = deps_.clock->wall_us();
    const std::string delivery_id = core::make_id("dv_test_", *deps_.random, 21);
    const RegistrySnapshotRef registry = deps_.registry();
    const std::uint64_t ticket = ++last_ticket_;
    bool room = false;
    {
        const std::lock_guard lock(mutex_);
        room = tests_.size() < kTestsMax;
        if (room) {
            HiddenTexts hidden = mask_.of(*registry, subscription->tenant);
            add_webhook_secrets(subscription->executor.secrets.get(), hidden);
            tests_.emplace(ticket,
                           Test{done, delivery_id, deps_.clock->monotonic_ns(), std::move(hidden)});
        }
    }
    const auto find_secret = [&](std::string_view name, std::string& value) {
        const SecretRef secret = secrets_.find(*registry, subscription->tenant, name);
        if (secret) value = secret->value;
        return secret != nullptr;
    };
    OutgoingAttempt attempt{subscription.get(), &outgoing, delivery_id, 1, outgoing.received_at_us};
    Reshaped reshaped;
    AttemptResult told;
    if (room && reshape(*registry, attempt, find_secret, reshaped, told)) return tell(ticket, told);
    if (room && hand_over(attempt, find_secret, ticket, refused.status) && refused.status) return;
    {
        const std::lock_guard lock(mutex_);
        tests_.erase(ticket);
    }
    if (refused.status) {
        refused.status = core::fail(
            core::Error(core::ErrorCode::kRateLimited, "too many of these wait to be made")
                .retry_after(1));
    }
    done(std::move(refused));
}

void DeliveryTester::receive(std::uint64_t ticket, courier::HttpAnswer&& answer) {
    AttemptResult result;
    judge_answer(answer, 0, deps_.clock->wall_us(), result);
    tell(ticket, result);
}

void DeliveryTester::ended(std::uint64_t ticket, CommandEnd&& end) {
    AttemptResult result;
    judge_command(end, deps_.clock->wall_us(), result);
    tell(ticket, result);
}

void DeliveryTester::tell(std::uint64_t ticket, const AttemptResult& result) {
    Test test;
    {
        const std::lock_guard lock(mutex_);
        const auto at = tests_.find(ticket);
        if (at == tests_.end()) return;
        test = std::move(at->second);
        tests_.erase(at);
    }
    auto told = std::make_shared<api::DeliveryTest>();
    told->delivered = result.outcome == AttemptOutcome::kOk;
    told->outcome = result.outcome_text;
    told->error = result.error;
    told->result_json = result.result_json;
    test.hidden.hide(told->error);
    test.hidden.hide_in_json(told->result_json, kHiddenJson);
    told->delivery_id = test.delivery_id;
    told->duration_us = (deps_.clock->monotonic_ns() - test.began_ns) / 1000;
    deps_.post([told, done = std::move(test.done)] { done(std::move(*told)); });
}

}  // namespace millrace::runtime
