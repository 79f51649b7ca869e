#include "store/rows/executions.h"

#include "store/engine.h"
#include "store/rows/keys.h"
#include "store/rows/outcome_codec.h"
#include "store/rows/page_cursor.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>

namespace millrace::store {
namespace {

// What reads of it counts.
void set_aside(Engine& engine, const rocksdb::Iterator& rows) {
    engine.quarantine.set_aside(ColumnFamily::kOutcomes, view(rows.key()), "it does not read");
}

// Deliveries of one block, newest event first.
using Gathered = std::map<std::pair<std::uint64_t, std::uint32_t>, Execution, std::greater<>>;

// Asked for what failed, also what is tried again, and what was given up.
bool status_wanted(const ExecutionQuery& query, const Execution& execution) {
    if (execution.waits()) return query.waiting || !query.status;
    if (query.waiting) return false;
    if (!query.status || *query.status == execution.status) return true;
    return *query.status == DeliveryStatus::kFailed &&
           execution.status != DeliveryStatus::kCompleted;
}

void add_attempt(ExecutionRun& run, const OutcomeEntry& entry) {
    const bool latest = run.attempts.empty() || entry.attempt >= run.attempts.back().attempt;
    run.attempts.push_back({entry.attempt, entry.started_at_us, entry.duration_us, entry.status,
                            std::string(entry.error)});
    if (latest) {
        run.status = entry.status;
        run.script_version = entry.script_version;
        run.result.assign(entry.result);
        run.logs.assign(entry.logs);
    } else {
        std::stable_sort(run.attempts.begin(), run.attempts.end(),
                         [](const auto& a, const auto& b) { return a.attempt < b.attempt; });
    }
}

void add(Gathered& gathered, core::LogPosition block, const OutcomeEntry& entry) {
    const std::uint64_t offset = block.offset.value + entry.event_index;
    Execution& execution = gathered[{offset, entry.subscription.value}];
    execution.delivery = {{block.shard, core::LogOffset{offset}}, entry.subscription};
    execution.tenant = entry.tenant;
    execution.block_first_offset = block.offset;
    if (entry.replay_id.empty()) return add_attempt(execution, entry);
    auto& replays = execution.replays;
    auto run = std::find_if(replays.begin(), replays.end(),
                            [&](const auto& one) { return one.replay_id == entry.replay_id; });
    if (run == replays.end()) {
        run = replays.emplace(replays.end());
        run->replay_id = entry.replay_id;
    }
    add_attempt(*run, entry);
}

// Chunks are read from the newest down or from the oldest up: only now the order is known.
void settle(Gathered& gathered) {
    for (auto& [key, execution] : gathered) {
        if (execution.replays.empty()) continue;
        std::stable_sort(
            execution.replays.begin(), execution.replays.end(), [](const auto& a, const auto& b) {
                return a.attempts.front().started_at_us < b.attempts.front().started_at_us;
            });
        if (execution.attempts.empty())
            static_cast<ExecutionRun&>(execution) = execution.replays.back();
    }
}

bool chunk_wanted(const OutcomeChunkReader& chunk,
                  const std::vector<core::SubscriptionId>& subscriptions) {
    return subscriptions.empty() ||
           std::any_of(subscriptions.begin(), subscriptions.end(), [&](core::SubscriptionId id) {
               return std::binary_search(chunk.subscriptions().begin(), chunk.subscriptions().end(),
                                         id.value);
           });
}

bool subscription_wanted(core::SubscriptionId id,
                         const std::vector<core::SubscriptionId>& subscriptions) {
    return subscriptions.empty() ||
           std::find(subscriptions.begin(), subscriptions.end(), id) != subscriptions.end();
}

// One shard's blocks with outcomes, from the newest down.
class Stream {
public:
    // `bound`: offsets above it are done; at it, subscriptions below bound_subscription are still
    // to come.
    Stream(Engine& engine, const ExecutionQuery& query, core::ShardId shard, std::uint64_t bound,
           std::uint64_t bound_subscription)
        : engine_(engine),
          query_(query),
          shard_(shard),
          bound_(bound),
          bound_subscription_(bound_subscription),
          // At least one, so that every call gets somewhere.
          blocks_left_(std::max<std::size_t>(1, query.blocks_max / engine.options.shards)) {}

    core::Status advance() {
        if (!pending_.empty()) pending_.erase(pending_.begin());
        while (pending_.empty() && !ended_ && blocks_left_ > 0) {
            --blocks_left_;
            if (auto status = next_block(); !status) return status;
        }
        return {};
    }
    bool there() const { return !pending_.empty(); }
    // Neither an execution nor the end: what comes next here is not known.
    bool stalled() const { return !there() && !ended_; }
    Execution& current() { return pending_.begin()->second; }
    // What comes next has (offset, subscription) below this.
    std::pair<std::uint64_t, std::uint64_t> resume() const {
        if (stalled()) return {below_, std::numeric_limits<std::uint64_t>::max()};
        if (pending_.empty()) return {0, 0};
        const auto& key = pending_.begin()->first;
        return {key.first, std::uint64_t{key.second} + 1};
    }

private:
    bool passed(std::uint64_t offset, std::uint32_t subscription) const {
        return offset > bound_ || (offset == bound_ && subscription >= bound_subscription_);
    }

    core::Status next_block() {
        if (!rows_) {
            rows_ = engine_.iterate(ColumnFamily::kOutcomes);
            rows_->SeekForPrev(log_key({shard_, core::LogOffset{bound_}}) + std::string(8, '\xff'));
        }
        std::string prefix;
        core::LogPosition block;
        std::int64_t last_us = std::numeric_limits<std::int64_t>::min();
        std::int64_t first_us = std::numeric_limits<std::int64_t>::max();
        for (; rows_->Valid(); rows_->Prev()) {
            const std::string_view key = view(rows_->key());
            if (prefix.empty()) {
                KeyReader reader(key);
                block = read_log_key(reader);
                if (block.shard != shard_ || block.offset < engine_.first_kept(shard_)) break;
                prefix = log_key(block);
            }
            if (!key.starts_with(prefix)) break;
            auto chunk = OutcomeChunkReader::open(view(rows_->value()));
            if (!chunk) {
                set_aside(engine_, *rows_);
                continue;
            }
            last_us = std::max(last_us, chunk->header().last_us);
            first_us = std::min(first_us, chunk->header().first_us);
            if (!chunk_wanted(*chunk, query_.subscriptions)) continue;
            OutcomeEntry entry;
            while (chunk->next(entry)) {
                if (passed(block.offset.value + entry.event_index, entry.subscription.value))
                    continue;
                if (query_.tenant && entry.tenant != *query_.tenant) continue;
                if (subscription_wanted(entry.subscription, query_.subscriptions))
                    add(pending_, block, entry);
            }
            if (!chunk->ok()) set_aside(engine_, *rows_);
        }
        if (prefix.empty()) {
            ended_ = true;
            if (!rows_->status().ok())
                return core::fail(rocks_error("read outcomes", rows_->status()));
            return {};
        }
        if (block.offset.value == 0)
            ended_ = true;
        else
            below_ = block.offset.value - 1;
        if (last_us < query_.from_us || first_us >= query_.to_us) pending_.clear();
        settle(pending_);
        std::erase_if(pending_, [&](const auto& item) { return !wanted(item.second); });
        return {};
    }

    bool wanted(const Execution& execution) const {
        const std::int64_t started = execution.attempts.front().started_at_us;
        if (started < query_.from_us || started >= query_.to_us) return false;
        if (!status_wanted(query_, execution)) return false;
        return !query_.accept || query_.accept(execution);
    }

    Engine& engine_;
    const ExecutionQuery& query_;
    const core::ShardId shard_;
    const std::uint64_t bound_;
    const std::uint64_t bound_subscription_;
    std::size_t blocks_left_;
    std::uint64_t below_ = 0;  // everything above was read
    std::unique_ptr<rocksdb::Iterator> rows_;
    Gathered pending_;
    bool ended_ = false;
};

// The first event of the block that holds a position; the position itself when there is none.
core::LogPosition block_of(Engine& engine, core::LogPosition position) {
    const auto summaries = engine.iterate(ColumnFamily::kSummary);
    summaries->SeekForPrev(log_key(position));
    if (!summaries->Valid()) return position;
    KeyReader reader(view(summaries->key()));
    const core::LogPosition key = read_log_key(reader);
    return key.shard == position.shard ? key : position;
}

// Every outcome of a block's events, as it stands there.
template <typename Visit>
core::Status visit_block(Engine& engine, core::LogPosition block, Visit&& visit) {
    const std::string prefix = log_key(block);
    const auto rows = engine.iterate(ColumnFamily::kOutcomes);
    for (rows->Seek(prefix); rows->Valid() && view(rows->key()).starts_with(prefix); rows->Next()) {
        auto chunk = OutcomeChunkReader::open(view(rows->value()));
        if (!chunk) {
            set_aside(engine, *rows);
            continue;
        }
        OutcomeEntry entry;
        while (chunk->next(entry)) visit(entry);
        if (!chunk->ok()) set_aside(engine, *rows);
    }
    return rows->status().ok() ? core::Status{}
                               : core::fail(rocks_error("read outcomes", rows->status()));
}

// All of a block, or of one of its events.
core::Status gather_block(Engine& engine, core::LogPosition block,
                          std::optional<core::LogOffset> only, Gathered& out) {
    auto visited = visit_block(engine, block, [&](const OutcomeEntry& entry) {
        if (!only || block.offset.value + entry.event_index == only->value) add(out, block, entry);
    });
    settle(out);
    return visited;
}

core::Status gather_event(Engine& engine, core::LogPosition position, Gathered& out) {
    return gather_block(engine, block_of(engine, position), position.offset, out);
}

core::Result<ExecutionPage> list_event(Engine& engine, const ExecutionQuery& query) {
    ExecutionPage page;
    Gathered gathered;
    if (auto status = gather_event(engine, *query.event, gathered); !status)
        return core::fail(std::move(status.error()));
    for (auto& [key, execution] : gathered) {
        const std::int64_t started = execution.attempts.front().started_at_us;
        if (query.tenant && execution.tenant != *query.tenant) continue;
        if (!subscription_wanted(execution.delivery.subscription, query.subscriptions)) continue;
        if (!status_wanted(query, execution)) continue;
        if (started < query.from_us || started >= query.to_us) continue;
        if (query.accept && !query.accept(execution)) continue;
        page.executions.push_back(std::move(execution));
    }
    return page;
}

}  // namespace

core::Result<ExecutionPage> Executions::list(const ExecutionQuery& query) {
    if (query.event) return list_event(engine_, query);
    std::vector<std::uint64_t> bounds;
    if (query.cursor.empty()) {
        for (std::size_t i = 0; i < engine_.options.shards; ++i) {
            bounds.push_back(
                engine_.durable_end(core::ShardId{static_cast<std::uint16_t>(i)}).value);
            bounds.push_back(0);
        }
    } else if (!decode_cursor_numbers('e', query.cursor, bounds) ||
               bounds.size() != 2 * engine_.options.shards) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "cursor is not one that this list gave")
                .in("cursor"));
    }
    std::vector<std::unique_ptr<Stream>> streams;
    for (std::size_t i = 0; i < engine_.options.shards; ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        streams.push_back(
            std::make_unique<Stream>(engine_, query, shard, bounds[2 * i], bounds[2 * i + 1]));
        if (auto status = streams.back()->advance(); !status)
            return core::fail(std::move(status.error()));
    }
    ExecutionPage page;
    for (;;) {
        Stream* best = nullptr;
        for (const auto& stream : streams) {
            page.stalled |= stream->stalled();
            if (!stream->there()) continue;
            if (!best || stream->current().attempts.front().started_at_us >
                             best->current().attempts.front().started_at_us) {
                best = stream.get();
            }
        }
        if (!best && !page.stalled) break;
        if (page.stalled || page.executions.size() == query.limit ||
            best->current().attempts.front().started_at_us < query.pause_below_us) {
            std::vector<std::uint64_t> resume;
            for (const auto& stream : streams) {
                const auto [offset, subscription] = stream->resume();
                resume.push_back(offset);
                resume.push_back(subscription);
            }
            page.next = encode_cursor_numbers('e', resume);
            break;
        }
        page.executions.push_back(std::move(best->current()));
        if (auto status = best->advance(); !status) return core::fail(std::move(status.error()));
    }
    return page;
}

core::Result<std::optional<Execution>> Executions::get(const DeliveryKey& delivery) {
    Gathered gathered;
    if (auto status = gather_event(engine_, delivery.position, gathered); !status)
        return core::fail(std::move(status.error()));
    const auto found = gathered.find({delivery.position.offset.value, delivery.subscription.value});
    if (found == gathered.end()) return std::nullopt;
    return std::optional<Execution>(std::move(found->second));
}

core::Status Executions::of_block(core::LogPosition block,
                                  const std::function<void(Execution&&)>& visit) {
    Gathered gathered;
    if (auto status = gather_block(engine_, block, std::nullopt, gathered); !status) return status;
    for (auto& [key, execution] : gathered) visit(std::move(execution));
    return {};
}

core::Status Executions::of_replay(
    core::LogPosition block, std::string_view replay_id,
    const std::function<void(const DeliveryKey&, const ReplayAttempt&)>& visit) {
    return store::visit_block(engine_, block, [&](const OutcomeEntry& entry) {
        if (entry.replay_id != replay_id) return;
        const core::LogOffset offset{block.offset.value + entry.event_index};
        visit({{block.shard, offset}, entry.subscription}, {entry.attempt, entry.status});
    });
}

core::Status Executions::visit_block(core::LogPosition first,
                                     const std::function<void(const OutcomeEntry&)>& visit) {
    return store::visit_block(engine_, first, visit);
}

core::Status Executions::done_since(core::LogPosition from,
                                    const std::function<void(const DeliveryKey&)>& visit) {
    const auto rows = engine_.iterate(ColumnFamily::kOutcomes);
    for (rows->Seek(log_key(block_of(engine_, from))); rows->Valid(); rows->Next()) {
        KeyReader reader(view(rows->key()));
        const core::LogPosition block = read_log_key(reader);
        if (block.shard != from.shard) break;
        auto chunk = OutcomeChunkReader::open(view(rows->value()));
        if (!chunk) {
            set_aside(engine_, *rows);
            continue;
        }
        OutcomeEntry entry;
        while (chunk->next(entry)) {
            const core::LogOffset offset{block.offset.value + entry.event_index};
            if (offset >= from.offset && entry.replay_id.empty())
                visit({{block.shard, offset}, entry.subscription});
        }
        if (!chunk->ok()) set_aside(engine_, *rows);
    }
    return rows->status().ok() ? core::Status{}
                               : core::fail(rocks_error("read outcomes", rows->status()));
}

}  // namespace millrace::store
