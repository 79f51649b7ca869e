// Part of Front: who has something open may lose the right to it. Owners know principals as they
// were told of them; they are told when one is not so any more, and end what it has open as a
// server that stands alone does. What is open all the same some time later is cut off here.
#include "runtime/identity/trusted_front.h"
#include "runtime/node/front.h"

#include <array>
#include <utility>

namespace millrace::runtime::node {

OpenMark Front::watch(const CallerRef& caller, const std::string& principal) {
    return open_.watch(caller, principal, now_ns());
}

void Front::look_at_open(std::int64_t now_ns) {
    open_.look(now_ns, [this](const Caller& caller) { return judge_again(caller); });
    for (auto& one : takings_) {
        if (!one->under_way() || now_ns - one->begun_ns < FrontLimits::kTakeBackNs) continue;
        client_->cancel(*one);
    }
    std::erase_if(takings_, [](const auto& one) { return !one->under_way(); });
    if (cutting_) cut_off(now_ns);
}

void Front::cut_off(std::int64_t now_ns) {
    cutting_ = false;
    std::vector<std::uint64_t> late;
    for (const auto& [id, passage] : passages_) {
        // relaxed: this thread has set it
        if (!passage->mark || !passage->mark->load(std::memory_order_relaxed)) continue;
        cutting_ = true;
        if (passage->cut_ns == 0) passage->cut_ns = now_ns + FrontLimits::kCutNs;
        if (now_ns >= passage->cut_ns) late.push_back(id);
    }
    for (const std::uint64_t id : late) {
        Passage* const passage = passage_of(id);
        if (!passage) continue;
        passage->closed();
        passage->end_merged();
    }
}

bool Front::judge_again(const Caller& caller) {
    if (judgings_.contains(caller.shown)) return true;
    if (routing_->targets.empty() || routing_->targets.front().where == Target::Where::kNowhere)
        return false;
    start_judging(new_judging(caller.shown), caller.headers, caller.query_key, caller.peer);
    return true;
}

void Front::take_back(const std::string& principal) {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    cutting_ = true;
    const HeaderList none;
    for (std::size_t p = 0; p < routing_->targets.size(); ++p) {
        const Target& target = routing_->targets[p];
        if (target.where == Target::Where::kNowhere || takings_.size() >= FrontLimits::kTakingsMax)
            continue;
        const std::string number = std::to_string(p);
        const std::array<std::pair<std::string_view, std::string_view>, 4> own = {
            {{"Host", "localhost"},
             {identity::kFrontTokenHeader, settings_.token},
             {identity::kFrontPrincipalHeader, principal},
             {kPartitionHeader, number}}};
        const std::string head = forward_head({.method = io::Method::kDelete,
                                               .target = identity::kTakeBackPath,
                                               .headers = &none,
                                               .own = own});
        takings_.push_back(std::make_unique<TakingBack>(now_ns));
        (void)client_->start(*takings_.back(), target.address, head, {});
    }
}

}  // namespace millrace::runtime::node
