#include "runtime/scheduler/schedule_state.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "core/timestamp.h"

#include <algorithm>

namespace millrace::runtime {
namespace {

void append_hex(std::string& out, std::uint64_t value, unsigned digits) {
    constexpr char kHex[] = "0123456789abcdef";
    while (digits-- > 0) out += kHex[value >> (4 * digits) & 15];
}

std::string state_id(core::TenantId tenant, std::uint32_t number) {
    std::string id;
    append_hex(id, tenant.value, 8);
    id += '/';
    append_hex(id, number, 8);
    return id;
}

// The newest first: the number counts down.
std::string ledger_id(const ScheduleState& state, std::uint64_t entry) {
    std::string id = ledger_prefix(state.tenant, state.number);
    append_hex(id, ~entry, 16);
    return id;
}

void append_runs(core::JsonWriter& json, std::string_view name, const auto& runs) {
    json.key(name).begin_array();
    for (const ScheduleRun& run : runs) json.value(run.due_us).value(run.serial);
    json.end_array();
}

bool read_runs(core::JsonObject& in, std::string_view name, auto& out) {
    const auto element = in.any(name);
    core::JsonArray array;
    if (!element || !element->get(array)) return false;
    bool is_serial = false;
    for (const core::JsonElement item : array) {
        std::int64_t value = 0;
        if (!item.get(value)) return false;
        if (is_serial)
            out.back().serial = static_cast<std::uint32_t>(value);
        else
            out.push_back({value, 0});
        is_serial = !is_serial;
    }
    return true;
}

bool read_backfills(core::JsonObject& in, std::vector<Backfill>& out) {
    const auto element = in.any("backfills");
    core::JsonArray array;
    if (!element || !element->get(array)) return false;
    std::vector<std::int64_t> values;
    for (const core::JsonElement item : array) {
        if (!item.get(values.emplace_back())) return false;
    }
    for (std::size_t i = 0; i + 3 < values.size(); i += 4) {
        out.push_back({static_cast<std::uint32_t>(values[i]), values[i + 1], values[i + 2],
                       static_cast<Overlap>(values[i + 3])});
    }
    return true;
}

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

core::Result<ScheduleState> read_schedule_state(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "state of a schedule");
    if (!in) return core::fail(std::move(in.error()));
    ScheduleState out;
    in->integer_as("tenant", out.tenant.value, 0, UINT32_MAX, core::Presence::kRequired);
    in->integer_as("number", out.number, 1, UINT32_MAX, core::Presence::kRequired);
    in->integer_as("version", out.version, 0, UINT32_MAX);
    in->integer("dueUs", out.due_us, INT64_MIN, INT64_MAX);
    in->integer("doneUs", out.done_us, INT64_MIN, INT64_MAX);
    in->integer("lastRunUs", out.last_run_us, INT64_MIN, INT64_MAX);
    in->integer_as("ledger", out.ledger, 0, INT64_MAX);
    in->integer_as("fired", out.fired, 0, INT64_MAX);
    in->integer_as("skipped", out.skipped, 0, INT64_MAX);
    in->integer_as("serials", out.serials, 0, UINT32_MAX);
    if (!read_runs(*in, "running", out.running) || !read_runs(*in, "waiting", out.waiting) ||
        !read_backfills(*in, out.backfills))
        in->refuse("running", "is damaged");
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
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
