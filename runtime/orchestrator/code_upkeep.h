// What: removes the rows of scripts that nobody needs (code_book.h): a version goes when it is not
//       the script's newest and no stored run is pinned to it, whether that goes on or has ended.
//       Runs that have ended go by their own retention, and their code behind them. A little a
//       turn: first the versions, then the heads of runs; what a run is pinned to meanwhile stays.
// Threads: the orchestrator's. Lifetime: borrows all of Deps.
// Limits: kRowsPerTurn rows a turn; a walk each every_us, an hour at most. No older version:
//         nothing is walked. Failure: a row that does not read keeps all versions of its tenant.
#pragma once

#include "runtime/orchestrator/code_book.h"
#include "runtime/orchestrator/run_rows.h"
#include "store/database.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace millrace::runtime {

class CodeUpkeep {
public:
    using VisitHead = std::function<void(const RunHead&)>;
    struct Deps {
        store::Database* database = nullptr;
        const CodeBook* codes = nullptr;
        std::int64_t every_us = 0;  // 0: each hour
        // Whether a run that begins now would be pinned to it.
        std::function<bool(const CodeBook::Name&)> is_newest;
        // Runs that are pinned to code, and whose rows may be on their way.
        std::function<void(const VisitHead&)> visit_in_memory;
        // `done` when the row is gone, on this thread.
        std::function<void(const CodeBook::Name&, std::function<void()> done)> erase;
    };
    explicit CodeUpkeep(Deps deps) : deps_(std::move(deps)) {}

    // True: there is more to do now.
    bool work(std::int64_t now_us);
    std::uint64_t removed() const { return removed_; }

private:
    static constexpr std::size_t kCodesPerTurn = 16;  // whole sources
    static constexpr std::size_t kRowsPerTurn = 64;
    static constexpr std::int64_t kEveryUsMin = 1'000'000;
    static constexpr std::int64_t kEveryUsMax = 3'600'000'000;

    enum class Stage : std::uint8_t { kWaits, kCodes, kHeads };

    void find_older();
    void look_at_heads();
    void forget(const RunHead& head);
    void give_up();
    void end();

    const Deps deps_;
    Stage stage_ = Stage::kWaits;
    std::int64_t next_us_ = 0;
    std::string walked_to_;
    std::map<std::string, CodeBook::Name> unused_;  // by row; tenants stand together
    std::uint64_t removed_ = 0;
};

}  // namespace millrace::runtime
