#include "tests/sim/schedule_model.h"

#include "core/timestamp.h"
#include "runtime/scheduler/schedule_state.h"
#include "store/log/log_reader.h"
#include "store/rows/registry_store.h"
#include "tests/sim/tenants.h"

#include <simdjson.h>

#include <algorithm>
#include <map>
#include <utility>

namespace millrace::sim {

namespace {

// Later than that, and catchUp says what becomes of a time.
constexpr std::int64_t kLateUs = 10'000'000;

std::string text_in(const simdjson::dom::element& in, std::string_view name) {
    std::string_view text;
    return in[name].get(text) ? std::string() : std::string(text);
}

std::int64_t time_in(const simdjson::dom::element& in, std::string_view name) {
    std::int64_t us = 0;
    return core::parse_timestamp(text_in(in, name), us) ? us : 0;
}

// Between quotes behind the name.
std::string quoted_behind(std::string_view text, std::string_view name) {
    const std::size_t at = text.find(name);
    if (at == std::string_view::npos) return "";
    const std::size_t begin = at + name.size();
    return std::string(text.substr(begin, text.find('"', begin) - begin));
}

}  // namespace

struct ScheduleModel::Line {
    std::int64_t seq = 0;
    std::int64_t due_us = 0;
    std::int64_t until_us = 0;  // the last of many times; else due_us
    std::int64_t at_us = 0;
    std::int64_t serial = 0;
    bool fired = false;
    std::string rule;
    std::string event_id;
    std::string text;
};

std::string ScheduleModel::read_ledger(store::Database& database, const PlannedSchedule& schedule,
                                       std::vector<Line>& lines) const {
    const auto rows = database.registry().list(
        runtime::kScheduleLedgerKind,
        runtime::ledger_prefix(tenant_id(schedule.tenant), schedule.number), {},
        runtime::kLedgerRowsMax + 1);
    if (!rows) return "the ledger of " + schedule.id + " can't be read";
    simdjson::dom::parser parser;
    for (auto row = rows->rbegin(); row != rows->rend(); ++row) {
        simdjson::dom::element in;
        Line line;
        if (parser.parse(row->json).get(in) || in["seq"].get(line.seq))
            return "a line of the ledger does not read: " + row->json;
        line.text = row->json;
        line.due_us = time_in(in, "dueAt");
        line.at_us = time_in(in, "at");
        line.until_us = time_in(in, "until");
        if (line.until_us == 0) line.until_us = line.due_us;
        if (in["serial"].get(line.serial)) line.serial = 0;
        line.fired = text_in(in, "status") == "fired";
        line.rule = text_in(in, "rule");
        line.event_id = text_in(in, "eventId");
        if (!lines.empty() && line.seq != lines.back().seq + 1)
            return schedule.id + ": between " + lines.back().text + " and " + line.text +
                   " a line is missing";
        lines.push_back(std::move(line));
    }
    if (!lines.empty() && lines.front().seq != 1)
        return schedule.id + " has lost the ledger's begin";
    return "";
}

// A time that came as it should needs no rule; one that did not, has it.
std::string ScheduleModel::check_line(const PlannedSchedule& schedule, const Line& line) const {
    const std::string who = schedule.id + ": " + line.text;
    const std::int64_t late_us = line.at_us - line.due_us;
    const bool catches_up = line.rule.starts_with("catchUp:");
    if (line.fired == line.event_id.empty()) return who + ": event and status disagree";
    if (line.serial != 0) return line.fired ? "" : who + ": asked for, and passed over";
    // The first of those that are passed over was; one that is made up for is the last of them.
    if (!line.fired && catches_up && late_us <= kLateUs) return who + ": was not late";
    if (line.rule == "paused" && !schedule.was_paused) return who + ": nobody has paused it";
    if (line.rule.starts_with("overlap:") && schedule.allows_overlap)
        return who + ": runs may overlap";
    if (!line.fired) return line.rule.empty() ? who + ": passed over without a rule" : "";
    // One that has waited fires by the clock as it is then.
    if (late_us < 0 && line.rule.empty()) return who + ": fired before its time";
    if (late_us > kLateUs && line.rule.empty() && schedule.period_us != 0)
        return who + ": fired late, and no rule says so";
    if (catches_up && !schedule.makes_up) return who + ": nothing is made up for";
    return "";
}

// Each time of the grid from the first one on, once: what fired, what was passed over, what waits.
std::string ScheduleModel::check_times(store::Database& database, const PlannedSchedule& schedule,
                                       const std::vector<Line>& lines,
                                       std::int64_t* last_us) const {
    struct Stretch {
        std::int64_t first_us = 0, last_us = 0;
        std::string text;
    };
    std::vector<Stretch> stretches;
    for (const Line& line : lines) {
        if (line.serial == 0) stretches.push_back({line.due_us, line.until_us, line.text});
    }
    const std::string prefix = runtime::ledger_prefix(tenant_id(schedule.tenant), schedule.number);
    const auto row =
        database.registry().get(runtime::kScheduleStateKind, prefix.substr(0, prefix.size() - 1));
    if (row && *row) {
        const auto state = runtime::read_schedule_state((*row)->json);
        if (!state) return schedule.id + ": its state does not read: " + (*row)->json;
        for (const runtime::ScheduleRun& run : state->waiting) {
            if (run.serial == 0) stretches.push_back({run.due_us, run.due_us, "one that waits"});
        }
        if (state->ledger != lines.size())
            return schedule.id + ": its state says " + std::to_string(state->ledger) +
                   " lines, its ledger has " + std::to_string(lines.size());
    } else if (!lines.empty()) {
        return schedule.id + " has a ledger and no state";
    }
    std::sort(stretches.begin(), stretches.end(),
              [](const Stretch& a, const Stretch& b) { return a.first_us < b.first_us; });
    std::int64_t next_us = schedule.first_us;
    // Changed before its first time by a clock that had been set back, it begins earlier on its
    // grid.
    if (!stretches.empty() && schedule.period_us != 0 && stretches.front().first_us < next_us &&
        (next_us - stretches.front().first_us) % schedule.period_us == 0)
        next_us = stretches.front().first_us;
    std::string before = "its beginning";
    for (const Stretch& stretch : stretches) {
        if (stretch.first_us != next_us)
            return schedule.id + ": after " + before + " comes " + stretch.text + " instead of " +
                   core::format_timestamp(next_us);
        if (schedule.period_us == 0 && &stretch != &stretches.front())
            return schedule.id + ": once, and again: " + stretch.text;
        const std::int64_t period_us = std::max<std::int64_t>(schedule.period_us, 1);
        if ((stretch.last_us - stretch.first_us) % period_us != 0 ||
            stretch.last_us < stretch.first_us)
            return schedule.id + ": ends at no time of its own: " + stretch.text;
        next_us = stretch.last_us + period_us;
        before = stretch.text;
    }
    if (last_us) *last_us = stretches.empty() ? 0 : stretches.back().last_us;
    return "";
}

std::string ScheduleModel::read_ticks(store::Database& database, Ticks& ticks) const {
    for (std::size_t i = 0; i < database.shards(); ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        core::LogOffset next = database.first_kept(shard);
        while (next < database.durable_end(shard)) {
            const auto block = database.log_reader().read_block(shard, next);
            if (!block || !*block) return "the log can't be read";
            for (std::uint32_t index = 0; index < block->count(); ++index) {
                const store::StoredEvent event = block->event(index);
                if (!event.pattern.starts_with(kTickPrefix)) continue;
                ticks.push_back({quoted_behind(event.raw, "\"eventId\":\""),
                                 {event.tenant.value, std::string(event.pattern)}});
            }
            next = block->end_offset();
        }
    }
    std::sort(ticks.begin(), ticks.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    for (std::size_t i = 1; i < ticks.size(); ++i) {
        if (ticks[i].first == ticks[i - 1].first)
            return "one time, two events: " + ticks[i].first + " of " + ticks[i].second.pattern;
    }
    return "";
}

// Takes its own out of `ticks`.
std::string ScheduleModel::check_schedule(store::Database& database,
                                          const PlannedSchedule& schedule, Ticks& ticks) const {
    std::vector<Line> lines;
    if (std::string wrong = read_ledger(database, schedule, lines); !wrong.empty()) return wrong;
    std::set<std::string> fired;
    for (const Line& line : lines) {
        if (std::string wrong = check_line(schedule, line); !wrong.empty()) return wrong;
        if (!line.fired) continue;
        if (!fired.insert(line.event_id).second) return schedule.id + ": twice: " + line.text;
        const auto tick =
            std::lower_bound(ticks.begin(), ticks.end(), line.event_id,
                             [](const auto& a, const std::string& id) { return a.first < id; });
        if (tick == ticks.end() || tick->first != line.event_id)
            return schedule.id + ": has fired, and its event is not in the log: " + line.text;
        const bool own = tick->second.tenant == schedule.tenant &&
                         tick->second.pattern == std::string(kTickPrefix) + schedule.id;
        if (!own) return schedule.id + ": its event is another one's: " + line.text;
        ticks.erase(tick);
    }
    for (const std::string& id : schedule.asked) {
        if (!fired.contains(id)) return schedule.id + ": a trigger said " + id + ", which is gone";
    }
    return check_times(database, schedule, lines, nullptr);
}

std::string ScheduleModel::check(store::Database& database) const {
    Ticks ticks;
    if (std::string wrong = read_ticks(database, ticks); !wrong.empty()) return wrong;
    for (const PlannedSchedule& schedule : schedules_) {
        if (std::string wrong = check_schedule(database, schedule, ticks); !wrong.empty())
            return wrong;
    }
    return ticks.empty() ? ""
                         : "an event that no ledger knows: " + ticks.front().first + " of " +
                               ticks.front().second.pattern;
}

std::string ScheduleModel::check_start(store::Database& database) const { return check(database); }

std::string ScheduleModel::check_end(store::Database& database, std::int64_t settled_us) const {
    if (std::string wrong = check(database); !wrong.empty()) return wrong;
    for (const PlannedSchedule& schedule : schedules_) {
        std::vector<Line> lines;
        std::int64_t last_us = 0;
        if (std::string wrong = read_ledger(database, schedule, lines); !wrong.empty())
            return wrong;
        if (std::string wrong = check_times(database, schedule, lines, &last_us); !wrong.empty())
            return wrong;
        if (schedule.first_us > settled_us) continue;
        const std::int64_t periods =
            schedule.period_us == 0 ? 0 : (settled_us - schedule.first_us) / schedule.period_us;
        const std::int64_t expected_us = schedule.first_us + periods * schedule.period_us;
        if (last_us < expected_us)
            return schedule.id + ": " + core::format_timestamp(expected_us) +
                   " is past, and the ledger ends at " + core::format_timestamp(last_us);
    }
    return "";
}

ScheduleModel::Seen ScheduleModel::seen(store::Database& database) const {
    Seen out;
    for (const PlannedSchedule& schedule : schedules_) {
        std::vector<Line> lines;
        (void)read_ledger(database, schedule, lines);
        for (const Line& line : lines) {
            ++(line.fired ? out.fired : out.skipped);
            out.made_up += line.fired && line.rule.starts_with("catchUp:");
        }
    }
    return out;
}

}  // namespace millrace::sim
