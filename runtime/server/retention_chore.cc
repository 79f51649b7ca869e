#include "runtime/server/retention_chore.h"

#include "runtime/entity/names.h"
#include "runtime/registry/audit_chain.h"

namespace millrace::runtime {

std::size_t RetentionChore::do_work() {
    if (!has_event_rules() && deps_.audit_age_us == 0) return 0;
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (under_way_.load(std::memory_order_acquire)) return 0;  // see pass()
    if (now_ns < next_ns_ && !more_.load(std::memory_order_relaxed)) return 0;
    next_ns_ = now_ns + deps_.every_us * 1000;
    under_way_.store(true, std::memory_order_relaxed);
    if (!deps_.haul->post([this] { pass(); })) under_way_.store(false, std::memory_order_relaxed);
    return 1;
}

void RetentionChore::pass() {
    const bool events = has_event_rules() && pass_events();
    const bool audit = deps_.audit_age_us != 0 && pass_audit();
    more_.store(events || audit, std::memory_order_relaxed);
    under_way_.store(false, std::memory_order_release);  // pairs with do_work()
}

// True: there is more to be let go.
bool RetentionChore::pass_audit() {
    const auto gone =
        prune_audit(*deps_.database, deps_.clock->wall_us() - deps_.audit_age_us, kAuditRowsAtOnce);
    if (!gone) {
        deps_.log->error("retention: the oldest rows of the audit log can't be let go",
                         {{"error", gone.error().message}});
        return false;
    }
    if (*gone > 0)
        deps_.log->info("retention: the oldest rows of the audit log are gone",
                        {{"rows", std::to_string(*gone)}});
    return *gone == kAuditRowsAtOnce;
}

bool RetentionChore::pass_events() {
    store::RetentionRule rule;
    if (deps_.age_us > 0) rule.keep_received_after_us = deps_.clock->wall_us() - deps_.age_us;
    rule.keep_bytes_max = deps_.bytes;
    rule.rules = deps_.rules;
    rule.now_us = deps_.clock->wall_us();
    rule.floors = deps_.floors;
    rule.events = deps_.events;
    rule.told_prefix = kEntityPatternPrefix;
    const auto report = store::apply_retention(*deps_.database, rule, &thinner_);
    if (!report) {
        deps_.log->error("retention: the oldest events can't be let go",
                         {{"error", report.error().message}});
    } else {
        events_dropped_.fetch_add(report->events_dropped, std::memory_order_relaxed);  // figures
        bytes_dropped_.fetch_add(report->bytes_dropped, std::memory_order_relaxed);
        events_held_back_.store(report->events_held_back, std::memory_order_relaxed);
        if (report->events_dropped > 0) {
            deps_.log->info("retention: the oldest events are gone",
                            {{"events", report->events_dropped}, {"bytes", report->bytes_dropped}});
        }
        events_thinned_.fetch_add(report->events_thinned, std::memory_order_relaxed);
        bytes_thinned_.fetch_add(report->bytes_thinned, std::memory_order_relaxed);
        if (report->events_thinned > 0) {
            deps_.log->info("retention: events are gone out of blocks that stay",
                            {{"events", report->events_thinned}, {"bytes", report->bytes_thinned}});
        }
        if (report->events_held_back > 0) {
            deps_.log->warn(
                "retention: events are kept beyond the rules: a cursor, retry, dead "
                "letter or replay still needs one of them or an older one",
                {{"events", report->events_held_back}});
        }
    }
    return report && report->more;
}

void RetentionChore::append_stats(core::JsonWriter& json) const {
    json.key("retention").begin_object();
    json.field("eventsDropped", events_dropped_.load(std::memory_order_relaxed));  // figures
    json.field("bytesDropped", bytes_dropped_.load(std::memory_order_relaxed));
    json.field("eventsThinned", events_thinned_.load(std::memory_order_relaxed));
    json.field("bytesThinned", bytes_thinned_.load(std::memory_order_relaxed));
    json.field("eventsHeldBack", events_held_back_.load(std::memory_order_relaxed)).end_object();
}

}  // namespace millrace::runtime
