// The part of Orchestrator that writes what has become of runs: what is stored of one follows from
// what it is when a commit closes. However much has happened to it until then, there is one row of
// each kind, and none that the same commit would take away again.
#include "core/assert.h"
#include "runtime/orchestrator/orchestrator.h"

#include <algorithm>
#include <span>
#include <utility>

namespace millrace::runtime {

// Into what is open, which is of its shard; something that comes back from there keeps it in
// memory, or write_now() does not leave it for later.
void Orchestrator::note_change(Run& run) {
    MR_DCHECK(builder_.open());
    if (!std::exchange(run.unwritten, true)) unwritten_.push_back(&run);
}

void Orchestrator::note_entry(Run& run, std::string&& entry, std::string_view step) {
    if (run.journal.size() != run.stored) run.steps += ',';
    run.steps += step;
    unwritten_bytes_ += entry.size();
    run.journal.push_back(std::move(entry));
    note_change(run);
}

void Orchestrator::write_rows(Run& run) {
    store::RowBatch& rows = builder_.rows();
    if (run.fresh) put_order(rows, run.head);
    if (run.fresh || run.head_changed) put_head(rows, run.head);
    if (run.stored < run.journal.size()) {
        put_entries(rows, run.head, run.key, static_cast<std::uint32_t>(run.stored), run.steps,
                    std::span<const std::string>(run.journal).subspan(run.stored));
    }
    if (run.state.is_final()) {
        if (!run.fresh) rows.erase_registry(kRunActiveKind, run_row_id(run.head.run));
        put_ended(rows, run.head, run.journal.size());
    } else if (RunMark mark = mark_of(run); run.fresh || mark != run.mark) {
        put_mark(rows, run.head.run, mark);
        run.mark = std::move(mark);
    }
    run.unwritten = run.fresh = run.head_changed = run.committing = false;
    run.stored = run.journal.size();
    run.steps.clear();
}

// It leaves memory, or its journal begins anew.
void Orchestrator::write_now(Run& run) {
    if (!run.unwritten) return;
    write_rows(run);
    std::erase(unwritten_, &run);
}

void Orchestrator::write_all() {
    for (Run* const run : unwritten_) write_rows(*run);
    unwritten_.clear();
    unwritten_bytes_ = 0;
}

void Orchestrator::count_end(workflow::RunStatus status) {
    auto at = ended_counts_.find(status);
    if (at == ended_counts_.end()) {
        at = ended_counts_
                 .emplace(status, figures_.counter(core::Metric::kWorkflowRunsEnded,
                                                   {workflow::run_status_text(status)}))
                 .first;
    }
    at->second.add();
}

}  // namespace millrace::runtime
