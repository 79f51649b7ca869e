// What: the oracle: what was sent, what was acknowledged, and what must therefore be true of the
//       store at every start and at the end. Knows the contract, not the engine's inside.
// Threads: one. Lifetime: of a run, over all starts of the server. Limits: none.
// Failure: the checks return the first thing that is wrong, in words; empty: all is well.
#pragma once

#include "core/ids.h"
#include "core/random.h"
#include "store/database.h"
#include "tests/sim/keeping.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::sim {

inline constexpr std::string_view kPatternPrefix = "sim.";
inline constexpr std::string_view kCountSubscription = "count";
inline constexpr std::uint32_t kRetriesMax = 2;

// One event as a client sent it; the same again is the same SentEvent.
struct SentEvent {
    std::uint64_t number = 0;
    std::string id;  // empty: the server makes one at every sending
    std::string key;
    std::string text;
    std::size_t pattern = 0;
    std::uint32_t fails = 0;  // so many attempts of its handler fail
    bool emits = false;
    std::int64_t scheduled_us = 0;  // not before; 0: at once
    std::int64_t made_us = 0;
    std::uint32_t sendings = 0;
    std::uint32_t acknowledged = 0;
    std::uint64_t acknowledged_serial = 0;  // of the first: among all acknowledgements
    std::uint32_t taken = 0;                // answers that did not say duplicate
    bool placed = false;                    // `position` is known: the socket tells none
    core::LogPosition position{};           // of the first acknowledgement
};

// A replay that was answered with 202.
struct SentReplay {
    std::string id;
    bool dry_run = false;
    std::vector<std::uint64_t> events;  // numbers: must be delivered again
};

struct EventMix {
    std::int64_t now_us = 0;
    std::uint64_t scheduled_one_in = 0;  // 0: none
};

class Model {
public:
    // A new event of this key; its text is final.
    SentEvent& make(core::Random& random, std::string_view key, const EventMix& mix);
    std::vector<SentEvent>& events() { return events_; }

    // The answer for one sending. Empty, or what is wrong with it.
    std::string acknowledge(store::Database& database, SentEvent& event, core::LogPosition position,
                            bool duplicate, std::int64_t now_us);
    // By the socket: it is durable, nothing else is said.
    void acknowledge_line(SentEvent& event);
    std::uint64_t acknowledgements() const { return acknowledgements_; }

    // What was acknowledged up to then, came in [from, to), is there still and due by now: a replay
    // of that range must bring it again.
    std::vector<std::uint64_t> range(store::Database& database, std::uint64_t serial,
                                     std::int64_t from_us, std::int64_t to_us,
                                     std::int64_t now_us) const;
    bool replays_running(store::Database& database) const;

    Keeping keeping;
    bool ordered = true;  // the subscriptions keep a key's order across retries
    std::uint64_t runs_sent = 0;
    std::uint64_t runs_done = 0;
    std::uint64_t replays_sent = 0;
    std::vector<SentReplay> replays;

    // Right after a start, before any agent has worked.
    std::string check_start(store::Database& database, core::SubscriptionId count,
                            std::int64_t now_us) const;
    // When all is delivered and nothing waits.
    std::string check_end(store::Database& database, core::SubscriptionId count,
                          std::int64_t now_us) const;

private:
    struct Found;
    bool may_be_gone(const SentEvent& event, std::int64_t now_us) const {
        return keeping.may_go(event.pattern, now_us - event.made_us);
    }
    std::string read_log(store::Database& database, Found& found) const;
    std::string check_log(const Found& found, std::int64_t now_us) const;
    std::string check_there(const Found& found, const SentEvent& event, std::int64_t now_us) const;
    std::string check_outcomes(store::Database& database, const Found& found,
                               core::SubscriptionId count) const;
    std::string check_event(store::Database& database, const SentEvent& event, const Found& found,
                            core::SubscriptionId count, std::int64_t now_us) const;
    std::string check_emitted(store::Database& database, const SentEvent& event, const Found& found,
                              std::int64_t effects) const;
    std::string check_execution(store::Database& database, const SentEvent& event,
                                core::LogPosition position, core::SubscriptionId count) const;
    std::string check_order(store::Database& database, const Found& found,
                            core::SubscriptionId count) const;
    std::string check_dead_letters(store::Database& database, const Found& found,
                                   core::SubscriptionId count) const;
    std::string check_replays(store::Database& database) const;

    std::vector<SentEvent> events_;
    std::uint64_t acknowledgements_ = 0;
};

}  // namespace millrace::sim
