#include "runtime/delivery/run_history.h"

#include "core/json_reader.h"
#include "core/made_id.h"
#include "core/timestamp.h"
#include "runtime/delivery/attempt_record.h"
#include "store/database.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <utility>

namespace millrace::runtime {

namespace {

constexpr std::size_t kTimeDigits = 11;
constexpr std::size_t kRandomDigits = 6;

// "7 {...}": the tenant's number and the execution.
std::pair<core::TenantId, std::string_view> split_document(std::string_view document) {
    core::TenantId tenant;
    const auto [end, error] =
        std::from_chars(document.data(), document.data() + document.size(), tenant.value);
    const auto digits = static_cast<std::size_t>(end - document.data());
    return {tenant, document.substr(std::min(document.size(), digits + 1))};
}

std::string text_for(core::TenantId tenant, std::string_view document) {
    const auto [owner, text] = split_document(document);
    return owner == tenant ? std::string(text) : std::string();
}

core::Result<RunSummary> read_summary(const store::RegistryDocument& row) {
    const auto [tenant, text] = split_document(row.json);
    RunSummary run;
    run.id = row.id;
    run.tenant = tenant;
    run.started_at_us = row.updated_at_us;
    core::JsonDocument document;
    auto in = document.parse_object(text, "record of a script run");
    if (!in) return core::fail(std::move(in.error()));
    std::string status;
    in->text("scriptId", run.script_id);
    in->text("status", status);
    run.failed = status == "failed";
    return run;
}

}  // namespace

std::string run_document(const RunRecord& run) {
    std::string out = std::to_string(run.tenant.value) + " ";
    const bool keeps_result = !run.result.empty() && run.result.size() <= kResultBytesKeptMax;
    core::JsonWriter json(out);
    json.begin_object().field("id", run.id).key("eventId").value(nullptr);
    json.key("subscriptionId").value(nullptr).field("scriptId", run.script_id);
    json.field("scriptVersion", run.script_version).field_or_null("by", run.by);
    json.field("status", run.error.empty() ? "completed" : "failed").key("attempts").begin_array();
    json.begin_object().field("at", core::format_timestamp(run.started_at_us));
    json.field("durationUs", run.duration_us);
    json.field_or_null("error", run.error.substr(0, kErrorTextBytesMax)).end_object().end_array();
    json.raw_field("logs", run.logs.empty() ? std::string_view("[]") : run.logs);
    json.raw_field("result", keeps_result ? run.result : std::string_view("null")).end_object();
    return out;
}

core::Status RunHistory::load(SetAside& aside) {
    auto rows = database_.registry().load_all(kRunKind);
    if (!rows) return core::fail(std::move(rows.error()));
    for (const store::RegistryDocument& row : *rows) {
        auto run = read_summary(row);
        if (run)
            runs_.push_back(std::move(*run));
        else
            aside.add(kRunKind, row.id, run.error());
    }
    return {};
}

std::string RunHistory::make_id(std::int64_t now_us, std::uint64_t random) {
    std::string id = "xr_";
    core::append_id_digits(id, static_cast<std::uint64_t>(now_us), kTimeDigits);
    core::append_id_digits(id, random, kRandomDigits);
    return id;
}

void RunHistory::add(RunSummary&& run) {
    const auto at =
        std::upper_bound(runs_.begin(), runs_.end(), run,
                         [](const RunSummary& a, const RunSummary& b) { return a.id < b.id; });
    runs_.insert(at, std::move(run));
}

bool RunHistory::take_room(std::size_t bytes) {
    // relaxed: a bound, no order
    const std::size_t before = bytes_ahead_.fetch_add(bytes, std::memory_order_relaxed);
    if (before + bytes <= kRecordBytesAheadMax) return true;
    bytes_ahead_.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
}

void RunHistory::let_go(RunAhead& ahead) {
    bytes_ahead_.fetch_sub(ahead.record.size(), std::memory_order_relaxed);
    ahead.record = {};
}

void RunHistory::add_ahead(RunSummary&& run, std::string&& record) {
    run.ahead = std::make_shared<RunAhead>(RunAhead{run.id, run.started_at_us, std::move(record)});
    const std::lock_guard lock(mutex_);
    ahead_.push_back(std::move(run));
}

void RunHistory::take_in() {
    std::vector<RunSummary> ahead;
    {
        const std::lock_guard lock(mutex_);
        ahead.swap(ahead_);
    }
    for (RunSummary& run : ahead) {
        unwritten_.push_back(run.ahead);
        add(std::move(run));
    }
}

void RunHistory::drop_surplus() {
    while (runs_.size() > kRunsKeptMax) {
        RunSummary& oldest = runs_.front();
        if (oldest.ahead && !oldest.ahead->record.empty())
            let_go(*oldest.ahead);
        else
            gone_.push_back(std::move(oldest.id));
        runs_.pop_front();
    }
    while (!unwritten_.empty() && unwritten_.front()->record.empty()) unwritten_.pop_front();
}

std::size_t RunHistory::do_work(std::int64_t now_ns) {
    take_in();
    if (!end_flight()) return 0;
    drop_surplus();
    if ((unwritten_.empty() && gone_.empty()) || now_ns < write_at_ns_) return 0;
    write_at_ns_ = now_ns + kWriteNs;
    flight_ = begin_flight(fills() ? 4 * kRowsAtOnce : kRowsAtOnce);
    const bool taken =
        aside_ && aside_([flight = flight_, &database = database_] { write(database, *flight); });
    if (taken) return 1;
    write(database_, *flight_);
    const bool written = flight_->state.load(std::memory_order_relaxed) == Flight::State::kWritten;
    (void)end_flight();
    return written ? 1 : 0;
}

// What was handed aside may never be taken up any more: to write it twice does no harm.
void RunHistory::store_all() {
    take_in();
    if (!end_flight()) {
        flight_->state.store(Flight::State::kFailed, std::memory_order_relaxed);
        (void)end_flight();
    }
    drop_surplus();
    while (!unwritten_.empty() || !gone_.empty()) {
        flight_ = begin_flight(kRowsAtOnce);
        write(database_, *flight_);
        const bool failed =
            flight_->state.load(std::memory_order_relaxed) == Flight::State::kFailed;
        (void)end_flight();
        if (failed) return;
    }
}

std::shared_ptr<RunHistory::Flight> RunHistory::begin_flight(std::size_t most) {
    auto flight = std::make_shared<Flight>();
    for (; flight->records.size() < most && !unwritten_.empty(); unwritten_.pop_front()) {
        const RunAhead& one = *unwritten_.front();
        if (one.record.empty()) continue;
        flight->rows.put_registry(kRunKind, one.id, 1, one.started_at_us, one.record);
        flight->records.push_back(std::move(unwritten_.front()));
    }
    for (; flight->gone.size() < 2 * most && !gone_.empty(); gone_.pop_front()) {
        flight->rows.erase_registry(kRunKind, gone_.front());
        flight->gone.push_back(std::move(gone_.front()));
    }
    return flight;
}

// By whoever takes it first. As durable as what the operating system has: nobody was told more.
void RunHistory::write(store::Database& database, Flight& flight) {
    using State = Flight::State;
    State waiting = State::kWaiting;
    if (!flight.state.compare_exchange_strong(waiting, State::kTaken, std::memory_order_acq_rel))
        return;
    const bool written =
        flight.rows.empty() || database.write_now(flight.rows, store::Durability::kOs).has_value();
    // release: the rows are there for whoever sees it (acquire in end_flight)
    flight.state.store(written ? State::kWritten : State::kFailed, std::memory_order_release);
}

// False: it is under way.
bool RunHistory::end_flight() {
    using State = Flight::State;
    if (!flight_) return true;
    // A long look goes on there.
    if (fills()) write(database_, *flight_);
    const State state = flight_->state.load(std::memory_order_acquire);
    if (state != State::kWritten && state != State::kFailed) return false;
    const std::shared_ptr<Flight> flight = std::exchange(flight_, nullptr);
    if (state == State::kWritten) {
        for (const auto& one : flight->records) let_go(*one);
        return true;
    }
    unwritten_.insert(unwritten_.begin(), flight->records.begin(), flight->records.end());
    gone_.insert(gone_.begin(), flight->gone.begin(), flight->gone.end());
    return true;
}

std::size_t RunHistory::place_of(std::string_view id) const {
    const auto at = std::lower_bound(
        runs_.begin(), runs_.end(), id,
        [](const RunSummary& run, std::string_view text) { return run.id < text; });
    if (at == runs_.end() || at->id != id) return runs_.size();
    return static_cast<std::size_t>(at - runs_.begin());
}

core::Result<std::string> RunHistory::document(core::TenantId tenant, std::string_view id) const {
    if (const std::size_t at = place_of(id); at < runs_.size() && runs_[at].ahead) {
        if (const std::string& record = runs_[at].ahead->record; !record.empty())
            return text_for(tenant, record);
    }
    auto row = database_.registry().get(kRunKind, id);
    if (!row) return core::fail(std::move(row.error()));
    if (!*row) return std::string();
    return text_for(tenant, (*row)->json);
}

}  // namespace millrace::runtime
