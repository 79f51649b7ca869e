// The part of Orchestrator for runs that wait for their turn: those that a start finds, and those
// for which there is no place yet.
#include "runtime/orchestrator/orchestrator.h"

#include <utility>

namespace millrace::runtime {
namespace {

std::size_t journal_bytes(const StoredRun& run) {
    std::size_t bytes = 0;
    for (const std::string& entry : run.journal) bytes += entry.size();
    return bytes;
}

}  // namespace

// ---- what a start finds

// Page by page, beside what comes meanwhile. Those that were doing something are taken up when
// there is a place, those that wait for something else than time at once.
std::size_t Orchestrator::walk_marks() {
    if (marks_walked_ || listening_.size() >= kMarksPerTurn) return 0;
    auto rows =
        deps_.database->registry().list(kRunActiveKind, {}, marks_walked_to_, kMarksPerTurn);
    if (!rows) {
        deps_.log->error("workflow runs can not be read", {{"error", rows.error().message}});
        return 0;  // again in the next turn
    }
    for (const store::RegistryDocument& row : *rows) take_mark(row);
    marks_walked_ = rows->size() < kMarksPerTurn;
    if (marks_walked_)
        marks_walked_to_ = {};
    else
        marks_walked_to_ = rows->back().id;
    return rows->size();
}

// It may be the mark of one that has begun, or was brought back, since the start.
void Orchestrator::take_mark(const store::RegistryDocument& row) {
    const RunName name = run_of_row(row.id);
    const auto mark = read_mark(row.json);
    if (!mark) {
        if (aside_) aside_->add(kRunActiveKind, row.id, mark.error());
        return;
    }
    const Run* const there = find(name);
    if (beginning_.has(name) || parked_.contains(name) || (there && there->taken)) return;
    if (mark->busy)
        queue(name);
    else if (mark->waits || mark->differs)
        listening_.push_back(name);
    else if (mark->due_us != 0 && !there && !timers_.has(name))
        timers_.set(name, mark->due_us);
}

// What comes for them meanwhile would be late, so that they do not wait for a place.
std::size_t Orchestrator::take_listening() {
    std::size_t taken = 0;
    for (; taken < kListenersPerTurn && !listening_.empty() && !writer_.blocked(); ++taken) {
        const RunName name = std::move(listening_.front());
        listening_.pop_front();
        take_up(name);
    }
    return taken;
}

// ---- of tenants that are suspended

bool Orchestrator::is_suspended(core::TenantId tenant) const {
    return tenant.value != 0 && deps_.registry()->is_suspended(tenant);  // `default` never is
}

// As if the process had ended: what is under way of it begins when it is taken up again.
void Orchestrator::stop_for_tenant(const RunName& name) {
    const auto at = runs_.find(name);
    Run& run = *at->second;
    if (run.counted) --active_;
    writer_.write_now(run);
    timers_.drop(name);
    stopped_[name.tenant.value].insert(name);
    runs_.erase(at);
}

std::size_t Orchestrator::take_stopped() {
    std::size_t taken = 0;
    for (auto at = stopped_.begin(); at != stopped_.end();) {
        if (is_suspended(core::TenantId(at->first))) {
            ++at;
            continue;
        }
        for (const RunName& run : at->second) queue(run);
        taken += at->second.size();
        at = stopped_.erase(at);
    }
    return taken;
}

// ---- for a place

// It stays in memory while there is room: what is read back has to be opened and played.
void Orchestrator::park(std::unique_ptr<Run> run) {
    queued_.push(run->head.run,
                 run->head.parent.run_id.empty() ? RunQueue::Kind::kFirst : RunQueue::Kind::kChild);
    writer_.write_now(*run);
    const std::size_t bytes = journal_bytes(*run);
    if (parked_.size() >= kParkedRunsMax || parked_bytes_ + bytes > kParkedBytesMax) return;
    run->counted = run->taken = run->queues = false;
    parked_bytes_ += bytes;
    RunName name = run->head.run;
    parked_.emplace(std::move(name), std::move(run));
}

std::unique_ptr<Orchestrator::Run> Orchestrator::take_parked(const RunName& name) {
    const auto at = parked_.find(name);
    if (at == parked_.end()) return nullptr;
    std::unique_ptr<Run> run = std::move(at->second);
    parked_.erase(at);
    parked_bytes_ -= journal_bytes(*run);
    return run;
}

RunHead* Orchestrator::head_in_memory(const RunName& name) {
    if (Run* const run = find(name)) return &run->head;
    const auto at = parked_.find(name);
    return at == parked_.end() ? nullptr : &at->second->head;
}

void Orchestrator::visit_codes_in_memory(const std::function<void(const RunHead&)>& visit) const {
    for (const auto* runs : {&runs_, &parked_}) {
        for (const auto& [name, run] : *runs) {
            if (run->head.code_made_us >= 0) visit(run->head);
        }
    }
}

}  // namespace millrace::runtime
