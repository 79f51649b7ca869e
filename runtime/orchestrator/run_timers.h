// What: when runs that wait go on by time alone: one due time a run, the earliest first.
// Threads: one owner. Lifetime: owns names. Limits: as many as there are such runs: some 150 bytes
//         each. Failure: none.
#pragma once

#include "runtime/orchestrator/run_rows.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

namespace millrace::runtime {

class RunTimers {
public:
    std::size_t size() const { return due_.size(); }
    bool has(const RunName& run) const { return due_.contains(run); }
    // Instead of the one that it has.
    void set(const RunName& run, std::int64_t due_us) {
        const auto [at, fresh] = due_.emplace(run, due_us);
        if (!fresh && at->second == due_us) return;
        if (!fresh) order_.erase({at->second, &at->first});
        at->second = due_us;
        order_.emplace(due_us, &at->first);
    }
    void drop(const RunName& run) {
        const auto at = due_.find(run);
        if (at == due_.end()) return;
        order_.erase({at->second, &at->first});
        due_.erase(at);
    }
    std::optional<std::int64_t> next_us() const {
        if (order_.empty()) return std::nullopt;
        return order_.begin()->first;
    }
    // The first that is due by then leaves.
    std::optional<RunName> pop(std::int64_t now_us) {
        if (order_.empty() || order_.begin()->first > now_us) return std::nullopt;
        std::optional<RunName> run(*order_.begin()->second);
        drop(*run);
        return run;
    }

private:
    using Timer = std::pair<std::int64_t, const RunName*>;
    struct Sooner {
        bool operator()(const Timer& a, const Timer& b) const {
            return a.first != b.first ? a.first < b.first : *a.second < *b.second;
        }
    };
    std::unordered_map<RunName, std::int64_t, RunNameHash> due_;
    std::set<Timer, Sooner> order_;  // names of due_
};

}  // namespace millrace::runtime
