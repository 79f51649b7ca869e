// What: one shard's counters, resolved once.
// Threads: one shard's. Lifetime: borrows Metrics. Limits: Metrics' own. Failure: none.
#pragma once

#include "core/metrics.h"
#include "runtime/lane_job.h"

#include <array>
#include <span>
#include <string_view>

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
          matched(role.counter(core::Metric::kMatched)),
          rejected([this](std::string_view code) {
              return role.counter(core::Metric::kEventsRejected, {code});
          }),
          feeder_events(role.counter(core::Metric::kFeederEvents)) {}

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
    core::Counter bytes_received, duplicates, emitted, matched;
    core::LabelCache<core::Counter> rejected;
    core::Counter feeder_events;
};

}  // namespace millrace::runtime
