// What: an executor for tests around another one: it makes the attempt at once and keeps the answer
//       back, to give it later, out of order, twice, or never.
// Threads: the lane's. Lifetime: of a lane; the port outlives it.
// Limits: none. Failure: none; what was never answered was a failure before.
#pragma once

#include "core/random.h"
#include "runtime/delivery/executor.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace millrace::test {

class LateExecutor final : public runtime::Executor {
public:
    struct Options {
        std::uint64_t seed = 1;
        std::uint64_t late_in_4 = 3;     // of four attempts so many answer later
        std::uint64_t never_one_in = 4;  // of those that failed
        std::uint64_t twice_one_in = 4;
        std::uint32_t window_max = 4;       // another one each time
        std::int64_t never_timeout_ms = 5;  // those that do answer have hours
    };
    LateExecutor(std::unique_ptr<runtime::Executor> inner, runtime::AnswerPort& port,
                 const Options& options)
        : inner_(std::move(inner)), port_(port), options_(options), random_(options.seed) {}

    Start start(const runtime::AttemptInput& input, runtime::AttemptResult& result) override {
        const Start started = inner_->start(input, result);
        if (started != Start::kDone || random_.below(4) >= options_.late_in_4) return started;
        never_ = result.outcome == runtime::AttemptOutcome::kFailed &&
                 random_.below(options_.never_one_in) == 0;
        if (!never_) held_.push_back({input.ticket, std::move(result)});
        result = {};
        ++pending_;
        return Start::kPending;
    }
    runtime::PendingBounds bounds(const runtime::AttemptInput&) const override {
        return {window_, never_ ? options_.never_timeout_ms : 3'600'000};
    }
    void abandon(runtime::AttemptTicket ticket) override {
        ++abandoned_;
        inner_->abandon(ticket);
        std::erase_if(held_, [ticket](const Held& one) { return one.ticket == ticket; });
    }
    std::size_t do_work() override {
        std::size_t done = inner_->do_work();
        window_ = 1 + static_cast<std::uint32_t>(random_.below(options_.window_max));
        while (!held_.empty() && random_.below(3) == 0) {
            const std::size_t at = random_.below(held_.size());
            std::swap(held_[at], held_.back());
            Held answer = std::move(held_.back());
            held_.pop_back();
            ++done;
            if (!port_.answer(answer.ticket, answer.result)) {
                held_.push_back(std::move(answer));
                break;
            }
            if (random_.below(options_.twice_one_in) != 0) continue;
            runtime::AttemptResult again;
            again.fail("a second answer, which nobody may take");
            port_.answer(answer.ticket, again);
        }
        return done;
    }

    std::optional<std::int64_t> next_work_ns() const override { return inner_->next_work_ns(); }

    std::size_t held() const { return held_.size(); }
    std::uint64_t pending() const { return pending_; }  // attempts that did not answer at once
    std::uint64_t abandoned() const { return abandoned_; }

private:
    struct Held {
        runtime::AttemptTicket ticket;
        runtime::AttemptResult result;
    };
    std::unique_ptr<runtime::Executor> inner_;
    runtime::AnswerPort& port_;
    const Options options_;
    core::Random random_;
    std::vector<Held> held_;
    std::uint32_t window_ = 1;
    bool never_ = false;  // the attempt that was started last
    std::uint64_t pending_ = 0;
    std::uint64_t abandoned_ = 0;
};

}  // namespace millrace::test
