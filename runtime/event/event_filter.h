// What: does one stored event satisfy the criteria of a listing, a stream or a replay? Exact
//       members are compared on the envelope, the filter runs through the matcher as a subscription
//       of its own.
// Threads: one owner. Lifetime: owns its texts and its parser; events are borrowed for the call.
// Limits: those of a subscription (matcher/filter/limits.h).
// Failure: make() refuses a bad filter with place and expectation; an event that does not parse is
//       not accepted.
#pragma once

#include "core/event.h"
#include "core/event_parser.h"
#include "core/field_table.h"
#include "core/result.h"
#include "matcher/filter/wildcard.h"
#include "matcher/matcher.h"
#include "runtime/event/default_fields.h"
#include "runtime/event/misfit.h"
#include "store/log/event_block.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::runtime {

struct EventCriteria {
    std::string pattern;  // as of a subscription: stars are wildcards; empty: any
    std::string pattern_prefix;
    std::string source_type;
    std::string source_id;
    std::string correlation_id;
    std::string causation_id;
    std::string context_id;
    std::string filter;  // any filter form; empty: everything
    // Wildcards, one of which the pattern must fit: those of the key that asks. Empty: any.
    std::vector<std::string> within = {};
    // The event's own timestamp (else that of its receipt), as from and to.
    std::int64_t event_time_from_us = INT64_MIN;
    std::int64_t event_time_to_us = INT64_MAX;
};

class EventFilter {
public:
    static core::Result<std::unique_ptr<EventFilter>> make(EventCriteria criteria);
    EventFilter(const EventFilter&) = delete;
    EventFilter& operator=(const EventFilter&) = delete;

    const EventCriteria& criteria() const { return criteria_; }
    // What the pattern of each accepted event is; empty: it may be any.
    std::string_view exact_pattern() const {
        return wildcard_ ? std::string_view() : std::string_view(criteria_.pattern);
    }
    // What it begins with.
    std::string_view pattern_prefix() const;
    bool accepts(const store::StoredEvent& event);
    // Of the event that accepts() looked at last; empty when nothing had to be parsed.
    const core::Envelope& envelope() const { return envelope_; }

private:
    explicit EventFilter(EventCriteria criteria);
    core::Status compile();
    core::Status compile_pattern();
    bool pattern_agrees(std::string_view pattern) const;
    bool members_agree(std::int64_t received_at_us) const;
    bool may_hold_needle(std::string_view raw) const;

    const EventCriteria criteria_;
    std::optional<matcher::Wildcard> wildcard_;  // else the pattern is exact
    std::vector<matcher::Wildcard> within_;
    bool needs_parse_ = false;
    bool needs_members_ = false;  // of the envelope, not only of its pattern
    std::string needle_;          // an id that the text must hold; empty: none
    bool has_filter_ = false;
    // Of what stands in the log: what stands for an event may be longer than one that comes.
    core::EventParser parser_{{.event_bytes_max = kStandInBytesMax}};
    core::Envelope envelope_;
    core::FieldTable fields_;
    DefaultFields defaults_;
    matcher::Matcher matcher_;
    matcher::Matcher::Reader reader_;
    matcher::MatchScratch scratch_;
    std::vector<core::SubscriptionId> matched_;
};

}  // namespace millrace::runtime
