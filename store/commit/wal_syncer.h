// What: one of the agents that wait for the disk while the log writer goes on: asked for a sync of
//       the WAL, it does one of everything appended so far. In two steps, the disk and the telling,
//       so that the simulator lets others write in between: what they write is not covered.
// Threads: do_work() and wait() by its own; ask() by the log writer's; idle() by any.
// Lifetime: of the log writer. Its thread is stopped after the writer's.
// Limits: one sync at a time; asleep while nobody asks.
// Failure: told by WalFiles.
#pragma once

#include "core/agent.h"
#include "store/commit/wal_files.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace millrace::store {

class WalSyncer final : public core::Agent {
public:
    WalSyncer(WalFiles& files, std::size_t index, std::function<void()> ended);

    std::string_view name() const override { return name_; }
    std::size_t do_work() override;
    // Nothing is due by itself: only ask() and the end wake it.
    void wait(std::int64_t timeout_us) override;

    bool idle() const { return state_.load(std::memory_order_acquire) == State::kIdle; }
    // Only when idle.
    void ask();

private:
    enum class State : std::uint8_t { kIdle, kAsked, kAnswered };

    WalFiles& files_;
    const std::size_t index_;
    const std::function<void()> ended_;
    const std::string name_;
    std::atomic<State> state_{State::kIdle};
    WalFiles::Sync sync_;
};

}  // namespace millrace::store
