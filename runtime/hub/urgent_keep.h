// What: of an edge that may drop what it has not sent (hub.on_full = "drop"): which events are
//       urgent (hub.first) and not sent yet. They stay when retention takes what is around them, so
//       that what is dropped is dropped by class: alarms last.
// Threads: floors() and events() retention's; sent_to() the forwarder's.
// Lifetime: borrows the database; holds on to which patterns were urgent when it was made.
// Limits: kEventsMax of a shard: beyond it the oldest are as all others (overflow policy: drop the
//         oldest, which the forwarder counts). kBlocksPerLook of the log a look; what was not
//         looked at stays.
// Failure: a log that does not read is looked at again; nothing behind that place goes.
#pragma once

#include "core/ids.h"
#include "runtime/hub/urgent_events.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

namespace millrace::store {
class Database;
}

namespace millrace::runtime::hub {

class UrgentKeep {
public:
    static constexpr std::size_t kEventsMax = 100'000;
    static constexpr std::size_t kBlocksPerLook = 4'096;

    UrgentKeep(store::Database& database, UrgentEvents urgent, std::size_t shards)
        : database_(database), urgent_(std::move(urgent)), shards_(shards) {}

    // Everything urgent before it is at the hub.
    void sent_to(std::uint32_t shard, std::uint64_t offset);
    // Looks on; by shard, up to where it has: what is behind it must stay.
    std::vector<core::LogOffset> floors();
    // What has to stay before that.
    std::vector<core::LogPosition> events() const;

private:
    struct Shard {
        std::uint64_t looked = 0;
        std::uint64_t sent = 0;
        std::deque<std::uint64_t> unsent;
    };
    void look(std::size_t index, Shard& shard);

    store::Database& database_;
    const UrgentEvents urgent_;
    mutable std::mutex mutex_;  // shards_
    std::vector<Shard> shards_;
};

}  // namespace millrace::runtime::hub
