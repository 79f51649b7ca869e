// What: the store's two agents in the shape that a thread runner takes.
// Threads: each its own. Lifetime: borrow the store. Limits: none. Failure: see store.
#pragma once

#include "core/agent.h"
#include "store/housekeeper.h"
#include "store/log_writer.h"

#include <algorithm>
#include <chrono>

namespace millrace::runtime {

class WriterAgent final : public core::Agent {
public:
    explicit WriterAgent(store::LogWriter& writer) : writer_(writer) {}
    std::string_view name() const override { return "log-writer"; }
    std::size_t do_work() override { return writer_.do_work(); }
    void wait(std::int64_t timeout_us) override {
        writer_.wait(std::chrono::microseconds(timeout_us));
    }
    void wake() override { writer_.wake_up(); }

private:
    store::LogWriter& writer_;
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
