#include "runtime/shard/shard_commit.h"

#include "core/assert.h"
#include "runtime/event/misfit.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

ShardCommit::ShardCommit(const Options& options, store::ShardLog& log, store::LogPort& writer,
                         const core::Clock& clock, ShardMetrics& metrics, Handlers handlers)
    : options_(options),
      log_(log),
      writer_(writer),
      clock_(clock),
      metrics_(metrics),
      handlers_(std::move(handlers)),
      gather_(options.linger_us_max),
      closed_end_(writer.position(options.shard)),
      durable_end_(log.next_position().offset),
      synced_end_(durable_end_) {}

namespace {

constexpr std::size_t kPrefetchAhead = 8;

// What must be durable before the answer to these is true.
core::LogOffset end_needed(const IngestRequest& request, const std::vector<std::uint32_t>& list) {
    core::LogOffset end;
    for (const std::uint32_t index : list) {
        const IngestItem& item = request.items[index];
        if (!item.refused && !item.again)
            end = std::max(end, core::LogOffset{item.position.offset.value + 1});
    }
    return end;
}

}  // namespace

bool ShardCommit::append(IngestRequest& request, std::size_t& next) {
    const std::vector<std::uint32_t>& list = request.by_home[options_.shard.value];
    const bool whole = request.whole();
    if (whole && in_flight_.size() >= kUnitsBeforePartMax && !failed_) return false;
    store::BatchPart part = whole ? part_of(request) : store::BatchPart{};
    bool begun = false;      // some of it is in the open unit, or was
    bool in_pieces = false;  // in closed ones, too
    if (options_.keeper) options_.keeper->mark_elsewhere(request, next);
    while (next < list.size()) {
        if (failed_) break;
        if (next + kPrefetchAhead < list.size())
            log_.prefetch(request.items[list[next + kPrefetchAhead]].input.id);
        IngestItem& item = request.items[list[next]];
        store::AppendResult result;
        const bool known = take_answer(request, item, result);
        if (item.again) {
            request.come_again();
            ++next;
            continue;
        }
        if (!known) {
            result = log_.append(item.input, begun && whole ? store::WhenBusy::kTakeAnyway
                                                            : store::WhenBusy::kRefuse);
        }
        if (result.status == store::AppendStatus::kBlockFull) {
            if (begun && whole) {
                part.last = false;
                close_unit(part);
                in_pieces = true;
            } else if (!seal()) {
                return false;
            }
            continue;
        }
        ++next;
        item.position = result.position;
        switch (result.status) {
            case store::AppendStatus::kAppended:
                note_appended(request, item);
                if (!item.dead_letter.empty()) put_dead_letter(item);
                if (item.late != 0 && options_.states) put_states(request, item);
                begun = true;
                break;
            case store::AppendStatus::kDuplicate:
                item.duplicate = true;
                metrics_.duplicates.add();
                break;
            default:
                // A client may send it again. What a handler emitted waits: its outcome follows; so
                // does what is all or none: other homes may have taken their part.
                if (request.origin == IngestOrigin::kLane || whole) {
                    --next;
                    return false;
                }
                item.refused = true;
                break;
        }
    }
    // Before anybody is told that it is done: it may be gone then.
    if (whole && request.brings_rows && request.edge == options_.shard && !failed_)
        handlers_.rows_due(request);
    const core::LogOffset needed_end = end_needed(request, list);
    open_durability_ = std::max(open_durability_, request.durability);
    const bool close = !failed_ && (in_pieces || request.batch != 0);
    wait_for(request, needed_end);
    part.last = true;
    if (close) close_unit(part);
    return true;
}

store::BatchPart ShardCommit::part_of(const IngestRequest& request) {
    store::BatchPart part;
    if (request.batch != 0) {
        part.batch = request.batch;
        part.producers = request.homes();
    } else {
        // Apart from other homes' and from IngestRequest::batch.
        constexpr unsigned kShardShift = 48;
        part.batch = (options_.shard.value + std::uint64_t{1}) << kShardShift | ++own_batches_;
    }
    return part;
}

bool ShardCommit::take_answer(const IngestRequest& request, IngestItem& item,
                              store::AppendResult& result) {
    if (item.answer == KeeperAnswer::kStands) {
        result = {store::AppendStatus::kDuplicate, item.position, true};
        return true;
    }
    if (item.answer != KeeperAnswer::kTaken) return false;
    result = find_taken(request, item);
    item.again |= result.status != store::AppendStatus::kDuplicate;
    return true;
}

// All or none goes by what its keepers said: nothing of it has another turn.
store::AppendResult ShardCommit::find_taken(const IngestRequest& request, const IngestItem& item) {
    store::AppendResult result = log_.find(item.input.id);
    if (result.status != store::AppendStatus::kDuplicate && request.whole())
        result = {store::AppendStatus::kDuplicate, item.position, true};
    return result;
}

void ShardCommit::note_appended(const IngestRequest& request, const IngestItem& item) {
    const std::uint32_t index = log_.open_events() - 1;
    for (std::uint32_t i = 0; i < item.match_count; ++i) {
        open_items_.push_back({index, request.matches[item.match_begin + i], item.payload_at});
    }
    metrics_.received.at(item.input.pattern).add();
    metrics_.bytes_received.add(item.input.raw.size());
    metrics_.matched.add(item.match_count);
}

// In the unit of the event: there is no delivery that has failed, and so no subscription.
void ShardCommit::put_dead_letter(const IngestItem& item) {
    store::DeadLetter row;
    row.key = {item.input.tenant, item.input.received_at_us, {item.position, {}}};
    row.updated_at_us = item.input.received_at_us;
    row.pattern = item.letter_pattern;
    row.event_id = item.event_id;
    row.error = item.dead_letter;
    row.error_fingerprint = kMisfitFingerprint;
    store::RowBatch rows;
    rows.put_dead_letter(row, store::RowChange::kNew);
    if (open_rows_.empty()) rows_since_us_ = now_us();
    open_rows_.append(rows);
}

// Into the unit of the event that makes the steps.
void ShardCommit::put_states(const IngestRequest& request, const IngestItem& item) {
    const LateItem& late = request.late->items[item.late - 1];
    if (late.changes.empty()) return;
    for (const StateChange& change : late.changes) {
        StateBook::use(*change.slot);
        open_steps_.push_back({change, item.input.received_at_us});
    }
}

// In the order of their keys, which is cheaper for the store; of several steps of one key the last
// one counts.
std::vector<StateSlot*> ShardCommit::write_steps() {
    std::vector<StateSlot*> slots;
    slots.reserve(open_steps_.size());
    for (const OpenStep& step : open_steps_) slots.push_back(step.change.slot);
    std::sort(open_steps_.begin(), open_steps_.end(), [](const OpenStep& a, const OpenStep& b) {
        const auto order = a.change.slot->key <=> b.change.slot->key;
        return order != 0 ? order < 0 : a.change.step < b.change.step;
    });
    for (std::size_t i = 0; i < open_steps_.size(); ++i) {
        const StateChange& change = open_steps_[i].change;
        const bool is_last =
            i + 1 == open_steps_.size() || open_steps_[i + 1].change.slot != change.slot;
        if (!is_last) continue;
        StateBook::put(open_rows_, change.slot->key, options_.shard, change.step, change.state,
                       open_steps_[i].at_us);
    }
    open_steps_.clear();
    return slots;
}

void ShardCommit::wait_for(IngestRequest& request, core::LogOffset needed_end) {
    if (failed_) {
        request.fail();
        handlers_.request_done(request);
        return;
    }
    if (request.durability == store::Durability::kMemory) {
        handlers_.request_done(request);  // it is in the open block: no more is promised
        return;
    }
    // Waiters leave in order: one that needs less than its predecessor waits for it too, at most
    // until the unit that is open now is durable.
    if (!waiters_.empty()) needed_end = std::max(needed_end, waiters_.back().needed_end);
    if (request.durability == store::Durability::kFsync && needed_end > synced_end_ &&
        needed_end <= std::max(durable_end_, weak_end_)) {
        // Repeats of events that came with less than fsync: a sync makes the answer true.
        open_durability_ = store::Durability::kFsync;
        open_syncs_.push_back(&request);
        return;
    }
    if (needed_end <= durable_end_) {
        handlers_.request_done(request);
        return;
    }
    waiters_.push_back({needed_end, &request});
}

void ShardCommit::add_rows(const store::RowBatch& rows,
                           std::vector<std::function<void()>>&& when_durable) {
    if (rows.empty() && when_durable.empty()) return;
    if (open_rows_.empty()) rows_since_us_ = now_us();
    open_rows_.append(rows);
    open_durability_ = store::Durability::kFsync;
    for (auto& callback : when_durable) open_callbacks_.push_back(std::move(callback));
}

std::int64_t ShardCommit::linger_us() {
    if (!open_syncs_.empty()) return 0;
    if (log_.open_bytes() + rows_bytes() >= kSecondUnitBytes) return 0;
    if (!only_rows_open()) {
        return open_callbacks_.empty() ? gather_.wait_us(waiters_.size(), now_us()) : 0;
    }
    return std::max<std::int64_t>(0, rows_since_us_ + options_.linger_us_max - now_us());
}

bool ShardCommit::worth_sealing() {
    if (nothing_open()) return false;
    if (writer_takes_one()) {
        if (linger_us() == 0) return true;
        if (!only_rows_open()) gather_.on_wait();
        return false;
    }
    if (in_flight_.size() >= kUnitsInFlightMax) return false;
    const std::size_t bytes = log_.open_bytes() + rows_bytes();
    if (in_flight_.size() == writer_.depth() && bytes >= kSecondUnitBytes) return true;
    return log_.full() || rows_bytes() >= kRowsBytesMax;
}

std::int64_t ShardCommit::sleep_limit_us(std::int64_t timeout_us) {
    if (nothing_open() || !writer_takes_one()) return timeout_us;
    return std::min(timeout_us, linger_us());
}

bool ShardCommit::seal() {
    if (in_flight_.size() >= kUnitsInFlightMax) return false;
    close_unit({});
    return true;
}

void ShardCommit::close_unit(const store::BatchPart& part) {
    store::CommitUnit unit;
    unit.tag = next_tag_++;
    unit.part = part;
    unit.durability = open_durability_;
    unit.follows = closed_end_;
    if (!log_.empty()) {
        unit.block = log_.seal(options_.registry_revision ? options_.registry_revision() : 0);
        closed_end_ = {unit.block.sequence + 1, unit.block.events.end_offset()};
        count_stored(unit.block);
    }
    if (unit.block.events && unit.durability < store::Durability::kFsync)
        weak_end_ = unit.block.events.end_offset();
    std::vector<StateSlot*> states = write_steps();
    handlers_.before_seal(open_rows_);
    unit.rows = std::move(open_rows_);
    if (spare_rows_.empty()) {
        open_rows_ = store::RowBatch();
    } else {
        open_rows_ = std::move(spare_rows_.back());
        spare_rows_.pop_back();
    }

    gather_.on_seal(waiters_.size());
    Unit& waiting = in_flight_.emplace_back();
    waiting.tag = unit.tag;
    waiting.sealed_at_us = now_us();
    waiting.events = unit.block.events;
    waiting.items = std::move(open_items_);
    waiting.when_durable = std::move(open_callbacks_);
    waiting.when_synced = std::move(open_syncs_);
    waiting.states = std::move(states);
    open_callbacks_.clear();
    open_syncs_.clear();
    open_items_.clear();
    if (!spare_items_.empty()) {
        open_items_ = std::move(spare_items_.back());
        spare_items_.pop_back();
    }
    open_durability_ = store::Durability::kMemory;
    // The ring holds more units than are ever in flight, so it can't be full.
    MR_ASSERT(writer_.append(options_.shard.value, std::move(unit)));
}

void ShardCommit::count_stored(const store::SealedBlock& block) {
    if (!options_.stored) return;
    for (const store::TenantBytes& of : block.of_tenants) {
        const core::TenantId tenant{of.tenant};
        const core::LogOffset all{options_.stored->add(options_.shard, tenant, of.bytes)};
        open_rows_.put_cursor(store::stored_cursor(tenant), {options_.shard, all});
    }
}

void ShardCommit::complete(store::Completion&& completion) {
    MR_ASSERT(!in_flight_.empty() && in_flight_.front().tag == completion.tag);
    Unit unit = std::move(in_flight_.front());
    in_flight_.pop_front();
    completion.rows.clear();
    spare_rows_.push_back(std::move(completion.rows));
    if (completion.failed) {
        failed_ = true;
    } else {
        if (unit.events) {
            durable_end_ = unit.events.end_offset();
            handlers_.block_durable(unit.events, unit.items);
        }
        if (completion.durability == store::Durability::kFsync) synced_end_ = durable_end_;
        for (auto& callback : unit.when_durable) callback();
    }
    if (!unit.states.empty()) options_.states->release(unit.states);
    answer_synced(unit.when_synced);
    if (failed_) answer_synced(open_syncs_);  // no unit will come for them
    unit.items.clear();
    spare_items_.push_back(std::move(unit.items));
    const std::size_t waited = waiters_.size();
    while (!waiters_.empty() && (failed_ || waiters_.front().needed_end <= durable_end_)) {
        IngestRequest& request = *waiters_.front().request;
        waiters_.pop_front();
        if (failed_) request.fail();
        request.reached(completion.durability);
        handlers_.request_done(request);
    }
    const std::int64_t ended_at_us = now_us();
    if (waiters_.size() < waited) {
        gather_.on_commit(waited - waiters_.size(), waiters_.size(),
                          ended_at_us - unit.sealed_at_us, ended_at_us);
    }
}

void ShardCommit::answer_synced(std::vector<IngestRequest*>& requests) {
    for (IngestRequest* request : std::exchange(requests, {})) {
        if (failed_) request->fail();
        handlers_.request_done(*request);
    }
}

std::size_t ShardCommit::do_work() {
    std::size_t done = 0;
    store::Completion completion;
    while (writer_.poll(options_.shard.value, completion)) {
        complete(std::move(completion));
        ++done;
    }
    if (!failed_ && worth_sealing() && seal()) ++done;
    return done;
}

void ShardCommit::flush() {
    if (!failed_ && !nothing_open()) seal();
}

}  // namespace millrace::runtime
