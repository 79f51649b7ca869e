#include "runtime/links/link_executor.h"

#include "runtime/delivery/event_input.h"
#include "runtime/links/link_text.h"

#include <utility>

namespace millrace::runtime {

// kPending: `out` is to be sent.
Executor::Start LinkExecutor::reshape(const AttemptInput& input, const Link& link,
                                      const OutgoingEvent& event, Reshaped& out,
                                      AttemptResult& result) {
    EventInput seen = event_input_of(*input.event, input.payload_at);
    seen.event_id = input.event_id;
    const std::string id = OutgoingEvents::delivery_id_of(input);
    const Start left = transform_.reshape(
        {link.transform_script, link.transform_script_id}, input,
        {input.subscription, &seen, event.envelope.pattern, id, input.attempt}, out, result);
    if (left != Start::kPending || out.headers.empty()) return left;
    result.fail(std::string(kTransformFailed).append(kLinkSendsNoHeaders));
    return Start::kDone;
}

Executor::Start LinkExecutor::start(const AttemptInput& input, AttemptResult& result) {
    const ExecutorSpec& executor = input.subscription->executor;
    const Link* const link = input.registry->links.find(executor.link.value);
    if (!link) {
        result.fail("link '" + executor.link_id + "' does not exist");
        return Start::kDone;
    }
    if (link->paused) {
        result.fail("link '" + link->id + "' is paused");
        return Start::kHeld;
    }
    if (is_stream(*link)) {
        result.fail("link '" + link->id +
                    "' is a stream: it takes its events from the log by itself");
        return Start::kDone;
    }
    const OutgoingEvent event = outgoing_.event_of(input);
    Reshaped reshaped;
    const bool reshapes = !link->transform_script_id.empty();
    if (reshapes) {
        const Start left = reshape(input, *link, event, reshaped, result);
        if (left != Start::kPending) return left;
    }
    LinkSend what{link->number, std::string(event.event_id), std::string(event.envelope.pattern),
                  reshapes ? std::move(reshaped.body) : full_envelope(event), identity_of(event)};
    what.key = event.envelope.partition_key;
    what.delivery = OutgoingEvents::delivery_id_of(input);
    TraceContext trace;
    if (OutgoingEvents::trace_of(event, input, deps_.traces, trace)) {
        what.traceparent = traceparent_text(trace);
        what.tracestate = trace.state;
    }
    const std::uint64_t ticket = input.ticket.value;
    {
        const std::lock_guard lock(mutex_);
        pending_.emplace(ticket, std::move(reshaped.logs_json));
    }
    if (deps_.links->send(*this, ticket, std::move(what))) return Start::kPending;
    (void)forget(ticket);
    result.fail("too many deliveries wait for links");
    return Start::kHeld;
}

void LinkExecutor::sent(std::uint64_t ticket, std::string&& error) {
    auto logs = forget(ticket);
    if (!logs) return;  // abandoned meanwhile
    AttemptResult result;
    result.logs_json = std::move(*logs);
    if (error.empty()) {
        result.outcome = AttemptOutcome::kOk;
        result.outcome_text = "completed";
    } else {
        result.fail(error);
    }
    answers_.tell(AttemptTicket(ticket), std::move(result));
}

void LinkExecutor::abandon(AttemptTicket ticket) {
    if (forget(ticket.value)) deps_.links->cancel(*this, ticket.value);
}

}  // namespace millrace::runtime
