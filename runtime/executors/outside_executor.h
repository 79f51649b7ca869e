// What: what the executors that reach outside begin with: the members of their Deps that are alike,
//       and the event of an attempt as it goes out.
// Threads: the lane's. Lifetime: what event_of() gives out lives as long as the attempt's event.
// Limits: none. Failure: none; a stored event has been parsed before.
#pragma once

#include "core/clock.h"
#include "core/event_parser.h"
#include "runtime/delivery/executor.h"
#include "runtime/event/trace_context.h"
#include "runtime/executors/event_body.h"

#include <string>
#include <string_view>

namespace millrace::runtime {

struct OutsideDeps {
    const core::Clock* clock = nullptr;
    bool enabled = true;  // else its deliveries wait
    TraceRule traces{};
};

class OutgoingEvents {
public:
    OutgoingEvent event_of(const AttemptInput& input) {
        OutgoingEvent event;
        parser_.extract(input.event->raw, no_fields_, &event.envelope, fields_);
        event.event_id = input.event_id.empty() ? event.envelope.event_id : input.event_id;
        event.received_at_us = input.event->received_at_us;
        event.fills = input.event->fills;
        return event;
    }

    // The same over all attempts.
    static std::string delivery_id_of(const AttemptInput& input) {
        char id[128];
        return {id, input.delivery_id.write(input.delivery_id.self, id, sizeof id)};
    }

    // What goes out with an attempt; false: nothing does.
    static bool trace_of(const OutgoingEvent& event, const AttemptInput& input,
                         const TraceRule& rule, TraceContext& out) {
        if (!rule.exports && !has_trace(event.fills)) return false;
        const std::string id = delivery_id_of(input);
        out = trace_of_attempt({event.fills, chain_of(event), id, input.attempt, input.replay_json},
                               rule.sample)
                  .own;
        return true;
    }

private:
    core::EventParser parser_;
    core::FieldTable fields_;
    core::FieldPlan no_fields_;
};

}  // namespace millrace::runtime
