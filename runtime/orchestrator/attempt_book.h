// What: the attempts of steps that are under way, by their tickets, and until when each may take.
// Threads: the orchestrator's. Lifetime: owns them; a reference holds until its attempt is taken.
// Limits: whoever begins them bounds them: so many of each run that has a place.
// Failure: none; a ticket that is not there any more is answered with nothing.
#pragma once

#include "core/assert.h"
#include "runtime/orchestrator/live_run.h"

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

namespace millrace::runtime {

class AttemptBook {
public:
    std::uint64_t make_ticket() { return ++last_ticket_; }
    StepAttempt& add(std::uint64_t ticket, StepAttempt&& attempt) {
        return attempts_.emplace(ticket, std::move(attempt)).first->second;
    }
    // Of one that is there, and has none.
    void set_deadline(std::uint64_t ticket, std::int64_t at_ns) {
        StepAttempt& attempt = attempts_.at(ticket);
        MR_DCHECK(attempt.deadline_ns == 0);
        attempt.deadline_ns = at_ns;
        deadlines_.emplace(at_ns, ticket);
    }
    std::optional<StepAttempt> take(std::uint64_t ticket) {
        const auto at = attempts_.find(ticket);
        if (at == attempts_.end()) return std::nullopt;
        std::optional<StepAttempt> attempt(std::move(at->second));
        deadlines_.erase({attempt->deadline_ns, ticket});
        attempts_.erase(at);
        return attempt;
    }
    // The first whose time is over by then: its ticket; 0: none.
    std::uint64_t overdue(std::int64_t now_ns) const {
        if (deadlines_.empty() || deadlines_.begin()->first > now_ns) return 0;
        return deadlines_.begin()->second;
    }
    std::optional<std::int64_t> next_deadline_ns() const {
        if (deadlines_.empty()) return std::nullopt;
        return deadlines_.begin()->first;
    }
    // Those of a step leave; `see` is told each with its ticket.
    template <typename See>
    void take_of(const RunName& run, workflow::StepIndex step, See&& see) {
        for (auto at = attempts_.begin(); at != attempts_.end();) {
            if (at->second.run != run || at->second.step != step) {
                ++at;
                continue;
            }
            see(at->first, at->second);
            deadlines_.erase({at->second.deadline_ns, at->first});
            at = attempts_.erase(at);
        }
    }

private:
    std::uint64_t last_ticket_ = 0;
    std::unordered_map<std::uint64_t, StepAttempt> attempts_;
    std::set<std::pair<std::int64_t, std::uint64_t>> deadlines_;  // and ticket
};

}  // namespace millrace::runtime
