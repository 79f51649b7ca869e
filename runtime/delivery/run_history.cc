#include "runtime/delivery/run_history.h"

#include "core/json_reader.h"
#include "core/made_id.h"
#include "core/timestamp.h"
#include "runtime/delivery/attempt_record.h"
#include "store/database.h"
#include "store/rows/registry_store.h"

#include <algorithm>
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
    drop_surplus();
    if ((unwritten_.empty() && gone_.empty()) || now_ns < write_at_ns_) return 0;
    write_at_ns_ = now_ns + kWriteNs;
    const bool much = bytes_ahead_.load(std::memory_order_relaxed) > kRecordBytesAheadMax / 2;
    return store_some(much ? 4 * kRowsAtOnce : kRowsAtOnce) ? 1 : 0;
}

void RunHistory::store_all() {
    take_in();
    drop_surplus();
    while ((!unwritten_.empty() || !gone_.empty()) && store_some(kRowsAtOnce)) {
    }
}

// As durable as what the operating system has: nobody was told more.
bool RunHistory::store_some(std::size_t most) {
    store::RowBatch rows;
    const std::size_t puts = std::min(most, unwritten_.size());
    const std::size_t erases = std::min(2 * most, gone_.size());
    for (std::size_t i = 0; i < puts; ++i) {
        const RunAhead& one = *unwritten_[i];
        if (!one.record.empty())
            rows.put_registry(kRunKind, one.id, 1, one.started_at_us, one.record);
    }
    for (std::size_t i = 0; i < erases; ++i) rows.erase_registry(kRunKind, gone_[i]);
    if (!rows.empty() && !database_.write_now(rows, store::Durability::kOs)) return false;
    for (std::size_t i = 0; i < puts; ++i) let_go(*unwritten_[i]);
    unwritten_.erase(unwritten_.begin(), unwritten_.begin() + static_cast<std::ptrdiff_t>(puts));
    gone_.erase(gone_.begin(), gone_.begin() + static_cast<std::ptrdiff_t>(erases));
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
