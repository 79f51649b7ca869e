// What: the answers of pending attempts on their way to a lane.
// Threads: answer() any; take() the lane's. Lifetime: outlives whoever answers.
// Limits: kAnswersMax wait. Overflow policy: refuse, the executor asks again; nothing is lost.
// Failure: none.
#pragma once

#include "runtime/delivery/executor.h"

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace millrace::runtime {

struct Answer {
    AttemptTicket ticket;
    AttemptResult result;
};

class AnswerBox final : public AnswerPort {
public:
    static constexpr std::size_t kAnswersMax = 4096;

    explicit AnswerBox(std::function<void()> wake) : wake_(std::move(wake)) {}

    bool answer(AttemptTicket ticket, AttemptResult& result) override {
        {
            std::lock_guard lock(mutex_);
            if (answers_.size() >= kAnswersMax) return false;
            answers_.push_back({ticket, std::move(result)});
            there_.store(true, std::memory_order_release);  // pairs with take
        }
        wake_();
        return true;
    }
    void wake() override { wake_(); }
    // Appends what has come. Nothing there costs one load.
    void take(std::vector<Answer>& out) {
        if (!there_.load(std::memory_order_acquire)) return;  // pairs with answer
        std::lock_guard lock(mutex_);
        there_.store(false, std::memory_order_relaxed);  // under the lock
        for (Answer& answer : answers_) out.push_back(std::move(answer));
        answers_.clear();
    }

private:
    const std::function<void()> wake_;
    std::mutex mutex_;
    std::vector<Answer> answers_;
    std::atomic<bool> there_{false};
};

}  // namespace millrace::runtime
