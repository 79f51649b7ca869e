// What: while a start is under way the service manager is asked for more time as long as something
//       happens: a long recovery is not taken for a hang, a hang is not waited for.
// Threads: one of its own, from construction to destruction. Lifetime: borrows the notifier.
// Limits: a look every kLookMs. Failure: where no thread can be had nobody is asked.
#pragma once

#include "runtime/server/service_notify.h"

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace millrace::runtime {

class StartPulse {
public:
    static constexpr std::int64_t kLookMs = 5'000;
    static constexpr std::int64_t kExtendUs = 60'000'000;

    explicit StartPulse(const ServiceNotify& notify);
    StartPulse(const StartPulse&) = delete;
    StartPulse& operator=(const StartPulse&) = delete;
    ~StartPulse();

private:
    void run();

    const ServiceNotify& notify_;
    std::mutex mutex_;
    std::condition_variable ended_;
    bool end_ = false;
    std::thread thread_;
};

}  // namespace millrace::runtime
