#include "runtime/edge/place_gate.h"

#include "runtime/edge/request_order.h"

namespace millrace::runtime {

bool PlaceGate::may_pass_others(const IngestRequest& request) const {
    if (!request.made.empty()) return false;
    const bool depends = request.keyed || request.late;
    return !depends || !queues_.contains(order_of(request));
}

void PlaceGate::park(IngestRequest& request) {
    queues_[order_of(request)].push_back(&request);
    ++waiting_;
    if (!request.made.empty()) handlers_.look(request);
}

void PlaceGate::looked(IngestRequest& request) {
    request.settle_made();
    const std::uint64_t order = order_of(request);
    std::deque<IngestRequest*>& queue = queues_[order];
    // What passes may end at once and bring in the next one, which stands behind these.
    while (!queue.empty() && queue.front()->made.empty()) {
        IngestRequest& first = *queue.front();
        queue.pop_front();
        --waiting_;
        handlers_.pass(first);
    }
    if (queue.empty()) queues_.erase(order);
}

}  // namespace millrace::runtime
