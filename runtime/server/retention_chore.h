// What: lets the oldest events go, by the rules of the configuration, when nothing needs them any
//       more: no cursor, waiting retry, dead letter or running replay. What the rules would take
//       but may not is told in the log and in the figures; a retry or dead letter keeps its own
//       event only, the others around it go out of their blocks. The audit log's oldest rows go by
//       a rule of their own.
// Threads: do_work() the conductor's; the work itself runs on the haul.
// Lifetime: borrows all of Deps. Limits: one pass at a time.
// Failure: an error is logged; the next pass tries again.
#pragma once

#include "core/clock.h"
#include "core/json_writer.h"
#include "core/log.h"
#include "runtime/server/sideline.h"
#include "store/database.h"
#include "store/retention/retention.h"
#include "store/retention/thinner.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

namespace millrace::runtime {

class RetentionChore {
public:
    struct Deps {
        const core::Clock* clock = nullptr;
        core::Log* log = nullptr;
        store::Database* database = nullptr;
        Sideline* haul = nullptr;
        std::function<std::vector<core::LogOffset>()> floors;      // what replays still need
        std::function<std::vector<core::LogPosition>()> events{};  // likewise, single ones
        std::int64_t age_us = 0;                                   // 0: no rule
        std::uint64_t bytes = 0;                                   // 0: no rule
        std::vector<store::EventRule> rules{};
        std::int64_t audit_age_us = 0;  // 0: rows of the audit log stay
        std::int64_t every_us = 60'000'000;
    };
    explicit RetentionChore(Deps deps) : deps_(std::move(deps)) {}

    std::size_t do_work();
    // "retention":{...}
    void append_stats(core::JsonWriter& json) const;

private:
    static constexpr std::size_t kAuditRowsAtOnce = 2'000;

    bool has_event_rules() const {
        return deps_.age_us != 0 || deps_.bytes != 0 || !deps_.rules.empty();
    }
    void pass();
    bool pass_events();
    bool pass_audit();

    const Deps deps_;
    std::int64_t next_ns_ = 0;
    std::atomic<bool> under_way_{false};
    std::atomic<std::uint64_t> events_dropped_{0};
    std::atomic<std::uint64_t> bytes_dropped_{0};
    std::atomic<std::uint64_t> events_held_back_{0};
    std::atomic<std::uint64_t> events_thinned_{0};
    std::atomic<std::uint64_t> bytes_thinned_{0};
    std::atomic<bool> more_{false};
    store::Thinner thinner_;  // the haul's
};

}  // namespace millrace::runtime
