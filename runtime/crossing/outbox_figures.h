// What: the figures of the outbox for collectors, of each partition that something was made for:
//       how much waits, how long the oldest of it has waited, what is there and what was not taken.
//       A partition has none before the first event for it: of 256 each would have 255 others.
// Threads: the sender's. Lifetime: borrows the metrics. Limits: one set a partition.
// Failure: none.
#pragma once

#include "core/metrics.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::runtime::crossing {

class OutboxFigures {
public:
    OutboxFigures(core::Metrics& metrics, std::size_t partitions)
        : role_(metrics.role()), targets_(partitions) {}

    void sent(std::size_t to, std::uint64_t events) { of(to).sent.add(events); }
    // Each time that they were sent and not taken; they stay.
    void failed(std::size_t to, std::uint64_t events) { of(to).failed.add(events); }
    // `oldest_at_us`: of the wall clock; 0: not known yet.
    void show(std::size_t to, std::uint64_t waiting, std::int64_t oldest_at_us,
              std::int64_t now_us);

private:
    struct Target {
        core::Counter sent, failed;
        core::Gauge entries, oldest_age_seconds;
        bool used = false;  // by something at some time
    };
    Target& of(std::size_t to);

    core::MetricsRole& role_;
    std::vector<Target> targets_;  // by partition
};

}  // namespace millrace::runtime::crossing
