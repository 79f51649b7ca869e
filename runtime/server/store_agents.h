// What: the store's two agents in the shape that a thread runner takes.
// Threads: each its own. Lifetime: borrow the store. Limits: none. Failure: see store.
#pragma once

#include "core/agent.h"
#include "core/metrics.h"
#include "store/commit/log_writer.h"
#include "store/housekeeper.h"

#include <algorithm>
#include <chrono>

namespace millrace::runtime {

class WriterAgent final : public core::Agent {
public:
    WriterAgent(store::LogWriter& writer, core::Metrics& metrics)
        : writer_(writer),
          role_(metrics.role()),
          commits_(role_.counter(core::Metric::kCommits)),
          blocks_(role_.counter(core::Metric::kBlocks)),
          block_bytes_(role_.counter(core::Metric::kBlockBytes)),
          seconds_(role_.histogram(core::Metric::kCommitSeconds)) {}
    std::string_view name() const override { return "log-writer"; }
    std::size_t do_work() override {
        const std::size_t units = writer_.do_work();
        if (units != 0) count();
        return units;
    }
    void wait(std::int64_t timeout_us) override {
        writer_.wait(std::chrono::microseconds(timeout_us));
    }
    void wake() override { writer_.wake_up(); }

private:
    void count() {
        const store::LogWriter::Stats now = writer_.stats();
        if (now.groups == counted_.groups) return;  // written, and in flight
        commits_.add(now.groups - counted_.groups);
        blocks_.add(now.blocks - counted_.blocks);
        block_bytes_.add(now.block_bytes - counted_.block_bytes);
        seconds_.observe_ns(now.commit_ns_total - counted_.commit_ns_total);
        counted_ = now;
    }

    store::LogWriter& writer_;
    core::MetricsRole& role_;
    core::Counter commits_, blocks_, block_bytes_;
    core::Histogram seconds_;
    store::LogWriter::Stats counted_;
};

class HousekeeperAgent final : public core::Agent {
public:
    explicit HousekeeperAgent(store::Housekeeper& keeper) : keeper_(keeper) {}
    std::string_view name() const override { return "housekeeper"; }
    std::size_t do_work() override { return keeper_.do_work(); }
    void wait(std::int64_t timeout_us) override {
        core::Agent::wait(std::min<std::int64_t>(timeout_us, 20'000));
    }

private:
    store::Housekeeper& keeper_;
};

}  // namespace millrace::runtime
