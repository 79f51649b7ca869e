#include "runtime/registry/schedule_row.h"

#include "core/timestamp.h"
#include "runtime/event/json_scan.h"
#include "runtime/registry/schedule_timing.h"
#include "runtime/registry/schedule_words.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>

namespace millrace::runtime {
namespace {

// Without quotes; none: it is no string, or holds escapes.
std::optional<std::string_view> plain_text(std::string_view quoted) {
    if (quoted.size() < 2 || quoted.front() != '"') return std::nullopt;
    if (quoted.find('\\') != std::string_view::npos) return std::nullopt;
    return quoted.substr(1, quoted.size() - 2);
}

// Text as JsonWriter makes it: no blanks between tokens.
class ScheduleRowReader {
public:
    ScheduleRowReader(std::string_view row, Schedule& out) : rest_(row), out_(out) {}

    bool read();

private:
    using Self = ScheduleRowReader;
    struct Member {
        std::string_view name;  // with quotes and colon
        bool (Self::*read)();
    };

    bool take(std::string_view text) {
        if (!rest_.starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        return true;
    }
    // Members come in the order of the table; those that are not there are passed over.
    template <std::size_t N>
    bool object(const Member (&members)[N], std::size_t members_min = N) {
        if (!take("{")) return false;
        std::size_t taken = 0;
        bool more = true;
        for (const Member& member : members) {
            if (!more || !take(member.name)) continue;
            if (!(this->*member.read)()) return false;
            ++taken;
            more = take(",");
        }
        return !more && take("}") && taken >= members_min;
    }

    // A string without escapes.
    std::optional<std::string_view> string() {
        if (!rest_.starts_with('"')) return std::nullopt;
        const std::size_t end = rest_.find('"', 1);
        if (end == std::string_view::npos) return std::nullopt;
        const auto text = plain_text(rest_.substr(0, end + 1));
        if (text) rest_.remove_prefix(end + 1);
        return text;
    }
    template <auto kMember>
    bool text() {
        const auto value = string();
        if (value) (out_.*kMember).assign(*value);
        return value.has_value();
    }
    template <typename Int>
    bool whole_number(Int& out) {
        const char* end = rest_.data() + rest_.size();
        const auto [stop, error] = std::from_chars(rest_.data(), end, out);
        if (error != std::errc()) return false;
        rest_.remove_prefix(static_cast<std::size_t>(stop - rest_.data()));
        return true;
    }
    template <auto kMember>
    bool number() {
        return whole_number(out_.*kMember);
    }
    template <auto kMember>
    bool strong_number() {
        return whole_number((out_.*kMember).value);
    }
    template <auto kMember>
    bool catch_up_number() {
        return whole_number(out_.catch_up.*kMember);
    }
    template <auto kMember>
    bool flag() {
        out_.*kMember = rest_.starts_with('t');
        return take("true") || take("false");
    }
    template <auto kMember>
    bool time() {
        const auto value = string();
        return value && core::parse_timestamp(*value, out_.*kMember);
    }
    template <auto kMember>
    bool raw() {
        const auto value = JsonScanner(rest_).value();
        if (!value || value->front() != '{') return false;
        (out_.*kMember).assign(*value);
        rest_.remove_prefix(value->size());
        return true;
    }
    template <auto kWords, auto kMember>
    bool word() {
        const auto value = string();
        return value && read_word(*kWords, *value, out_.*kMember);
    }
    bool catch_up_mode() {
        const auto value = string();
        return value && read_word(kCatchUpWords, *value, out_.catch_up.mode);
    }
    bool pass() {
        const auto value = JsonScanner(rest_).value();
        if (value) rest_.remove_prefix(value->size());
        return value.has_value();
    }
    bool catch_up();
    bool dst();
    bool body();
    bool executor();

    std::string_view rest_;
    Schedule& out_;
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
