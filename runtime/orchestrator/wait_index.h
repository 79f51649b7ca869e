// What: who waits for which events, found by what an event says: by its tenant and its pattern,
//       then by the value that a filter wants some place to be equal to, if it does. An event costs
//       the same for one run that waits for `order.paid` with an id as for a hundred thousand.
//       Whoever is found may want the event: the filter itself has the last word.
// Threads: one owner. Lifetime: keys are borrowed until they are taken out.
// Limits: kAnchorValuesMax values of one event are looked up for one place; an event with more is
//         shown to all that wait with that place.
// Failure: an event that does not read is shown to nobody who has a filter.
#pragma once

#include "matcher/filter/json_value.h"
#include "matcher/filter/predicate.h"
#include "matcher/filter/wildcard.h"
#include "runtime/orchestrator/run_rows.h"
#include "store/log/event_block.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace millrace::runtime {

using WaitKey = std::pair<RunName, std::uint32_t>;  // and its step

// An event, read once for all that ask about it.
class SeenEvent {
public:
    explicit SeenEvent(const store::StoredEvent& event) : event_(event) {}
    std::string_view pattern() const { return event_.pattern; }
    core::TenantId tenant() const { return event_.tenant; }
    // Null: it does not read.
    const matcher::JsonValue* tree();
    // JSON; "{}" when there is none.
    const std::string& payload();

private:
    const store::StoredEvent event_;
    bool read_ = false;
    std::optional<matcher::JsonValue> tree_;
    std::string payload_;
};

// What has to be equal for a filter to hold: none of its alternatives does without.
struct WaitAnchor {
    matcher::Path path;
    matcher::Scalar value;
};
std::optional<WaitAnchor> anchor_of(const matcher::Predicate& predicate);

class WaitIndex {
public:
    // Where a wait stands; its owner keeps it for take().
    struct Place {
        std::string pattern;  // with stars: a wildcard
        bool wild = false;
        bool anchored = false;
        std::uint64_t path = 0, value = 0;  // hashes
    };
    static Place place_of(const std::string& pattern, const std::optional<WaitAnchor>& anchor);
    // `anchor`: the one that `place` was made of. Fails for a pattern that is none.
    core::Status put(const WaitKey& key, const Place& place,
                     const std::optional<WaitAnchor>& anchor);
    void take(const WaitKey& key, const Place& place);
    // Appends those that may want the event, each once.
    void find(SeenEvent& event, std::vector<const WaitKey*>& out) const;

private:
    static constexpr std::size_t kAnchorValuesMax = 256;

    using Keys = std::vector<const WaitKey*>;
    struct Before {
        bool operator()(const WaitKey* a, const WaitKey* b) const { return *a < *b; }
    };
    struct Anchored {
        matcher::Path path;
        std::unordered_map<std::uint64_t, Keys> by_value;
    };
    struct Listeners {
        matcher::Wildcard wildcard;
        std::set<const WaitKey*, Before> others;
        std::map<std::uint64_t, Anchored> anchored;  // by the path's hash
        bool empty() const { return others.empty() && anchored.empty(); }
    };
    struct OfTenant {
        std::map<std::string, Listeners, std::less<>> exact, wild;
        bool empty() const { return exact.empty() && wild.empty(); }
    };

    static void find_in(const Listeners& listeners, SeenEvent& event, Keys& out);

    std::unordered_map<std::uint32_t, OfTenant> tenants_;
};

}  // namespace millrace::runtime
