// What: which dead letters are on their way back, and when each falls due. Whoever reads letters
//       and asks here about each holds a view meanwhile: a letter whose delivery ends between the
//       two is still told to be on its way, as it was when the letter was read. Without it the
//       letter would look like one that has come back.
// Threads: any. Lifetime: outlives its views.
// Limits: one entry a letter; those that have ended stay while there is a view.
// Failure: none.
#pragma once

#include "store/log/event_id.h"
#include "store/log/format.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace millrace::runtime {

class RedrivenLetters {
public:
    // False: it is on its way already.
    bool begin(const store::DeadLetterKey& key, std::int64_t due_us);
    // It waits, until then. store::kHeldDueUs: its subscription does not run.
    void move(const store::DeadLetterKey& key, std::int64_t due_us);
    void end(const store::DeadLetterKey& key);
    // Nothing: nobody has asked for it, or it is held.
    std::optional<std::int64_t> due_us(const store::DeadLetterKey& key) const;

    // Taken before the letters are read, let go when all of them have been asked for.
    std::shared_ptr<void> view();

private:
    struct Redriven {
        std::int64_t due_us = 0;
        bool ended = false;
    };
    void end_view();

    mutable std::mutex mutex_;
    std::map<store::DeadLetterKey, Redriven> letters_;
    std::size_t views_ = 0;
    std::vector<store::DeadLetterKey> ended_;  // while there are views
};

}  // namespace millrace::runtime
