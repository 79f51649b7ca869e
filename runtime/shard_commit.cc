#include "runtime/shard_commit.h"

#include "core/assert.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

ShardCommit::ShardCommit(core::ShardId shard, store::ShardLog& log, store::LogWriter& writer,
                         ShardMetrics& metrics, Handlers handlers)
    : shard_(shard),
      log_(log),
      writer_(writer),
      metrics_(metrics),
      handlers_(std::move(handlers)),
      durable_end_(log.next_position().offset) {}

bool ShardCommit::append(IngestRequest& request, std::size_t& next) {
    const std::vector<std::uint32_t>& list = request.by_home[shard_.value];
    constexpr std::size_t kPrefetchAhead = 8;
    while (next < list.size()) {
        if (failed_) break;
        if (next + kPrefetchAhead < list.size())
            log_.prefetch(request.items[list[next + kPrefetchAhead]].input.id);
        IngestItem& item = request.items[list[next]];
        const store::AppendResult result = log_.append(item.input);
        if (result.status == store::AppendStatus::kBlockFull) {
            if (!seal()) return false;
            continue;
        }
        ++next;
        item.position = result.position;
        switch (result.status) {
            case store::AppendStatus::kAppended: note_appended(request, item); break;
            case store::AppendStatus::kDuplicate:
                item.duplicate = true;
                metrics_.duplicates.add();
                break;
            default: item.refused = true; break;
        }
    }
    core::LogOffset needed_end = durable_end_;
    for (const std::uint32_t index : list) {
        const IngestItem& item = request.items[index];
        if (!item.refused)
            needed_end = std::max(needed_end, core::LogOffset{item.position.offset.value + 1});
    }
    open_durability_ = std::max(open_durability_, request.durability);
    wait_for(request, needed_end);
    return true;
}

void ShardCommit::note_appended(const IngestRequest& request, const IngestItem& item) {
    const std::uint32_t index = log_.open_events() - 1;
    for (std::uint32_t i = 0; i < item.match_count; ++i) {
        open_items_.push_back({index, request.matches[item.match_begin + i]});
    }
    metrics_.received.at(item.input.pattern).add();
    metrics_.bytes_received.add(item.input.raw.size());
    metrics_.matched.add(item.match_count);
}

void ShardCommit::wait_for(IngestRequest& request, core::LogOffset needed_end) {
    if (failed_) {
        request.failed = true;
        handlers_.request_done(request);
        return;
    }
    // Waiters leave in order: one that needs less than its predecessor waits for it too, at most
    // until the unit that is open now is durable.
    if (!waiters_.empty()) needed_end = std::max(needed_end, waiters_.back().needed_end);
    if (needed_end <= durable_end_) {
        handlers_.request_done(request);
        return;
    }
    waiters_.push_back({needed_end, &request});
}

void ShardCommit::add_rows(const store::RowBatch& rows,
                           std::vector<std::function<void()>>&& when_durable) {
    open_rows_.append(rows);
    open_durability_ = store::Durability::kFsync;
    for (auto& callback : when_durable) open_callbacks_.push_back(std::move(callback));
}

bool ShardCommit::worth_sealing() const {
    if (nothing_open()) return false;
    if (in_flight_.empty()) return true;
    if (in_flight_.size() >= kUnitsInFlightMax) return false;
    const std::size_t bytes = log_.open_bytes() + open_rows_.bytes();
    if (in_flight_.size() == 1 && bytes >= kSecondUnitBytes) return true;
    return log_.full() || open_rows_.bytes() >= kRowsBytesMax;
}

bool ShardCommit::seal() {
    if (in_flight_.size() >= kUnitsInFlightMax) return false;
    store::CommitUnit unit;
    unit.tag = next_tag_++;
    unit.durability = open_durability_;
    if (!log_.empty()) unit.block = log_.seal();
    handlers_.before_seal(open_rows_);
    unit.rows = std::move(open_rows_);
    if (spare_rows_.empty()) {
        open_rows_ = store::RowBatch();
    } else {
        open_rows_ = std::move(spare_rows_.back());
        spare_rows_.pop_back();
    }

    Unit& waiting = in_flight_.emplace_back();
    waiting.tag = unit.tag;
    waiting.events = unit.block.events;
    waiting.items = std::move(open_items_);
    waiting.when_durable = std::move(open_callbacks_);
    open_callbacks_.clear();
    open_items_.clear();
    if (!spare_items_.empty()) {
        open_items_ = std::move(spare_items_.back());
        spare_items_.pop_back();
    }
    open_durability_ = store::Durability::kMemory;
    // The ring holds more than kUnitsInFlightMax units, so it can't be full.
    MR_ASSERT(writer_.submit(shard_.value, std::move(unit)));
    return true;
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
        for (auto& callback : unit.when_durable) callback();
    }
    unit.items.clear();
    spare_items_.push_back(std::move(unit.items));
    while (!waiters_.empty() && (failed_ || waiters_.front().needed_end <= durable_end_)) {
        IngestRequest& request = *waiters_.front().request;
        waiters_.pop_front();
        request.failed |= failed_;
        request.durability = std::min(request.durability, completion.durability);
        handlers_.request_done(request);
    }
}

std::size_t ShardCommit::do_work() {
    std::size_t done = 0;
    store::Completion completion;
    while (writer_.poll(shard_.value, completion)) {
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
