// What: one shard's counters, resolved once.
// Threads: one shard's. Lifetime: borrows Metrics. Limits: Metrics' own. Failure: none.
#pragma once

#include "core/metrics.h"
#include "runtime/delivery/lane_job.h"

#include <array>
#include <span>
#include <string_view>
#include <utility>

namespace millrace::runtime {

struct ShardMetrics {
    explicit ShardMetrics(core::Metrics& metrics)
        : role(metrics.role()),
          received([this](std::string_view type) {
              return role.counter(core::Metric::kEventsReceived, {type});
          }),
          unmatched([this](std::string_view type) {
              return role.counter(core::Metric::kEventsProcessed, {type, "unmatched"});
          }),
          bytes_received(role.counter(core::Metric::kBytesReceived)),
          duplicates(role.counter(core::Metric::kEventsDuplicate)),
          emitted(role.counter(core::Metric::kEventsEmitted)),
          dropped(role.counter(core::Metric::kEventsDropped)),
          matched(role.counter(core::Metric::kMatched)),
          rejected([this](std::string_view code) {
              return role.counter(core::Metric::kEventsRejected, {code});
          }),
          feeder_events(role.counter(core::Metric::kFeederEvents)) {
        static constexpr std::string_view kClasses[] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};
        for (std::size_t i = 0; i < http_.size(); ++i)
            http_[i] = {role.counter(core::Metric::kHttpRequests, {kClasses[i]}), 0};
    }

    // Once a duty cycle; `by_class` only ever grows.
    void count_responses(const std::array<std::uint64_t, 6>& by_class, std::uint64_t responses) {
        if (responses == responses_) return;
        responses_ = responses;
        for (std::size_t i = 0; i < http_.size(); ++i) {
            auto& [counter, counted] = http_[i];
            counter.add(by_class[i] - std::exchange(counted, by_class[i]));
        }
    }

    // Likewise, of connections.
    void count_refused(std::uint64_t http, std::uint64_t lines) {
        if (http != http_refused_)
            role.counter(core::Metric::kConnectionsRefused, {"http"})
                .add(http - std::exchange(http_refused_, http));
        if (lines != lines_refused_)
            role.counter(core::Metric::kConnectionsRefused, {"socket"})
                .add(lines - std::exchange(lines_refused_, lines));
    }

    // Counts the events of the block that no delivery is for; `items` in order of events.
    void count_unmatched(const store::EventBlock& block, core::LogOffset from,
                         std::span<const DeliveryItem> items) {
        std::size_t next = 0;
        const std::uint32_t begin = from > block.first_offset() ? block.index_of(from) : 0;
        for (std::uint32_t index = begin; index < block.count(); ++index) {
            bool wanted = false;
            while (next < items.size() && items[next].event_index <= index) {
                wanted |= items[next++].event_index == index;
            }
            if (!wanted) unmatched.at(block.event(index).pattern).add();
        }
    }

    core::MetricsRole& role;
    core::LabelCache<core::Counter> received;
    core::LabelCache<core::Counter> unmatched;
    core::Counter bytes_received, duplicates, emitted, dropped, matched;
    core::LabelCache<core::Counter> rejected;
    core::Counter feeder_events;

private:
    std::array<std::pair<core::Counter, std::uint64_t>, 6> http_;
    std::uint64_t responses_ = 0;
    std::uint64_t http_refused_ = 0, lines_refused_ = 0;
};

}  // namespace millrace::runtime
