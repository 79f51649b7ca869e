// What: events of which nothing is delivered any more that has not been: the places of those that
//       somebody has cancelled. A lane that comes to a delivery of one ends it instead. Each is a
//       row, which goes when nothing can be waiting for the event any more.
// Threads: add() and load() one at a time; the rest any. While there is none, asking is one load.
// Lifetime: of the server.
// Limits: kCancelledMax events. Overflow policy: refuse.
// Failure: add() says false when there are too many.
#pragma once

#include "core/ids.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

namespace millrace::runtime {

// Rows of the registry's family; the id is the place.
inline constexpr std::string_view kCancelledEventKind = "cancelled_event";
inline constexpr std::string_view kCancelledText = "cancelled: nobody wants this event any more";

std::string cancelled_event_id(core::LogPosition position);
std::optional<core::LogPosition> parse_cancelled_event_id(std::string_view id);

class CancelledEvents {
public:
    static constexpr std::size_t kCancelledMax = 100'000;

    bool add(core::LogPosition position);
    std::size_t size() const { return count_.load(std::memory_order_relaxed); }
    // relaxed: who is told later than this asks again with the event's next attempt
    bool any() const { return count_.load(std::memory_order_relaxed) != 0; }
    bool holds(core::LogPosition position) const;

private:
    struct Hash {
        std::size_t operator()(core::LogPosition at) const {
            return static_cast<std::size_t>(at.offset.value * 0x9e3779b97f4a7c15ull) ^
                   at.shard.value;
        }
    };
    mutable std::mutex mutex_;
    std::unordered_set<core::LogPosition, Hash> places_;
    std::atomic<std::size_t> count_{0};
};

}  // namespace millrace::runtime
