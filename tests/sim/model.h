// What: the oracle: what was sent, what was acknowledged, and what must therefore be true of the
//       store at every start and at the end. Knows the contract, not the engine's inside.
// Threads: one. Lifetime: of a run, over all starts of the server. Limits: none.
// Failure: the checks return the first thing that is wrong, in words; empty: all is well.
#pragma once

#include "core/ids.h"
#include "core/random.h"
#include "store/database.h"
#include "store/log/event_block.h"
#include "tests/sim/emit_edges.h"
#include "tests/sim/keeping.h"
#include "tests/sim/tenants.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace millrace::sim {

inline constexpr std::string_view kPatternPrefix = "sim.";
inline constexpr std::string_view kCountSubscription = "count";
inline constexpr std::uint32_t kRetriesMax = 2;

// One event as a client sent it; the same again is the same SentEvent.
struct SentEvent {
    std::uint64_t number = 0;  // among all tenants' events
    std::size_t tenant = 0;
    std::string id;  // empty: the server makes one at every sending; may be another event's too
    std::string made_id;  // the server's, where it has told it
    std::string source;   // empty: none is named
    std::string key;
    std::string text;
    std::size_t pattern = 0;
    std::uint32_t fails = 0;  // so many attempts of its handler fail
    bool emits = false;
    EmitEdge edge;                  // what its handler tries to emit beside that
    std::int64_t scheduled_us = 0;  // not before; 0: at once
    std::int64_t made_us = 0;       // or earlier: it was received at this moment at the earliest
    std::uint32_t sendings = 0;
    std::uint32_t acknowledged = 0;
    std::uint64_t acknowledged_serial = 0;  // of the first: among all acknowledgements
    std::uint32_t taken = 0;                // answers that did not say duplicate
    std::uint32_t together =
        0;                // sent in this batch of all or none, and never alone before; 0: none
    bool placed = false;  // `position` is known: the socket tells none
    core::LogPosition position{};  // of the first acknowledgement
};

// A replay that was answered with 202.
struct SentReplay {
    std::size_t tenant = 0;
    std::string id;
    bool dry_run = false;
    std::vector<std::uint64_t> events;  // numbers: must be delivered again
};

// What a replay was asked for: a range, and what had been acknowledged before.
struct SentRange {
    std::size_t tenant = 0;
    std::int64_t from_us = 0;
    std::int64_t to_us = 0;
    std::int64_t begun_us = 0;
    std::uint64_t serial = 0;
};

struct EventMix {
    std::size_t tenant = 0;
    std::int64_t now_us = 0;
    std::uint64_t scheduled_one_in = 0;  // 0: none
    std::uint64_t same_id_one_in = 0;    // 0: none has an id that another event has too
    std::uint64_t edge_one_in = 0;       // 0: none emits at a limit
};

class Model {
public:
    // A new event of this key; its text is final.
    SentEvent& make(core::Random& random, std::string_view key, const EventMix& mix);
    std::vector<SentEvent>& events() { return events_; }

    // The answer for one sending. Empty, or what is wrong with it.
    std::string acknowledge(store::Database& database, SentEvent& event, core::LogPosition position,
                            bool duplicate);
    // It was acknowledged, the server has named it, and nothing takes it away.
    bool may_be_resent(const SentEvent& event, std::size_t tenant) const {
        return event.tenant == tenant && !event.made_id.empty() && event.placed && !keeping.any();
    }
    // By the name that the server gave it.
    std::string acknowledge_resent(const SentEvent& event, core::LogPosition position,
                                   bool duplicate) const;
    // By the socket: it is durable, nothing else is said.
    void acknowledge_line(SentEvent& event);
    std::uint64_t acknowledgements() const { return acknowledgements_; }

    // What was acknowledged up to then, came in [from, to), is there still and due by now: a replay
    // of that range must bring it again.
    std::vector<std::uint64_t> range(store::Database& database, const SentRange& sent) const;
    bool replays_running(store::Database& database) const;

    using Counts = PerTenant<core::SubscriptionId>;  // numbers of the subscriptions that count
    struct Stretch {
        core::LogPosition first;
        core::LogOffset end;
    };

    Counts counts{};
    // What stored rows that do not read any more may have taken with them (damage.h).
    std::set<std::uint64_t> hurt_events;      // their deliveries: numbers
    std::set<std::string> hurt_documents;     // ids
    std::vector<Stretch> hurt_outcomes;       // the records of what their deliveries came to
    PerTenant<std::uint64_t> hurt_letters{};  // of the subscriptions that count, and of others
    PerTenant<std::uint64_t> hurt_side_letters{};
    bool hurt_cursor = false;
    bool hurt_history = false;  // what kv was can not be told

    Keeping keeping;
    // The wall clock jumps: what was due may not be any more, and what was old may be young again.
    bool clock_steps = false;
    std::int64_t latest_us = 0;  // the farthest that the wall clock has been
    void look_at_clock(std::int64_t now_us);
    bool ordered = true;  // the subscriptions keep a key's order across retries
    PerTenant<std::uint64_t> runs_sent{};
    PerTenant<std::uint64_t> runs_done{};
    std::uint64_t replays_sent = 0;
    std::vector<SentReplay> replays;

    // Right after a start, before any agent has worked.
    std::string check_start(store::Database& database) const;
    // When all is delivered and nothing waits.
    std::string check_end(store::Database& database) const;

private:
    struct Found;
    // By what any moment of the wall clock allowed.
    bool may_be_gone(const SentEvent& event) const {
        return keeping.may_go(event.pattern, latest_us - event.made_us);
    }
    void choose_id(core::Random& random, const EventMix& mix, SentEvent& event);
    void take_id_of(const SentEvent& other, SentEvent& event);
    std::string check_tenant(const store::StoredEvent& event, std::uint64_t number) const;
    std::string read_log(store::Database& database, Found& found) const;
    std::string check_log(const Found& found) const;
    std::string check_together(const Found& found) const;
    std::string check_there(const Found& found, const SentEvent& event) const;
    bool outcome_is_hurt(core::LogPosition position) const;
    std::string check_outcomes(store::Database& database, const Found& found) const;
    std::string check_event(store::Database& database, const SentEvent& event,
                            const Found& found) const;
    std::string check_emitted(store::Database& database, const SentEvent& event, const Found& found,
                              std::int64_t effects) const;
    std::string check_edges(store::Database& database, const SentEvent& event, const Found& found,
                            std::int64_t effects) const;
    std::string check_execution(store::Database& database, const SentEvent& event,
                                core::LogPosition position) const;
    std::string check_order(store::Database& database, const Found& found) const;
    std::string check_dead_letters(store::Database& database, const Found& found,
                                   std::size_t tenant) const;
    std::string check_replays(store::Database& database) const;
    std::string check_counters(store::Database& database, std::size_t tenant) const;
    std::string check_kv(store::Database& database, std::size_t tenant) const;

    std::vector<SentEvent> events_;
    std::set<std::tuple<std::size_t, std::string, std::string>> identities_;  // tenant, source, id
    std::uint64_t acknowledgements_ = 0;
    std::int64_t last_us_ = 0;
};

}  // namespace millrace::sim
