// What: where a request waits until it holds the keys of its transitions (registry/state_book.h),
//       and is then asked what is asked late. One that holds them goes on at once; those of a
//       tenant that come behind one that waits keep their order if they ask as well, or have
//       partition keys.
// Threads: the shard's. Lifetime: borrows the requests until it passes them on.
// Limits: the requests under way. Failure: none.
#pragma once

#include "runtime/edge/ingestor.h"
#include "runtime/shard/ingest_request.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <utility>
#include <vector>

namespace millrace::runtime {

class LateGate {
public:
    // `states`: null, nothing is held.
    LateGate(StateBook* states, Ingestor& ingestor, std::function<void(IngestRequest&)> pass)
        : states_(states), ingestor_(ingestor), pass_(std::move(pass)) {}

    // False: it has to wait.
    bool try_pass(IngestRequest& request) {
        if (waiting_ == 0 && !request.late) [[likely]]
            return true;
        return try_in_order(request);
    }
    void park(IngestRequest& request);
    // All homes are done with it.
    void end(IngestRequest& request);
    // Passes on whose time has come.
    std::size_t do_work();
    std::int64_t sleep_limit_us(std::int64_t timeout_us) const {
        return waiting_ == 0 ? timeout_us : std::min(timeout_us, kAgainUs);
    }

private:
    static constexpr std::int64_t kAgainUs = 300;

    bool try_in_order(IngestRequest& request);
    bool settle(IngestRequest& request);

    StateBook* const states_;
    Ingestor& ingestor_;
    const std::function<void(IngestRequest&)> pass_;
    std::map<std::uint64_t, std::deque<IngestRequest*>> queues_;  // by whose order it is
    std::size_t waiting_ = 0;
    std::vector<StateKey> keys_;
    std::vector<StateSlot*> slots_;
};

}  // namespace millrace::runtime
