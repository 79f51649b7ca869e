#include "runtime/orchestrator/run_writer.h"

#include "core/assert.h"
#include "runtime/orchestrator/run_begin.h"
#include "store/log/pool_set.h"

#include <span>
#include <utility>

namespace millrace::runtime {

RunWriter::RunWriter(Deps deps)
    : deps_(std::move(deps)),
      texts_(deps_.database->hasher()),
      builder_({&deps_.database->kv(), &deps_.database->pools(), &texts_}) {}

core::ShardId RunWriter::shard_of(const RunName& run) const {
    return core::ShardId(static_cast<std::uint16_t>(RunNameHash()(run) % deps_.shards));
}

void RunWriter::make_room(const RunName& run) {
    if (!builder_.open()) return;
    const bool full =
        builder_.bytes() + unwritten_bytes_ > kChunkBytesMax || open_events_ > kChunkEventsMax;
    if (builder_.shard() != shard_of(run) || (full && !stays_open_)) close();
}

ResultBuilder& RunWriter::open(const RunName& run) {
    make_room(run);
    if (!builder_.open()) builder_.begin(shard_of(run));
    return builder_;
}

void RunWriter::add_event(std::string_view line, const RunName& run, std::uint32_t depth) {
    builder_.add_event(line, run.tenant, static_cast<std::uint8_t>(depth + 1));
    ++open_events_;
}

void RunWriter::take(const AttemptEffects& effects, core::TenantId tenant) {
    builder_.take(effects, tenant, deps_.clock->wall_us());
    open_events_ += effects.emitted.size();
}

void RunWriter::close() {
    if (!builder_.open()) return;
    for (LiveRun* const run : unwritten_) write_rows(*run);
    unwritten_.clear();
    unwritten_bytes_ = 0;
    outgoing_.push_back(builder_.finish(deps_.clock->wall_us()));
    open_events_ = 0;
}

bool RunWriter::flush() {
    while (!outgoing_.empty()) {
        if (!deps_.submit(outgoing_.front()->shard, outgoing_.front())) return false;
        outgoing_.pop_front();
    }
    return true;
}

void RunWriter::note_change(LiveRun& run) {
    MR_DCHECK(builder_.open());
    if (!std::exchange(run.unwritten, true)) unwritten_.push_back(&run);
}

void RunWriter::note_entry(LiveRun& run, std::string&& entry, std::string_view step) {
    if (run.journal.size() != run.stored) run.steps += ',';
    run.steps += step;
    unwritten_bytes_ += entry.size();
    run.journal.push_back(std::move(entry));
    note_change(run);
}

void RunWriter::write_now(LiveRun& run) {
    if (!run.unwritten) return;
    write_rows(run);
    std::erase(unwritten_, &run);
}

void RunWriter::write_rows(LiveRun& run) {
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

}  // namespace millrace::runtime
