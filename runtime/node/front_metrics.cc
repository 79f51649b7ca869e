// Part of Front: the figures of the partitions that are owned here, as one text.
#include "runtime/identity/trusted_front.h"
#include "runtime/node/front.h"
#include "runtime/node/metrics_merge.h"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace::runtime::node {

void Front::ask_metrics(Passage& passage) {
    if (metrics_.size() >= FrontLimits::kMetricsAskedMax) {
        return answer(passage, core::Error(core::ErrorCode::kUnavailable,
                                           "too many collectors ask for metrics at once")
                                   .retry_after(1));
    }
    auto& asked = metrics_[passage.id()];
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    for (std::size_t p = 0; p < routing_->targets.size(); ++p) {
        if (routing_->targets[p].where == Target::Where::kHere)
            asked.push_back(std::make_unique<MetricsAsking>(*this, passage.id(), p, now_ns));
    }
    const HeaderList none;
    const std::array<std::pair<std::string_view, std::string_view>, 3> own = {
        {{"Host", "localhost"},
         {identity::kFrontTokenHeader, settings_.token},
         {identity::kFrontPrincipalHeader, own_principal_}}};
    const std::string head = forward_head(
        {.method = io::Method::kGet, .target = "/metrics", .headers = &none, .own = own});
    for (const auto& one : asked)
        one->over = !client_->start(*one, routing_->targets[one->partition].address, head, {});
    MetricsAsking nothing(*this, passage.id(), 0, now_ns);
    metrics_came(nothing);
}

// A partition that stands still keeps no collector from the figures of the others.
void Front::give_up_metrics(std::int64_t now_ns) {
    std::vector<MetricsAsking*> late;
    for (auto& [id, asked] : metrics_) {
        for (auto& one : asked) {
            if (!one->over && now_ns - one->begun_ns >= FrontLimits::kMetricsNs)
                late.push_back(one.get());
        }
    }
    for (MetricsAsking* one : late) {
        client_->cancel(*one);
        one->good = false;
        metrics_came(*one);
    }
}

void Front::metrics_came(MetricsAsking& asking) {
    asking.over = true;
    const auto found = metrics_.find(asking.waiting);
    if (found == metrics_.end()) return;
    const auto& asked = found->second;
    if (!std::all_of(asked.begin(), asked.end(), [](const auto& one) { return one->over; })) return;
    MetricsMerge merge;
    for (const auto& one : asked) {
        if (one->good) merge.add(one->partition, one->body);
    }
    const auto waits = passages_.find(asking.waiting);
    if (waits != passages_.end()) {
        answer_text(*waits->second, 200, "text/plain; version=0.0.4",
                    routing_->metrics + merge.text());
    }
    ended_metrics_.push_back(std::move(found->second));
    metrics_.erase(found);
}

}  // namespace millrace::runtime::node
