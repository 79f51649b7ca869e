#include "runtime/registry/schedule_row.h"

#include "runtime/registry/row_reader.h"
#include "runtime/registry/schedule_timing.h"
#include "runtime/registry/schedule_words.h"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>

namespace millrace::runtime {
namespace {

class ScheduleRowReader : public RowReader<ScheduleRowReader, Schedule> {
public:
    using RowReader::RowReader;

    bool read();

private:
    using Self = ScheduleRowReader;

    template <auto kMember>
    bool catch_up_number() {
        return whole_number(out_.catch_up.*kMember);
    }
    bool catch_up_mode() {
        const auto value = string();
        return value && read_word(kCatchUpWords, *value, out_.catch_up.mode);
    }
    bool catch_up();
    bool dst();
    bool body();
    bool executor();
};

bool ScheduleRowReader::catch_up() {
    static constexpr Member kMembers[] = {
        {"\"mode\":", &Self::catch_up_mode},
        {"\"windowMs\":", &Self::catch_up_number<&CatchUp::window_ms>},
        {"\"max\":", &Self::catch_up_number<&CatchUp::runs_max>}};
    return object(kMembers);
}

bool ScheduleRowReader::dst() {
    static constexpr Member kMembers[] = {
        {"\"gap\":", &Self::word<&kGapWords, &Schedule::gap>},
        {"\"overlap\":", &Self::word<&kOverlapHourWords, &Schedule::overlap_hour>}};
    return object(kMembers);
}

bool ScheduleRowReader::body() {
    static constexpr Member kMembers[] = {
        {"\"id\":", &Self::text<&Schedule::id>},
        {"\"name\":", &Self::text<&Schedule::name>},
        {"\"type\":", &Self::word<&kTimingTypeWords, &Schedule::type>},
        {"\"cron\":", &Self::text<&Schedule::cron>},
        {"\"intervalMs\":", &Self::number<&Schedule::interval_ms>},
        {"\"at\":", &Self::time<&Schedule::at_us>},
        {"\"timezone\":", &Self::text<&Schedule::timezone>},
        {"\"event\":", &Self::raw<&Schedule::event>},
        {"\"executor\":", &Self::raw<&Schedule::executor>},
        {"\"overlap\":", &Self::word<&kOverlapWords, &Schedule::overlap>},
        {"\"catchUp\":", &Self::catch_up},
        {"\"jitterMs\":", &Self::number<&Schedule::jitter_ms>},
        {"\"dst\":", &Self::dst},
        {"\"startAt\":", &Self::time<&Schedule::start_at_us>},
        {"\"endAt\":", &Self::time<&Schedule::end_at_us>},
        {"\"maxRuns\":", &Self::number<&Schedule::runs_max>},
        {"\"pauseOnFailure\":", &Self::flag<&Schedule::pause_on_failure>},
        {"\"active\":", &Self::flag<&Schedule::active>},
        // The row says these itself.
        {"\"paused\":", &Self::pass},
        {"\"version\":", &Self::pass},
        {"\"createdAt\":", &Self::pass},
        {"\"updatedAt\":", &Self::pass}};
    // One of cron, intervalMs and at, one of event and executor; startAt, endAt and maxRuns where
    // there are any.
    constexpr std::size_t kMembersMin = std::size(kMembers) - 6;
    return object(kMembers, kMembersMin);
}

bool ScheduleRowReader::read() {
    static constexpr Member kMembers[] = {
        {"\"number\":", &Self::strong_number<&Schedule::number>},
        {"\"tenant\":", &Self::strong_number<&Schedule::tenant>},
        {"\"version\":", &Self::number<&Schedule::version>},
        {"\"createdAtUs\":", &Self::number<&Schedule::created_at_us>},
        {"\"updatedAtUs\":", &Self::number<&Schedule::updated_at_us>},
        {"\"paused\":", &Self::flag<&Schedule::paused>},
        {"\"pauseReason\":", &Self::text<&Schedule::pause_reason>},
        {"\"notBeforeUs\":", &Self::number<&Schedule::not_before_us>},
        {"\"sourceType\":", &Self::text<&Schedule::source_type>},
        {"\"sourceId\":", &Self::text<&Schedule::source_id>},
        {"\"firstDueUs\":", &Self::number<&Schedule::first_due_us>},
        {"\"body\":", &Self::body}};
    return object(kMembers) && rest_.empty() && executor() && out_.number.value != 0 &&
           out_.version != 0 && !out_.id.empty();
}

// What it names is looked up by the table.
bool ScheduleRowReader::executor() {
    if (out_.event.empty() == out_.executor.empty()) return false;
    if (out_.executor.empty()) return true;
    const std::string_view type = member_of(out_.executor, "\"type\"");
    const auto take_id = [this](std::string_view name, std::string& into) {
        const std::string_view value = member_of(out_.executor, name);
        if (value.empty()) return true;
        const auto id = plain_text(value);
        if (id) into.assign(*id);
        return id.has_value();
    };
    if (type == "\"script\"") return take_id("\"scriptId\"", out_.script_id);
    if (type != "\"workflow\"") return true;
    return take_id("\"workflowId\"", out_.workflow_id) &&
           take_id("\"workflow_id\"", out_.workflow_id);
}

}  // namespace

bool read_schedule_row(std::string_view row, Schedule& out) {
    if (!ScheduleRowReader(row, out).read()) return false;
    out.from_row = true;
    const bool timed = make_schedule_timing(out).has_value();
    out.from_row = false;
    return timed;
}

}  // namespace millrace::runtime
