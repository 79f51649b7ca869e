// What: looks whether events stand where ids of this server's own making say. Such an id tells its
//       place in the log and is in no index (store/log/event_id.h); who sends one back, out of an
//       export say, sends a duplicate as long as the event is kept. An event counts as the same if
//       its id was made there, and tenant and source are those of the one that came.
// Threads: ask() any; do_work() the feeder's. Between ask() and `looked` nobody else touches the
//       request.
// Lifetime: borrows all of Deps and the requests.
// Limits: a step reads one block and looks at kItemsPerStep items; the blocks that it has read last
//       stay in memory, one a shard, while something is asked.
// Failure: a block that can't be read is logged; what came is then a new event.
#pragma once

#include "core/clock.h"
#include "core/event_parser.h"
#include "core/log.h"
#include "runtime/shard/ingest_request.h"
#include "store/database.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace millrace::runtime {

// Where a shard has the places of IngestRequest::made looked at; the request comes back through
// Shard::looked, with KeeperAnswer::kStands in the items that were found.
class PlaceSource {
public:
    virtual ~PlaceSource() = default;
    virtual void look(IngestRequest& request) = 0;
};

class PlaceLook {
public:
    struct Deps {
        const core::Clock* clock = nullptr;
        core::Log* log = nullptr;
        store::Database* database = nullptr;
        // Where a shard's log ends, durable or not, as of a moment ago.
        std::function<core::LogOffset(core::ShardId)> appended;
        std::function<void(IngestRequest&)> looked;
    };
    explicit PlaceLook(Deps deps) : deps_(std::move(deps)) {}

    void ask(IngestRequest& request);
    std::size_t do_work();
    std::int64_t sleep_us_max() const { return asked_.empty() ? kIdleUs : kAgainUs; }

private:
    static constexpr std::size_t kItemsPerStep = 1024;
    static constexpr std::int64_t kAgainUs = 1'000;
    static constexpr std::int64_t kIdleUs = 1'000'000;
    // `appended` may be as old as a shard's turn is long.
    static constexpr std::int64_t kSettleUs = 5'000;

    struct Asked {
        IngestRequest* request = nullptr;
        std::size_t next = 0;       // in its list
        std::int64_t since_us = 0;  // its next one waits to be durable; 0: it does not
        std::int64_t again_us = 0;  // not before
    };
    enum class Found : std::uint8_t { kYes, kNo, kNotYet };

    void take_asked();
    bool step(Asked& asked);
    Found look_at(const IngestItem& item);
    bool is_same(const store::StoredEvent& event, const IngestItem& item);
    std::int64_t now_us() const { return deps_.clock->monotonic_ns() / 1000; }

    const Deps deps_;
    std::mutex mutex_;
    std::deque<IngestRequest*> fresh_;
    // The feeder's alone.
    std::deque<Asked> asked_;
    std::vector<store::EventBlock> blocks_;  // the last one read, by shard
    std::size_t blocks_read_ = 0;            // in this step
    core::EventParser parser_;
};

}  // namespace millrace::runtime
