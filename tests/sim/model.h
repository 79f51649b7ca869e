// What: the oracle: what was sent, what was acknowledged, and what must therefore be true of the
//       store at every start and at the end. Knows the contract, not the engine's inside.
// Threads: one. Lifetime: of a run, over all starts of the server. Limits: none.
// Failure: the checks return the first thing that is wrong, in words; empty: all is well.
#pragma once

#include "core/ids.h"
#include "core/random.h"
#include "store/database.h"

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
    std::uint32_t fails = 0;  // so many attempts of its handler fail
    bool emits = false;
    std::uint32_t sendings = 0;
    std::uint32_t acknowledged = 0;
    std::uint32_t taken = 0;       // answers that did not say duplicate
    core::LogPosition position{};  // of the first acknowledgement
};

class Model {
public:
    // A new event of this key; its text is final.
    SentEvent& make(core::Random& random, std::string_view key);
    std::vector<SentEvent>& events() { return events_; }

    // The answer for one sending. Empty, or what is wrong with it.
    std::string acknowledge(SentEvent& event, core::LogPosition position, bool duplicate);

    bool ordered = true;  // the subscriptions keep a key's order across retries
    std::uint64_t runs_sent = 0;
    std::uint64_t runs_done = 0;

    // Right after a start, before any agent has worked.
    std::string check_start(store::Database& database, core::SubscriptionId count) const;
    // When all is delivered and nothing waits.
    std::string check_end(store::Database& database, core::SubscriptionId count) const;

private:
    struct Found;
    std::string read_log(store::Database& database, Found& found) const;
    std::string check_log(const Found& found) const;
    std::string check_event(store::Database& database, const SentEvent& event, const Found& found,
                            core::SubscriptionId count) const;
    std::string check_order(store::Database& database, const Found& found,
                            core::SubscriptionId count) const;

    std::vector<SentEvent> events_;
};

}  // namespace millrace::sim
