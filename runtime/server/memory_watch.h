// What: compares what the process holds with what it may take. Where little is left, free memory
//       goes back to the system; where next to nothing is, events are refused until there is room
//       again: deliveries, reads and the API go on, for they make room.
// Threads: look() one, main's. What it says is read by the shards (ServerState).
// Lifetime: the server's.
// Limits: a look every kLookNs, memory given back every kTrimNs; a line in the log a change.
// Failure: what the system does not tell counts as nothing held.
#pragma once

#include "core/json_writer.h"
#include "core/log.h"
#include "core/metrics.h"
#include "runtime/server/memory_budget.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace millrace::runtime {

// Pages of its own; those of files, which the system takes back by itself, are left out.
std::uint64_t own_memory_bytes();

enum class MemoryLevel : std::uint8_t { kCalm, kTight, kShort };
std::string_view memory_level_text(MemoryLevel level);

// Pure. A level is left only when there is some more room than where it was entered.
MemoryLevel memory_level(MemoryLevel before, std::uint64_t held, std::uint64_t limit);

class MemoryWatch {
public:
    struct Deps {
        MemoryPlan plan;
        core::Metrics* metrics = nullptr;
        core::Log* log = nullptr;
        std::atomic<bool>* refuse = nullptr;  // set while events are refused
        std::function<std::uint64_t()> held = own_memory_bytes;
        std::function<void()> trim{};  // gives free memory back; empty: malloc's
    };
    explicit MemoryWatch(Deps deps);

    const MemoryPlan& plan() const { return deps_.plan; }
    MemoryLevel level() const { return level_.load(std::memory_order_relaxed); }  // a hint
    void look(std::int64_t now_ns);
    // "memory": what is held, what may be, and the shares.
    void append_stats(core::JsonWriter& json) const;

private:
    static constexpr std::int64_t kLookNs = 20'000'000;
    static constexpr std::int64_t kTrimNs = 1'000'000'000;

    void tell(std::uint64_t held);

    const Deps deps_;
    core::Counter short_of_memory_;
    std::atomic<MemoryLevel> level_{MemoryLevel::kCalm};
    std::int64_t looked_ns_ = 0;
    std::int64_t trimmed_ns_ = 0;
};

}  // namespace millrace::runtime
