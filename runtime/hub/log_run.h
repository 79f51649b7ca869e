// What: reads an edge's log as its hub gets it: the next batch of a shard from a mark on, and the
//       chain hash from one place to another.
//       What crosses: what the hub wants of the events of the tenant `default`, but the server's
//       own (system.*), and of those what belongs to the lane. What does not is skipped, by offset.
// Threads: one owner; reads block on the disk. Lifetime: borrows the database.
// Limits: a batch of bytes_target of texts and one event more, kEventsMax events, kBlocksMax
//         blocks; a step of a walk kWalkBlocksMax.
// Failure: Errors of the log.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "runtime/hub/forward_mark.h"
#include "runtime/hub/hub_batch.h"
#include "runtime/hub/urgent_events.h"
#include "runtime/hub/wanted_events.h"
#include "store/log/event_block.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace millrace::store {
class Database;
}

namespace millrace::runtime::hub {

class LogRun {
public:
    static constexpr std::size_t kEventsMax = 16'384;
    static constexpr std::size_t kBlocksMax = 256;  // of a turn, where next to nothing crosses

    static constexpr std::size_t kWalkBlocksMax = 16;

    explicit LogRun(store::Database& database) : database_(database) {}

    // From now on. Nothing crosses before this is known.
    void use(std::unique_ptr<WantedEvents> wanted) { wanted_ = std::move(wanted); }
    const WantedEvents* wanted() const { return wanted_.get(); }

    // What of the log a lane is.
    struct Part {
        enum class Of : std::uint8_t { kAll, kUrgent, kRest };
        Of of = Of::kAll;
        const UrgentEvents* urgent = nullptr;   // where it is not all
        WantedEvents* had = nullptr;            // what has crossed already; null: nothing has
        std::uint64_t end = ~std::uint64_t{0};  // not beyond
    };
    struct Next {
        std::string bytes;  // empty: there is nothing to send, up to `to`
        std::uint64_t to = 0;
        std::uint64_t hash = 0;
        std::uint64_t events = 0;
        std::uint64_t skipped = 0;  // that are there and do not cross
        std::uint64_t lost = 0;     // that retention took before they were sent
        bool full = false;          // there is more
        bool missing = false;       // nothing can be read behind `to`, before the log's end
    };
    // Where nothing crosses: no batch, or one that says so.
    enum class Empty : std::uint8_t { kWaits, kIsTold };
    // From `from` on. What does not cross up to `quiet` is known already, and not looked at again.
    core::Result<Next> next_batch(const ForwardMark& from, const ForwardMark& quiet,
                                  const Part& part, std::size_t bytes_target,
                                  std::uint64_t incarnation, Empty empty);

    // From a mark on to another place, for the hash there.
    struct Walk {
        ForwardMark at;
        std::uint64_t to = 0;
        std::uint64_t hash = 0;  // that it must come to
        bool gaps = false;       // retention took some of what lies between
    };
    // A step of it. kShort: the log does not reach that far.
    enum class Way : std::uint8_t { kGoesOn, kThere, kShort };
    core::Result<Way> walk(Walk& walk);

private:
    bool take(const store::StoredEvent& event, const Part& part, Next& out);

    bool crosses(const store::StoredEvent& event, const Part& part);

    store::Database& database_;
    std::unique_ptr<WantedEvents> wanted_;
    BatchWriter writer_;
    std::string id_;
};

}  // namespace millrace::runtime::hub
