#include "runtime/crossing/crossing_agent.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::crossing {
namespace {

OutboxSender::Deps with_port(OutboxSender::Deps deps, courier::HttpPort& port) {
    deps.port = &port;
    return deps;
}

}  // namespace

core::Result<std::unique_ptr<CrossingAgent>> CrossingAgent::make(Deps deps) {
    auto courier =
        courier::Courier::to(*deps.sender.clock, "http://" + deps.sender.neighbours->front + "/");
    if (!courier) return core::fail(std::move(courier.error()));
    return std::unique_ptr<CrossingAgent>(new CrossingAgent(std::move(deps), std::move(*courier)));
}

CrossingAgent::CrossingAgent(Deps&& deps, std::unique_ptr<courier::Courier> courier)
    : courier_(std::move(courier)),
      caught_up_(std::move(deps.caught_up)),
      lease_until_ns_(deps.lease_until_ns),
      sender_(with_port(std::move(deps.sender), *courier_)) {}

std::size_t CrossingAgent::do_work() {
    // relaxed: a time, no data behind it
    lease_.store(caught_up_() ? lease_until_ns_->load(std::memory_order_relaxed) : 0,
                 std::memory_order_relaxed);
    if (stopping_.load(std::memory_order_relaxed)) sender_.stop();
    return courier_->do_work() + sender_.do_work();
}

void CrossingAgent::wait(std::int64_t timeout_us) { courier_->wait(std::min(timeout_us, kPollUs)); }

}  // namespace millrace::runtime::crossing
