// What: the deliveries of a block that was read back from the log: every event read again and
//       matched with the subscriptions of now. A subscription gets only what came after it was
//       made, and nothing that already has an outcome.
// Threads: one owner. Lifetime: borrows the matcher through its reader.
// Limits: one block at a time. Failure: none; text in the log was valid when it was taken.
#pragma once

#include "core/event_parser.h"
#include "core/field_table.h"
#include "matcher/matcher.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/event/default_fields.h"
#include "runtime/event/misfit.h"
#include "runtime/registry/registry_snapshot.h"
#include "store/log/event_id.h"

#include <set>
#include <vector>

namespace millrace::runtime {

using DoneSet = std::set<store::DeliveryKey>;

class BlockMatcher {
public:
    explicit BlockMatcher(matcher::Matcher::Reader reader);

    // Whether a subscription gets events from before it was made: a replay may ask for them.
    enum class History : std::uint8_t { kSinceMade, kAll };
    // Events below `from` are left out. `done` may be null.
    struct Request {
        const store::EventBlock* block = nullptr;
        core::LogOffset from;
        const RegistrySnapshot* registry = nullptr;
        const DoneSet* done = nullptr;
        History history = History::kSinceMade;
    };
    // Fills `items` in order of events; returns the number of events that nobody wanted.
    std::size_t match(const Request& request, std::vector<DeliveryItem>& items);

    // One event: the ids of those that get it, by priority.
    void match_one(const store::StoredEvent& event, const RegistrySnapshot& registry,
                   std::vector<core::SubscriptionId>& out);

    // Reads one event's envelope (from its text alone, without the server's fills).
    bool envelope_of(std::string_view padded_text, core::Envelope& envelope);

    void offline() { reader_.offline(); }

private:
    bool read(const store::StoredEvent& event, const core::FieldPlan& plan, bool lean,
              std::uint32_t& payload_at);

    matcher::Matcher::Reader reader_;
    // Of what stands in the log: what stands for an event may be longer than one that comes.
    core::EventParser parser_{{.event_bytes_max = kStandInBytesMax}};
    core::FieldTable fields_;
    core::Envelope envelope_;  // of the event that is being matched
    DefaultFields defaults_;
    core::FieldPlan no_fields_;
    matcher::MatchScratch scratch_;
    std::vector<core::SubscriptionId> matched_;
};

}  // namespace millrace::runtime
