// What: the progress line of work that says nothing of itself while it goes on, but takes about so
//       long ("measuring  [###.....]  40%  5 s  8 s left").
// Threads: one of its own, which draws; made and ended by one other. Lifetime: borrows the stream.
// Limits: nothing else writes to the stream meanwhile. Failure: none; not enabled, it does nothing.
#pragma once

#include <condition_variable>
#include <mutex>
#include <ostream>
#include <string>
#include <thread>

namespace millrace::tools {

class TimedProgress {
public:
    // `seconds` 0: not known.
    TimedProgress(std::ostream& out, std::string label, double seconds, bool enabled);
    TimedProgress(const TimedProgress&) = delete;
    TimedProgress& operator=(const TimedProgress&) = delete;
    ~TimedProgress() { finish(); }

    void finish();

private:
    void draw(std::ostream& out, const std::string& label, double seconds);

    std::mutex mutex_;
    std::condition_variable ended_now_;
    bool ended_ = false;
    std::thread thread_;
};

}  // namespace millrace::tools
