// What: a thread for ends that take time: a library that joins threads of its own, and waits for
//       what they are in the midst of, holds up nobody.
// Threads: end() and waiting() any. Lifetime: gone when all that it was given has ended.
// Limits: whoever makes such things asks waiting() before (overflow policy: makes none).
// Failure: none.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

namespace millrace::runtime {

class ClosingThread {
public:
    static constexpr std::size_t kWaitingMax = 32;

    ClosingThread() = default;
    ~ClosingThread();
    ClosingThread(const ClosingThread&) = delete;
    ClosingThread& operator=(const ClosingThread&) = delete;

    // It is destroyed there. The thread begins with the first.
    void end(std::shared_ptr<void> what);
    // Given, and not ended.
    std::size_t waiting() const { return waiting_.load(std::memory_order_relaxed); }  // a bound
    bool full() const { return waiting() >= kWaitingMax; }

private:
    void run();

    std::mutex mutex_;
    std::condition_variable given_;
    std::deque<std::shared_ptr<void>> ends_;
    bool stopping_ = false;
    std::atomic<std::size_t> waiting_{0};
    std::thread thread_;
};

}  // namespace millrace::runtime
