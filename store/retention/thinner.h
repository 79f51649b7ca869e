// What: lets single events go where a block as a whole may not: by rules for patterns and tenants,
//       and behind an old event that a retry or a dead letter still needs. Blocks are written anew
//       without their texts (block_thinner.h); a block is looked at for a rule once all of it is
//       past that rule's age, so that it is rewritten at most once for each rule.
// Threads: one at a time. Lifetime: kept from pass to pass (it remembers what blocks hold).
// Limits: kBytesPerPass of log read in one pass; `more` says that it stopped there. About
//       100 bytes of memory for each block that it has read.
// Failure: Errors from the disk. Each step is one atomic write; a crash between two loses nothing.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/log/block_codec.h"
#include "store/retention/event_rules.h"

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace millrace::store {

class Engine;
struct RetentionRule;
struct RetentionReport;

// What must stay: by shard everything from `floors` on, and single events.
struct Needed {
    std::vector<std::uint64_t> floors;
    std::vector<std::uint64_t> events;  // packed(), sorted

    static std::uint64_t packed(core::LogPosition position) {
        return (std::uint64_t{position.shard.value} << 48) | position.offset.value;
    }
    bool has(core::LogPosition position) const;
    // How many of a block's events.
    std::size_t count_in(core::LogPosition first, std::uint32_t events) const;
};

// Which rules a block's events may fall under, by its summary alone: a bit for each, the last for
// events under none. 0: nothing is left in it.
std::uint32_t kinds_in(const SummaryView& summary, const std::vector<EventRule>& rules);

class Thinner {
public:
    static constexpr std::uint64_t kBytesPerPass = 256u << 20;

    // Adds to the report.
    core::Status pass(Engine& engine, const RetentionRule& rule, const Needed& needed,
                      RetentionReport& report);

private:
    // What is known of a block that was read.
    struct Known {
        // Bytes of text that are left, by rule; the last: of events under none.
        std::vector<std::uint32_t> live;
        // When it was last thinned: for these rules, with so many events still needed. The same
        // again: there is nothing to do.
        std::uint32_t tried = 0;
        std::size_t needed = 0;
    };
    // Old values of rewritten blocks whose files are still there, of passes that each freed little.
    struct Unreclaimed {
        std::uint64_t bytes = 0;
        std::string from, to;  // keys
    };
    struct Block;
    class Pass;
    Unreclaimed unreclaimed_;
    std::unordered_map<std::uint64_t, Known> known_;
    std::vector<EventRule> known_rules_;  // under which that was learned
};

}  // namespace millrace::store
