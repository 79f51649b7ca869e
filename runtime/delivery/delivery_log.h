// What: tells the server's log about deliveries that do not go well: an attempt that failed, a
//       handler that was stopped at one of its limits, a dead letter. A flood of them costs a few
//       lines a second and a count of what was left out.
// Threads: any; lanes share one. Lifetime: borrows log and clock.
// Limits: kLinesPerSecond lines a second of each kind, over all lanes, so that a flood of failures
//       does not hide a dead letter; kErrorBytesShown of an error.
// Failure: none.
#pragma once

#include "core/log.h"
#include "runtime/delivery/due_clock.h"
#include "runtime/delivery/outcome_writer.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace millrace::runtime {

class DeliveryLog {
public:
    // Below what the log itself lets through at a place: what is left out is counted here.
    static constexpr std::uint32_t kLinesPerSecond = 10;
    static_assert(kLinesPerSecond < core::Log::kLinesPerSitePerSecond);
    static constexpr std::size_t kErrorBytesShown = 512;

    DeliveryLog(core::Log& log, const DueClock& due) : log_(log), due_(due) {}

    // About an attempt that did not go well. Beyond the limit this is one counter.
    void tell(const Attempt& attempt, std::string_view event_id, const WrittenOutcome& written,
              std::int64_t now_ns) {
        const Kind kind = kind_of(*attempt.result, written);
        Gate& gate = gates_[static_cast<std::size_t>(kind)];
        if (!gate.admits(now_ns)) return;
        write_left_out(kind);
        write(attempt, event_id, written);
    }
    // Now and then: what a flood that has ended left out. Returns the lines written.
    std::size_t tell_left_out(std::int64_t now_ns);

private:
    enum class Kind : std::uint8_t { kFailed, kStopped, kDead };
    static constexpr std::size_t kKinds = 3;

    // So many in a second. Two threads at a second's turn may let a few more through.
    class Gate {
    public:
        bool admits(std::int64_t now_ns) {
            if (turn(now_ns) &&
                lines_.fetch_add(1, std::memory_order_relaxed) < kLinesPerSecond)  // a count alone
                return true;
            left_out_.fetch_add(1, std::memory_order_relaxed);
            return false;
        }
        // False: this second's lines are all written.
        bool turn(std::int64_t now_ns);
        std::uint64_t take_left_out() {
            // Looked at first: nearly always there is nothing, and nothing to write either.
            if (left_out_.load(std::memory_order_relaxed) == 0) return 0;
            return left_out_.exchange(0, std::memory_order_relaxed);
        }

    private:
        std::atomic<std::int64_t> second_{-1};
        std::atomic<std::uint32_t> lines_{0};
        std::atomic<std::uint64_t> left_out_{0};
    };

    static Kind kind_of(const AttemptResult& result, const WrittenOutcome& written) {
        if (written.status == store::DeliveryStatus::kDead) return Kind::kDead;
        return result.stopped() ? Kind::kStopped : Kind::kFailed;
    }
    void write(const Attempt& attempt, std::string_view event_id, const WrittenOutcome& written);
    std::size_t write_left_out(Kind kind);

    core::Log& log_;
    const DueClock& due_;
    std::array<Gate, kKinds> gates_;
};

}  // namespace millrace::runtime
