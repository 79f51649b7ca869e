#include "runtime/server/stats_sampler.h"

#include "store/log/log_reader.h"

#include <algorithm>

namespace millrace::runtime {
namespace {

using core::Metric;

// How long the event waits that has waited longest for its first attempt.
std::int64_t oldest_us(store::Database& database, const LogEnds& handled, std::int64_t now_us) {
    std::int64_t oldest = 0;
    for (std::size_t i = 0; i < handled.size(); ++i) {
        const core::ShardId shard(static_cast<std::uint16_t>(i));
        if (handled[i] >= database.durable_end(shard)) continue;
        const auto event = database.log_reader().read_event({shard, handled[i]});
        if (event && *event) oldest = std::max(oldest, now_us - (*event)->event.received_at_us);
    }
    return oldest;
}

}  // namespace

StatsSample take_stats_sample(const core::Metrics& metrics, store::Database& database,
                              const LogEnds& handled, std::int64_t now_us) {
    const auto sum = [&metrics](Metric metric) {
        return static_cast<std::uint64_t>(std::max<std::int64_t>(0, metrics.sum(metric)));
    };
    // Attempts are counted by event type, script and status.
    const auto attempts = [&metrics](std::string_view status) {
        return static_cast<std::uint64_t>(metrics.sum_where(Metric::kAttempts, 2, status));
    };
    const store::Database::Stats store = database.stats();
    StatsSample sample;
    sample.at_us = now_us;
    sample.received = sum(Metric::kEventsReceived);
    sample.received_bytes = sum(Metric::kBytesReceived);
    sample.processed = sum(Metric::kEventsProcessed);
    sample.emitted = sum(Metric::kEventsEmitted);
    sample.duplicates = sum(Metric::kEventsDuplicate);
    sample.rejected = sum(Metric::kEventsRejected);
    sample.completed = attempts("completed");
    sample.retrying = attempts("retrying");
    sample.failed = attempts("failed");
    sample.dead = attempts("dead");
    sample.run = metrics.histogram_sum(Metric::kAttemptSeconds);
    sample.waited = metrics.histogram_sum(Metric::kQueueSeconds);
    sample.commits = metrics.histogram_sum(Metric::kCommitSeconds);
    sample.waiting = sum(Metric::kQueueSize);
    sample.retries = store.retries;
    sample.dead_letters = store.dead_letters;
    sample.unsynced_bytes = store.unsynced_bytes;
    sample.log_bytes = store.log_bytes;
    sample.oldest_us = oldest_us(database, handled, now_us);
    return sample;
}

}  // namespace millrace::runtime
