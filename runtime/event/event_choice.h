// What: which of a log's events somebody wants, by filters that are no subscriptions of the
//       registry, and the same matcher: what an edge's hub asks for, what a link's stream sends.
// Threads: one owner. Lifetime: value. Limits: those of a subscription.
// Failure: add() says why a filter is none; an event that does not parse is wanted.
#pragma once

#include "core/event_parser.h"
#include "core/field_table.h"
#include "core/result.h"
#include "matcher/matcher.h"
#include "matcher/subscription_spec.h"
#include "runtime/event/default_fields.h"
#include "store/log/event_block.h"

#include <cstdint>
#include <vector>

namespace millrace::runtime {

class EventChoice {
public:
    EventChoice();
    EventChoice(const EventChoice&) = delete;
    EventChoice& operator=(const EventChoice&) = delete;

    // Takes effect with publish().
    core::Status add(const matcher::SubscriptionSpec& spec);
    void publish() { matcher_.publish(); }
    // Whatever its tenant is.
    bool wants(const store::StoredEvent& event);

private:
    std::uint32_t count_ = 0;
    matcher::Matcher matcher_;
    matcher::Matcher::Reader reader_;
    core::EventParser parser_;
    core::FieldTable fields_;
    core::Envelope envelope_;
    DefaultFields defaults_;
    matcher::MatchScratch scratch_;
    std::vector<core::SubscriptionId> matched_;
};

}  // namespace millrace::runtime
