#include "runtime/scheduler/schedule_state.h"

#include "core/hex.h"
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/event/json_scan.h"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace millrace::runtime {
namespace {

std::string state_id(core::TenantId tenant, std::uint32_t number) {
    std::string id;
    core::append_hex(id, tenant.value, 8);
    id += '/';
    core::append_hex(id, number, 8);
    return id;
}

// The newest first: the number counts down.
std::string ledger_id(const ScheduleState& state, std::uint64_t entry) {
    std::string id = ledger_prefix(state.tenant, state.number);
    core::append_hex(id, ~entry, 16);
    return id;
}

void append_runs(core::JsonWriter& json, std::string_view name, const auto& runs) {
    json.key(name).begin_array();
    for (const ScheduleRun& run : runs) json.value(run.due_us).value(run.serial);
    json.end_array();
}

template <typename Int>
bool read_whole(std::string_view text, Int& out) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, out);
    return error == std::errc() && stop == end;
}

// Numbers, so many of them to each thing.
bool read_numbers(std::string_view text, std::size_t each, std::vector<std::int64_t>& out) {
    bool good = true;
    const bool whole = scan_items(
        text, [&](std::string_view item) { return good = read_whole(item, out.emplace_back()); });
    return whole && good && out.size() % each == 0;
}

bool read_runs(std::string_view text, std::vector<ScheduleRun>& out) {
    if (text == "[]") return true;
    std::vector<std::int64_t> values;
    if (!read_numbers(text, 2, values)) return false;
    for (std::size_t i = 0; i < values.size(); i += 2)
        out.push_back({values[i], static_cast<std::uint32_t>(values[i + 1])});
    return true;
}

bool read_backfills(std::string_view text, std::vector<Backfill>& out) {
    if (text == "[]") return true;
    std::vector<std::int64_t> values;
    if (!read_numbers(text, 4, values)) return false;
    for (std::size_t i = 0; i < values.size(); i += 4) {
        out.push_back({static_cast<std::uint32_t>(values[i]), values[i + 1], values[i + 2],
                       static_cast<Overlap>(values[i + 3])});
    }
    return true;
}

struct StateMember {
    std::string_view name;  // with quotes
    bool (*read)(std::string_view text, ScheduleState& out);
};

template <auto kMember>
bool number_of_state(std::string_view text, ScheduleState& out) {
    return read_whole(text, out.*kMember);
}

// As put_schedule_state() writes them.
constexpr StateMember kStateMembers[] = {
    {"\"tenant\"",
     [](std::string_view text, ScheduleState& out) { return read_whole(text, out.tenant.value); }},
    {"\"number\"", number_of_state<&ScheduleState::number>},
    {"\"version\"", number_of_state<&ScheduleState::version>},
    {"\"dueUs\"", number_of_state<&ScheduleState::due_us>},
    {"\"doneUs\"", number_of_state<&ScheduleState::done_us>},
    {"\"lastRunUs\"", number_of_state<&ScheduleState::last_run_us>},
    {"\"ledger\"", number_of_state<&ScheduleState::ledger>},
    {"\"fired\"", number_of_state<&ScheduleState::fired>},
    {"\"skipped\"", number_of_state<&ScheduleState::skipped>},
    {"\"serials\"", number_of_state<&ScheduleState::serials>},
    {"\"running\"",
     [](std::string_view text, ScheduleState& out) { return read_runs(text, out.running); }},
    {"\"waiting\"",
     [](std::string_view text, ScheduleState& out) { return read_runs(text, out.waiting); }},
    {"\"backfills\"",
     [](std::string_view text, ScheduleState& out) { return read_backfills(text, out.backfills); }},
};

}  // namespace

std::string ledger_prefix(core::TenantId tenant, std::uint32_t number) {
    return state_id(tenant, number) + "/";
}

void put_schedule_state(store::RowBatch& rows, const ScheduleState& state) {
    std::string text;
    core::JsonWriter json(text);
    json.begin_object().field("tenant", state.tenant.value).field("number", state.number);
    json.field("version", state.version).field("dueUs", state.due_us);
    json.field("doneUs", state.done_us);
    json.field("lastRunUs", state.last_run_us).field("ledger", state.ledger);
    json.field("fired", state.fired).field("skipped", state.skipped);
    json.field("serials", state.serials);
    append_runs(json, "running", state.running);
    append_runs(json, "waiting", state.waiting);
    json.key("backfills").begin_array();
    for (const Backfill& one : state.backfills) {
        json.value(one.serial).value(one.after_us).value(one.to_us);
        json.value(static_cast<int>(one.overlap));
    }
    json.end_array().end_object();
    rows.put_registry(kScheduleStateKind, state_id(state.tenant, state.number), 1,
                      state.last_run_us, text);
}

// A start reads one for each schedule: in one pass.
core::Result<ScheduleState> read_schedule_state(std::string_view text) {
    ScheduleState out;
    const StateMember* next = std::begin(kStateMembers);
    bool good = true;
    const bool whole = scan_members(text, [&](std::string_view key, std::string_view value) {
        next = std::find_if(next, std::end(kStateMembers),
                            [&](const StateMember& member) { return member.name == key; });
        good = next != std::end(kStateMembers) && (next++)->read(value, out);
        return good;
    });
    if (!whole || !good || out.number == 0)
        return core::fail(core::ErrorCode::kValidation, "the state of a schedule is damaged");
    return out;
}

void put_ledger(store::RowBatch& rows, ScheduleState& state, const LedgerEntry& entry) {
    const std::uint64_t number = ++state.ledger;
    const auto count = static_cast<std::uint64_t>(std::max<std::int64_t>(1, entry.count));
    (entry.fired ? state.fired : state.skipped) += count;
    if (entry.fired) state.last_run_us = entry.at_us;
    const std::int64_t late_us = std::max<std::int64_t>(0, entry.at_us - entry.run.due_us);
    std::string text;
    core::JsonWriter json(text);
    json.begin_object().field("seq", number);
    json.field("dueAt", core::format_timestamp(entry.run.due_us));
    json.field("status", entry.fired ? "fired" : "skipped");
    json.field_or_null("rule", entry.rule);
    json.field("at", core::format_timestamp(entry.at_us)).field("lateMs", late_us / 1000);
    if (entry.until_us != 0) {
        json.field("until", core::format_timestamp(entry.until_us)).key("count");
        entry.count > 0 ? json.value(entry.count) : json.value(nullptr);
    }
    json.field_or_null("eventId", entry.event_id);
    if (entry.run.serial != 0) json.field("serial", entry.run.serial);
    json.end_object();
    rows.put_registry(kScheduleLedgerKind, ledger_id(state, number), 1, entry.at_us, text);
    if (number > kLedgerRowsMax)
        rows.erase_registry(kScheduleLedgerKind, ledger_id(state, number - kLedgerRowsMax));
}

void erase_schedule(store::RowBatch& rows, const ScheduleState& state) {
    rows.erase_registry(kScheduleStateKind, state_id(state.tenant, state.number));
    const std::uint64_t kept = std::min(state.ledger, kLedgerRowsMax);
    for (std::uint64_t i = 0; i < kept; ++i)
        rows.erase_registry(kScheduleLedgerKind, ledger_id(state, state.ledger - i));
}

}  // namespace millrace::runtime
