#include "runtime/links/closing_thread.h"

#include <utility>

namespace millrace::runtime {

ClosingThread::~ClosingThread() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    given_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void ClosingThread::end(std::shared_ptr<void> what) {
    {
        const std::lock_guard lock(mutex_);
        ends_.push_back(std::move(what));
        waiting_.fetch_add(1, std::memory_order_relaxed);  // a bound
        if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    }
    given_.notify_one();
}

void ClosingThread::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        given_.wait(lock, [this] { return stopping_ || !ends_.empty(); });
        if (ends_.empty()) return;
        std::shared_ptr<void> one = std::move(ends_.front());
        ends_.pop_front();
        lock.unlock();
        one.reset();
        waiting_.fetch_sub(1, std::memory_order_relaxed);  // a bound
        lock.lock();
    }
}

}  // namespace millrace::runtime
