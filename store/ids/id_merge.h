// What: several identity runs on their way to one, a step at a time. Of one identity the newest
//       entry counts; what retention has dropped is left out.
// Threads: one owner, the housekeeper. Lifetime: holds its runs. Limits: kEntriesPerStep a step.
// Failure: a damaged page ends it (damaged() names the run); a failed write is finish()'s error.
#pragma once

#include "store/ids/id_run.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace millrace::store {

class RunMerge {
public:
    using Runs = std::vector<std::shared_ptr<const IdRun>>;
    static constexpr std::size_t kEntriesPerStep = 128u << 10;  // a few milliseconds

    // Of runs that follow each other; the level above theirs.
    static core::Result<std::unique_ptr<RunMerge>> begin(const std::string& folder, Runs runs);

    enum class Step : std::uint8_t { kMore, kComplete, kDamaged };
    Step step(std::uint64_t first_kept);
    core::Result<std::unique_ptr<IdRun>> finish(std::size_t filter_bytes_max);

    const Runs& runs() const { return runs_; }
    const IdRun& damaged() const { return *runs_[damaged_]; }

private:
    struct Input {
        std::uint64_t page = 0;
        const RunEntry* entries = nullptr;
        std::uint32_t count = 0;
        std::uint32_t at = 0;
        bool done = false;
    };
    RunMerge() = default;
    bool advance(std::size_t index);
    void take(const RunEntry& entry, std::uint64_t first_kept);

    Runs runs_;
    std::vector<Input> inputs_;  // as many
    std::unique_ptr<RunWriter> writer_;
    std::size_t damaged_ = 0;
    bool have_last_ = false;
    RunEntry last_;
};

}  // namespace millrace::store
