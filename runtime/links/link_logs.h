// What: what a link's script has logged last, for whoever looks at the link: the log of a run that
//       is no delivery stands in no execution.
// Threads: one owner; what is shown is shared and does not change.
// Lifetime: of the process.
// Limits: kRunsMax runs, kBytesMax bytes (overflow policy: the oldest go; of one that is longer
//         only that it was).
// Failure: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::runtime {

class LinkLogs {
public:
    static constexpr std::size_t kRunsMax = 20;
    static constexpr std::size_t kBytesMax = 64u << 10;

    // `id`: of what the script was given; `logs_json`: its lines, a JSON array.
    void add(std::string_view id, std::string_view logs_json, std::int64_t at_us);
    // Runs with what they logged, the newest first: a JSON array. Null: none has.
    std::shared_ptr<const std::string> shown();

private:
    std::deque<std::string> runs_;  // the newest first, as JSON
    std::size_t bytes_ = 0;
    std::shared_ptr<const std::string> shown_;  // null: as it was before the last run
};

}  // namespace millrace::runtime
