// What: where a request waits while somebody looks whether events stand where ids of this server's
//       own making say (shard/place_look.h). Those of its order (request_order.h) that come behind
//       it, and that have partition keys or ask for states, wait behind it. A request without such
//       ids passes with two comparisons.
// Threads: the shard's. Lifetime: borrows the requests until it passes them on.
// Limits: the requests under way. Failure: none.
#pragma once

#include "runtime/shard/ingest_request.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <utility>

namespace millrace::runtime {

class PlaceGate {
public:
    struct Handlers {
        std::function<void(IngestRequest&)> look;  // looked() follows, later
        std::function<void(IngestRequest&)> pass;
    };
    explicit PlaceGate(Handlers handlers) : handlers_(std::move(handlers)) {}

    // False: it has to wait.
    bool may_pass(const IngestRequest& request) const {
        if (waiting_ == 0 && request.made.empty()) [[likely]]
            return true;
        return may_pass_others(request);
    }
    void park(IngestRequest& request);
    // What the places hold stands in the items.
    void looked(IngestRequest& request);
    std::size_t waiting() const { return waiting_; }

private:
    bool may_pass_others(const IngestRequest& request) const;

    const Handlers handlers_;
    std::map<std::uint64_t, std::deque<IngestRequest*>> queues_;  // by whose order it is
    std::size_t waiting_ = 0;
};

}  // namespace millrace::runtime
