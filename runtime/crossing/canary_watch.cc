#include "runtime/crossing/canary_watch.h"

#include <memory>
#include <string>
#include <utility>

namespace millrace::runtime::crossing {

CanaryWatch::CanaryWatch(Deps deps)
    : deps_(std::move(deps)), asked_(deps_.partitions), unread_(deps_.partitions) {}

std::size_t CanaryWatch::do_work() {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (now_ns < ask_at_ns_) return 0;
    ask_at_ns_ = now_ns + kAskNs;
    if (!deps_.any()) return 0;
    const std::string path =
        std::string(kCrossingCanariesPath) + "?home=" + std::to_string(deps_.partition);
    for (std::size_t p = 0; p < deps_.partitions; ++p) {
        if (p == deps_.partition || asked_[p]) continue;
        courier::HttpCall call = deps_.neighbours->call_to(p, "GET", path);
        call.body_bytes_max = kToldBytesMax;
        asked_[p] = deps_.port->send(*this, p, std::move(call));
        if (!asked_[p]) deps_.hear_nothing(p);
    }
    return 1;
}

void CanaryWatch::receive(std::uint64_t ticket, courier::HttpAnswer&& answer) {
    const auto kept = std::make_shared<courier::HttpAnswer>(std::move(answer));
    deps_.post([this, ticket, kept] { answered(ticket, *kept); });
}

void CanaryWatch::answered(std::size_t partition, const courier::HttpAnswer& answer) {
    constexpr int kGood = 200;
    asked_[partition] = false;
    const bool came = answer.fault == courier::HttpFault::kNone && answer.status == kGood;
    const bool reads = came && deps_.hear(partition, answer.body);
    if (!reads) deps_.hear_nothing(partition);
    if (came && !reads && !unread_[partition])
        deps_.log->warn("what a partition says of canaries does not read",
                        {{"partition", partition}});
    unread_[partition] = came && !reads;
}

}  // namespace millrace::runtime::crossing
