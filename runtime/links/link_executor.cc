#include "runtime/links/link_executor.h"

#include "runtime/event/event_defaults.h"

#include <utility>

namespace millrace::runtime {

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
    const OutgoingEvent event = outgoing_.event_of(input);
    const bool has_source = event.envelope.has(core::EnvelopeField::kSource);
    std::string identity(has_source ? event.envelope.source_type : kDefaultSourceType);
    identity.append("/").append(has_source ? event.envelope.source_id : kDefaultSourceId);
    identity.append("/").append(event.event_id);
    LinkSend what{link->number, std::string(event.event_id), std::string(event.envelope.pattern),
                  full_envelope(event), std::move(identity)};
    what.key = event.envelope.partition_key;
    TraceContext trace;
    if (OutgoingEvents::trace_of(event, input, deps_.traces, trace)) {
        what.traceparent = traceparent_text(trace);
        what.tracestate = trace.state;
    }
    const std::uint64_t ticket = input.ticket.value;
    {
        const std::lock_guard lock(mutex_);
        pending_.insert(ticket);
    }
    if (deps_.links->send(*this, ticket, std::move(what))) return Start::kPending;
    forget(ticket);
    result.fail("too many deliveries wait for links");
    return Start::kHeld;
}

void LinkExecutor::sent(std::uint64_t ticket, std::string&& error) {
    if (!forget(ticket)) return;  // abandoned meanwhile
    AttemptResult result;
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
