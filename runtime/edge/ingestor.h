// What: the edge's half of taking events in: one pass over a body that parses, validates, matches
//       and sorts every event to its home shard. Fills an IngestRequest; touches no queue and no
//       socket.
// Threads: one owner, a shard's thread. Lifetime: borrows hasher, clock and matcher.
// Limits: core/limits.h. No allocation per event once the request's vectors have grown.
// Failure: a body that holds no event at all is an Error; a bad entry is in request.rejected.
#pragma once

#include "core/clock.h"
#include "core/event_parser.h"
#include "core/field_table.h"
#include "core/result.h"
#include "matcher/matcher.h"
#include "runtime/edge/match_verifier.h"
#include "runtime/event/default_fields.h"
#include "runtime/event/entry_bound.h"
#include "runtime/registry/schema_guard.h"
#include "runtime/shard/ingest_request.h"
#include "store/ids/hasher.h"
#include "store/ids/id_set.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

enum class HomeRule : std::uint8_t {
    kByKey,     // by partition key, else by event id
    kStayHere,  // this shard, unless a partition key says otherwise: events that handlers emit
};

class Ingestor {
public:
    struct Options {
        core::ShardId shard;
        std::size_t shards = 1;
        std::size_t event_bytes_max = core::kEventBytesMax;
        std::size_t batch_events_max = core::kBatchEventsMax;  // of a request over HTTP
        MatchVerifier* verifier = nullptr;                     // may be null
        SchemaGuard::Sources schemas{};  // what events must fit, and what their rules ask
        // Whether an event of this identity has been taken, durably: whose key is held by nobody
        // has no other on its way. Null: nobody is asked.
        std::function<bool(const store::IdHash&)> is_taken = {};
    };
    Ingestor(const Options& options, const store::Hasher& hasher, const core::Clock& clock,
             matcher::Matcher::Reader reader);

    // For whoever walks over a batch before it is read.
    EntryBound entry_bound(IngestOrigin origin) const {
        return EntryBound(origin == IngestOrigin::kHttp ? options_.batch_events_max
                                                        : core::kBatchEventsMax);
    }

    // request.body, tenant and edge are set; items, matches, rejected and by_home are filled.
    core::Status read(IngestRequest& request, std::string_view text, core::BatchFormat format,
                      HomeRule rule);

    // The keys of all steps of a request, in their order.
    void late_keys(const IngestRequest& request, std::vector<StateKey>& out) const;
    // Asks the rules that are asked late of a request that holds them: the slots of late_keys().
    // What is refused is in request.rejected, or what stands for it is in its place.
    void settle_late(IngestRequest& request, std::span<StateSlot* const> slots);

    // While idle: lets the matcher free old snapshots.
    void offline() { reader_.offline(); }

private:
    static void expect(void* self, std::string_view pattern);
    std::uint32_t entry_number(const IngestRequest& request) const;
    core::Status check(const IngestRequest& request, const core::Envelope& envelope) const;
    // What stands in the place of an event that did not fit; all empty: it did.
    struct StandsFor {
        std::string_view event_id;
        std::string_view pattern;
        std::string_view why;
    };
    // What the schemas of its pattern make of an event: false, it is in request.rejected; else it
    // goes in, or what stands in its place does.
    bool pass_schemas(IngestRequest& request, const core::FieldPlan* plan, std::int64_t now_us,
                      core::Envelope& envelope, StandsFor& stands_for);
    bool read_stand_in_text(std::string& text, const core::FieldPlan* plan,
                            core::Envelope& envelope);
    // False: it is too large or too deep to be put into another one, and its sender can be told.
    bool stand_in(IngestRequest& request, const core::FieldPlan* plan, std::int64_t now_us,
                  const SchemaGuard::Finding& finding, core::Envelope& envelope,
                  StandsFor& stands_for);
    void match_last(IngestRequest& request, const core::Envelope& envelope,
                    const matcher::Snapshot& snapshot, std::int64_t now_us);
    // One item: false, it is to be left out.
    bool settle_item(IngestRequest& request, std::uint32_t index);
    bool bury(IngestRequest& request, std::uint32_t index, const SchemaGuard::Finding& finding);
    static void mark(IngestItem& item, const StandsFor& stands_for) {
        if (stands_for.why.empty()) return;
        item.event_id = stands_for.event_id;
        item.letter_pattern = stands_for.pattern;
        item.dead_letter = stands_for.why;
    }
    // Which entry it is, and whose.
    struct Entry {
        std::uint32_t number = 0;
        core::TenantId tenant;
    };
    void add(IngestRequest& request, const core::Envelope& envelope, HomeRule rule,
             std::int64_t now_us, const Entry& entry);
    void note_made(IngestRequest& request, std::uint32_t index) const;
    void ask_late(IngestRequest& request);
    std::string_view keep(IngestRequest& request, std::string_view text) const;
    std::uint16_t flags_of(const core::Envelope& envelope, HomeRule rule,
                           std::int64_t now_us) const;

    const Options options_;
    const store::Hasher& hasher_;
    const core::Clock& clock_;
    matcher::Matcher::Reader reader_;
    core::EventParser parser_;
    core::FieldTable fields_;
    DefaultFields defaults_;
    matcher::MatchScratch scratch_;
    SchemaGuard guard_;
    std::vector<LateRule> late_;  // of the event that is read
    store::IdSet settled_;        // while settle_late() runs: identities that were let in
    // Of the body that is being read: what patterns are looked up in.
    struct Expected {
        const matcher::Snapshot* snapshot = nullptr;
        core::TenantId tenant;
    };
    Expected expected_;
    std::vector<core::SubscriptionId> matched_;
    std::uint64_t keyless_ = 0;
    std::uint64_t misfits_ = 0;
    // The last event's source and what became of it: senders seldom change it within a batch.
    struct SourceMemo {
        std::string type;
        std::string id;
        std::uint64_t text_hash = 0;
        std::uint64_t identity_part = 0;
    };
    void remember_source(std::string_view type, std::string_view id);
    SourceMemo source_;
    const std::uint32_t verify_every_;
    std::uint32_t unverified_ = 0;
};

}  // namespace millrace::runtime
