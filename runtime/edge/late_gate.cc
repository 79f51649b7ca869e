#include "runtime/edge/late_gate.h"

#include "runtime/edge/request_order.h"

namespace millrace::runtime {

bool LateGate::try_in_order(IngestRequest& request) {
    const bool asks = request.late && !request.late->settled;
    if (!asks && !request.keyed) return true;
    const auto before = queues_.find(order_of(request));
    if (before != queues_.end() && request.origin != IngestOrigin::kLane) return false;
    return !asks || settle(request);
}

bool LateGate::settle(IngestRequest& request) {
    LateChecks& late = *request.late;
    ingestor_.late_keys(request, keys_);
    slots_.clear();
    if (!keys_.empty() && !states_->hold(&request, keys_, slots_, late.held)) return false;
    late.settled = true;
    ingestor_.settle_late(request, slots_);
    return true;
}

void LateGate::park(IngestRequest& request) {
    queues_[order_of(request)].push_back(&request);
    ++waiting_;
}

void LateGate::end(IngestRequest& request) {
    if (!request.late || request.late->held.empty()) return;
    states_->let_go(std::exchange(request.late->held, {}));
}

std::size_t LateGate::do_work() {
    if (waiting_ == 0) [[likely]]
        return 0;
    std::size_t passed = 0;
    for (auto at = queues_.begin(); at != queues_.end();) {
        std::deque<IngestRequest*>& queue = at->second;
        while (!queue.empty()) {
            IngestRequest& first = *queue.front();
            const bool asks = first.late && !first.late->settled;
            if (asks && !settle(first)) break;
            queue.pop_front();
            --waiting_;
            ++passed;
            pass_(first);
        }
        at = queue.empty() ? queues_.erase(at) : std::next(at);
    }
    return passed;
}

}  // namespace millrace::runtime
